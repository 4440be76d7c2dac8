"""A .bal file to a file for those who have no baler: restored values rounded within their bounds, stored as suits these."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import field
from pathlib import Path

from baler_core.data.arithmetic import parse_arithmetic
from baler_core.data.block import Block, make_block, values_of
from baler_core.data.derived import DerivedRule
from baler_core.data.rounding import Rounding, most_bits, round_values, rounding_of
from baler_core.errors import BalerError, DataError
from baler_core.format.header import Header
from baler_core.machine.atomic_write import completed
from baler_core.machine.disk import size_of
from baler_core.machine.progress import counted
from baler_core.machine.records import dataclass
from baler_core.pipeline.decode import NOWHERE_ELSE, BalFile, not_believed
from baler_core.pipeline.decompression import checked_size, reader_for_output, refuse_full_disk
from baler_core.pipeline.derived.quantities import bind_rules
from baler_core.pipeline.trained_lookup import Lookup
from baler_core.plugin.reading import Exported, Reader, Rounded, Sink, is_marked
from baler_core.plugin.registry import load_plugins


@dataclass(frozen=True)
class ExportedFile:
    """A file that was exported.

    Attributes
    ----------
    path
        Where it lies.
    file_bytes, plain_bytes, bal_bytes
        Of the exported file, of what `decompress` would write, and of the .bal file.
    storage
        How the format stores the values, in a few words; empty where it has no storage for exports.
    rounded
        How the values of variables were rounded.
    allowed
        Of these, what the error against the original is now at most, and what the bound was: `abs 0.015, bound abs 0.01`.
    kept
        Lossy variables whose values are as restored, by the reason.
    extra
        What was allowed beyond the bounds, as a share of them.
    warnings
        How the file differs from the original beyond its values, one sentence each.
    """

    path: Path
    file_bytes: int
    plain_bytes: int
    bal_bytes: int
    storage: str
    rounded: Mapping[str, Rounding]
    kept: Mapping[str, tuple[str, ...]]
    extra: float = 0.0
    allowed: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def export(
    path: Path,
    *,
    output: Path,
    extra: float = 0.0,
    lookup: Lookup = NOWHERE_ELSE,
    memory: int | None = None,
) -> ExportedFile:
    """Restore a .bal file with values rounded to short bit patterns, in the original's format.

    Parameters
    ----------
    extra
        By how much more than their bounds values may be wrong, as a share of these: 0 keeps the bounds.

    Raises
    ------
    BalerError
        As `decompress`; or `extra` is no share.
    """
    if not 0 <= extra < 1e6:
        raise DataError(f"export(extra={extra!r}): wanted a share of the bounds of at least 0, such as 0.5")
    with BalFile(path, None, lookup, memory=memory) as stored:
        header = stored.header
        reader = reader_for_output(stored, path, output)
        refuse_full_disk(2 * checked_size(header, path), path, output)
        rounded, kept = _roundings(header, extra, shortened=reader.shortens_digits)
        with (
            completed(output, over_folder=is_marked(output, reader.folders)) as temporary,
            not_believed(path, f"the reader {header.reader.name!r} of {header.reader.package}"),
        ):
            written = _Writing(stored, reader, rounded).write(temporary)
            file_bytes = size_of(temporary)
        allowed = {name: _allowed(header, name, extra) for name in rounded}
        bal_bytes = stored.source.size
    sizes = file_bytes, written.plain_bytes, bal_bytes
    return ExportedFile(output, *sizes, written.storage, rounded, kept, extra, allowed, tuple(written.warnings))


def _allowed(header: Header, name: str, extra: float) -> str:
    place = header.schema.names.index(name)
    tolerance, bound = header.tolerances[place], header.bounds[place]
    scale = abs(header.schema.variables[place].scale)
    if tolerance.kind == "abs":
        return f"{tolerance.value * scale * (1 + extra):g} (bound: {bound})"
    if tolerance.kind == "rel":
        return f"{tolerance.value * (1 + extra):g} of itself (bound: {bound})"
    return f"{1 + extra:g} times its bound of {bound}"


def _roundings(
    header: Header, extra: float, *, shortened: bool
) -> tuple[dict[str, Rounding], dict[str, tuple[str, ...]]]:
    """Return how variables are rounded, and lossy ones that are not, by the reason.

    Parameters
    ----------
    shortened
        Whether the format's writer chooses digits within the bounds by itself.
    """
    needed = _needed_by_derived(header)
    rounded: dict[str, Rounding] = {}
    kept: dict[str, list[str]] = {}
    for variable, tolerance in zip(header.schema.variables, header.tolerances, strict=True):
        name = variable.name
        share = header.errors[name].share if name in header.errors else 1.0
        found = rounding_of(variable, tolerance, share, extra)
        if not isinstance(found, str) and name in needed:
            found = "derived quantities that are kept follow from them"
        if not isinstance(found, str) and shortened:
            found = "restored cells of text have the fewest digits within their bounds already"
        if not isinstance(found, str):
            rounded[name] = found
        elif found != "exact":
            kept.setdefault(found, []).append(name)
    return rounded, {why: tuple(names) for why, names in kept.items()}


def _needed_by_derived(header: Header) -> frozenset[str]:
    """Return the variables that derived quantities follow from, all where a plugin that would tell is missing."""
    if not header.derived:
        return frozenset()
    try:
        rules = [DerivedRule(one.name, parse_arithmetic(one.formula), one.bound, "") for one in header.derived]
        bound = bind_rules(rules, header.schema, load_plugins())
    except BalerError:
        return frozenset(header.schema.names)
    return frozenset(variable.name for one in bound for variable in one.inputs)


def _lossy_floats(header: Header) -> list[str]:
    pairs = zip(header.schema.variables, header.tolerances, strict=True)
    return [v.name for v, tolerance in pairs if tolerance.lossy and v.is_numeric and v.numpy_dtype.kind == "f"]


class _Writing:
    """Writes the exported file, and beside it the one that `decompress` would write, to compare sizes."""

    def __init__(self, stored: BalFile, reader: Reader, rounded: Mapping[str, Rounding]) -> None:
        self._stored, self._reader, self._rounded = stored, reader, rounded
        self._bits = dict.fromkeys(rounded, 0)
        self._schema = stored.schema()
        self._lossy = dict.fromkeys(_lossy_floats(stored.header), Rounded(0.0, 0))
        told = {name: Rounded(one.step, one.bits) for name, one in rounded.items()}
        sample = self._rounded_block(stored.block(0))
        self.form: Exported | None = reader.exported(self._schema, {**self._lossy, **told}, sample)
        self.warnings: list[str] = list(self.form.warnings) if self.form is not None else []
        self.plain_bytes = 0

    @property
    def storage(self) -> str:
        """How the format stores the values; empty where it has no storage for exports."""
        return self.form.storage if self.form is not None else ""

    def write(self, target: Path) -> _Writing:
        """Write the file; return this, with what was found out."""
        schema = self._schema if self.form is None else self.form.schema
        with tempfile.TemporaryDirectory(prefix=".baler-plain-", dir=target.parent) as folder:
            plain = Path(folder) / target.name
            sinks = [self._reader.create(target, schema)]
            try:
                sinks.append(self._reader.create(plain, self._schema))
                self._fill(sinks)
            except BaseException:
                for sink in sinks:
                    with suppress(Exception):  # of whatever library writes the format: it would hide what went wrong
                        sink.abort()
                raise
            self.plain_bytes = size_of(plain)
        self.warnings += sinks[0].warnings
        if self.form is not None:
            told = {name: Rounded(one.step, self._bits[name]) for name, one in self._rounded.items()}
            self._reader.finish_export(target, schema, {**self._lossy, **told})
        return self

    def _fill(self, sinks: list[Sink]) -> None:
        total = sum(self._schema.nbytes(variable) for variable in self._schema.variables)
        with counted("export", total) as progress:
            for block in self._stored.blocks():
                sinks[0].write(self._rounded_block(block))
                sinks[1].write(block)
                progress(block.nbytes)
        for sink in sinks:
            sink.close()

    def _rounded_block(self, block: Block) -> Block:
        arrays = {}
        for name, variable in block.variables.items():
            values = values_of(block, name)
            if name in self._rounded:
                values = round_values(values, self._rounded[name])
                self._bits[name] = max(self._bits[name], most_bits(values))
            arrays[name] = (variable.dims, values)
        return make_block(arrays)
