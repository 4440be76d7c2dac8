"""Evaluate two files, or a file and its .bal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import field, replace
from pathlib import Path
from typing import cast

from baler_core.config import ComponentSpec
from baler_core.data.block import Block, make_block, values_of
from baler_core.data.bounds import BoundRules
from baler_core.data.derived import DerivedRule
from baler_core.data.error_bound import ErrorBound
from baler_core.data.rows import RowOrder
from baler_core.data.seeds import SeedSpread
from baler_core.data.variables import Schema, Variable
from baler_core.errors import DataError, did_you_mean
from baler_core.evaluate.compare import OTHERS_BYTES, Walk, Wanted, compare
from baler_core.evaluate.derived_rules import block_ends, quantities_of
from baler_core.evaluate.provenance import details_of, groups_of, listed, training_curves, with_unheld
from baler_core.evaluate.results import Results
from baler_core.format.container import MAGIC
from baler_core.format.file_info import Info, read_info
from baler_core.machine.disk import size_of
from baler_core.machine.records import dataclass
from baler_core.pipeline.decode import NOWHERE_ELSE, BalFile, make_component
from baler_core.pipeline.derived.quantities import Derived
from baler_core.pipeline.input import WHOLE_FILE, bounds_of, make_reader, roles_in
from baler_core.pipeline.input import kept_exact as kept_exact_by
from baler_core.pipeline.noise_bounds import with_noise
from baler_core.pipeline.row_order import sorted_again
from baler_core.pipeline.trained_lookup import Lookup
from baler_core.plugin.interfaces import Metric
from baler_core.plugin.reading import Reader
from baler_core.plugin.registry import Registry

DEFAULT_METRICS = ("residual", "response")
UNKNOWN_BOUNDS = (
    "neither file states the allowed errors, so no bound is shown: "
    "compare with the .bal file instead of the restored one, or name the configuration with --config"
)
PIECE_BYTES = 8 << 20  # several arrays of float64 are made of each piece


@dataclass(frozen=True)
class Comparison:
    """What to compare of two files, and what is known of how the restored one came about.

    Attributes
    ----------
    reader
        Of both files; None takes the one the `.bal` file names, else the one for the suffix.
    metrics
        None takes residual and response.
    variables
        Patterns of the variables to compare; None takes all that the restored file holds.
    bounds
        What was allowed; None takes the bounds that the `.bal` file states.
    compressed
        The `.bal` file between the two, if the restored file is not itself it: for sizes, components and bounds.
    histories
        What models recorded while they trained, by group.
    seeds
        What training from several seeds gave, by group.
    kept_exact
        What compression kept exactly in spite of a pattern with wildcards, and why; None looks it up.
    plots
        Patterns of the variables to draw.
    others_bytes
        At most about this many native bytes go through gzip, xz and zstd; 0 leaves them out.
    lookup
        Where to look for the trained models that the `.bal` file may refer to.
    derived
        Quantities to compute from both files; None takes those that the `.bal` file keeps.
    """

    reader: ComponentSpec | None = None
    metrics: Sequence[ComponentSpec] | None = None
    variables: Sequence[str] | None = None
    bounds: BoundRules | None = None
    compressed: Path | None = None
    histories: Mapping[str, object] = field(default_factory=dict)
    seeds: Mapping[str, SeedSpread] = field(default_factory=dict)
    kept_exact: Mapping[str, str] | None = None
    plots: Sequence[str] = ("*",)
    others_bytes: int = OTHERS_BYTES
    lookup: Lookup = NOWHERE_ELSE
    derived: Sequence[DerivedRule] | None = None


WHOLE = Comparison()


def evaluate(original: Path, restored: Path, registry: Registry, comparison: Comparison = WHOLE) -> Results:
    """Compare a file with its restored form.

    Parameters
    ----------
    restored
        A file in the original's format, or the `.bal` file, which is then restored block by block in memory.

    Raises
    ------
    DataError
        If a file is missing or the two do not hold the same variables, dtypes, rows and shapes.
    """
    for path in (original, restored):
        if not path.is_file() and not registry.takes_folder(path):
            raise DataError(f"{path}: there is no such file")
    bal = restored if is_bal(restored) else comparison.compressed
    info = read_info(bal) if bal is not None else None
    with ExitStack() as stack:
        sides = _Sides(stack, registry, comparison.reader, info, comparison.lookup)
        before = sides.original(original, comparison.variables)
        after = sides.bal(restored) if bal == restored else sides.file(restored, comparison.variables)
        results = _compared(before, after, comparison, info, registry)
    results = replace(
        results,
        sizes=replace(results.sizes, input_file=size_of(original)),
        training=training_curves(comparison.histories),
        seeds=comparison.seeds,
    )
    return _with_provenance(results, info, unknown=comparison.bounds is None)


def _compared(before: _Side, after: _Side, comparison: Comparison, info: Info | None, registry: Registry) -> Results:
    """Compare the values that both files hold, under the bounds that are known."""
    schema, left_out = _common(before, after)
    allowed, exact_anyway = _bounds(schema, comparison.bounds, info, before)
    quantities, notes = quantities_of(schema, comparison.derived, info, registry)
    wanted = Wanted(
        _with_derived(allowed, quantities, comparison.bounds, info),
        _metrics(comparison, registry),
        comparison.plots,
        comparison.others_bytes,
        quantities,
        block_ends(info) if info is not None else {},
        before.masks,
    )
    names = before.path.name, after.path.name
    results = compare(before.walk, _named_alike(after, schema), schema, wanted, names=names)
    return replace(
        results,
        notes=(*results.notes, *notes),
        kept_exact=exact_anyway if comparison.kept_exact is None else comparison.kept_exact,
        left_out=tuple(left_out),
    )


def _with_provenance(results: Results, info: Info | None, *, unknown: bool) -> Results:
    """Add the contents of the .bal file: sizes, groups, components, and parts of the input that it does not hold.

    Without one, bounds may be `unknown`, which is said.
    """
    if info is None:
        return replace(results, notes=(*results.notes, UNKNOWN_BOUNDS)) if unknown else results
    return replace(
        results,
        sizes=replace(results.sizes, compressed=info.file_bytes, model=info.state_bytes),
        groups=groups_of(info, results.variables),
        details=details_of(info),
        derived=with_unheld(results.derived, info.header.derived),
        notes=(*results.notes, *info.header.elsewhere),
        left_out=tuple(dict.fromkeys((*info.header.left_out, *results.left_out))),
    )


def is_bal(path: Path) -> bool:
    """Return whether a file begins like a .bal file."""
    if path.is_dir():
        return False
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


@dataclass(frozen=True)
class _Side:
    """One of the two, open."""

    path: Path
    schema: Schema
    walk: Walk
    masks: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Sides:
    """Opens files, to be closed by the stack."""

    stack: ExitStack
    registry: Registry
    reader: ComponentSpec | None
    info: Info | None
    lookup: Lookup

    def original(self, path: Path, variables: Sequence[str] | None) -> _Side:
        """Return the original, its rows in the order in which they were compressed."""
        return self.file(path, variables, None if self.info is None else self.info.header.order)

    def file(self, path: Path, variables: Sequence[str] | None, order: RowOrder | None = None) -> _Side:
        """Return a file in the original's format."""
        written_by = self.info.header.reader.name if self.info is not None else ""
        if self.info is not None and (self.reader is None or written_by == WHOLE_FILE):
            reader = cast(Reader, make_component("reader", self.info.header.reader, self.registry, self.info.path))
        else:
            reader = make_reader(path, self.reader, self.registry)
        source = self.stack.enter_context(reader.open(path, variables))
        source = sorted_again(source, order)
        return _Side(path, source.schema, lambda: source.blocks(PIECE_BYTES), source.masks)

    def bal(self, path: Path) -> _Side:
        """Return a .bal file, restored as it is walked."""
        stored = self.stack.enter_context(BalFile(path, self.registry, self.lookup))
        if not stored.header.blocks:
            raise DataError(f"{path}: holds trained models and no data to compare")
        return _Side(path, stored.header.schema, stored.blocks)


def _common(before: _Side, after: _Side) -> tuple[Schema, list[str]]:
    """The schema of what both hold, and sentences about what differs in the restored file."""
    known = set(before.schema.names)
    for variable in after.schema.variables:
        if variable.name not in known:
            raise DataError(
                f"{after.path} holds a variable {variable.name!r} that {before.path} does not have. "
                f"{did_you_mean(variable.name, known)}"
            )
    restored = {variable.name: variable for variable in after.schema.variables}
    kept = tuple(variable for variable in before.schema.variables if variable.name in restored)
    if not kept:
        raise DataError(f"{after.path} holds none of the variables of {before.path}")
    for variable in kept:
        _same_kind(variable.name, before, after)
    missing = [name for name in before.schema.names if name not in restored]
    sentences = [f"variables of the original that are not in the restored file: {listed(missing)}"] if missing else []
    sentences += [line for v in kept for line in _differences(v, restored[v.name])]
    return replace(before.schema, variables=kept), sentences


def _named_alike(after: _Side, schema: Schema) -> Walk:
    """Walk through the restored file with the original's names of dimensions, which other formats call otherwise."""
    if all(after.schema[v.name].dims == v.dims for v in schema.variables):
        return after.walk

    def walk() -> Iterator[Block]:
        for block in after.walk():
            names = [v.name for v in schema.variables if v.name in block.variables]
            yield make_block({name: (schema[name].dims, values_of(block, name)) for name in names})

    return walk


def _differences(before: Variable, after: Variable) -> list[str]:
    """Return the differences between the two files in a variable's dimensions, units, packing, limits and flags."""
    return [
        f"{before.name}: {what} of the original {getattr(before, what)!r}, of the restored file {getattr(after, what)!r}"
        for what in ("dims", "units", "label", "fill", "scale", "offset", "limits", "stated_limits", "flags")
        if repr(getattr(before, what)) != repr(getattr(after, what))
    ]


def _same_kind(name: str, before: _Side, after: _Side) -> None:
    """Same dtype and shape, or a message."""
    for what, x, y in (
        ("dtype", _dtype(before, name), _dtype(after, name)),
        ("shape", _shape(before, name), _shape(after, name)),
    ):
        if x != y:
            raise DataError(f"{name!r} is of {what} {x} in {before.path} and {y} in {after.path}: not comparable")


def _dtype(side: _Side, name: str) -> str:
    variable = side.schema[name]
    return variable.dtype if variable.is_text else str(variable.numpy_dtype.newbyteorder("="))


def _shape(side: _Side, name: str) -> tuple[int, ...]:
    return tuple(side.schema.sizes[dim] for dim in side.schema[name].dims)


def _bounds(
    schema: Schema, rules: BoundRules | None, info: Info | None, before: _Side
) -> tuple[dict[str, ErrorBound], Mapping[str, str]]:
    """The bound of every variable, as far as it is known, and what is exact in spite of a pattern, with the reason."""
    if rules is not None:
        roles = roles_in(before.schema, before.walk, rules)
        found = with_noise(before.schema, bounds_of(before.schema, rules, roles), before.walk, rules)
        bounds = dict(zip(before.schema.names, found.bounds, strict=True))
        bounds = {name: bounds[name] for name in schema.names}
        return bounds, kept_exact_by(schema, rules, roles)
    if info is None:
        return {}, {}
    stated = dict(zip(info.header.schema.names, info.header.bounds, strict=True))
    return {name: stated[name] for name in schema.names if name in stated}, info.header.kept_exact


def _with_derived(
    bounds: Mapping[str, ErrorBound], quantities: Sequence[Derived], rules: BoundRules | None, info: Info | None
) -> dict[str, ErrorBound]:
    """The bounds, where variables without one of their own got one for a quantity: it stands in the .bal file alone."""
    if rules is None:
        return dict(bounds)
    known = dict(zip(info.header.schema.names, info.header.bounds, strict=True)) if info is not None else {}
    among = rules.among(list(bounds))
    free = {name for one in quantities for name in one.names if among.rule_for(name) is None}
    return {name: known.get(name, bound) for name, bound in bounds.items() if name not in free or name in known}


def _metrics(comparison: Comparison, registry: Registry) -> list[Metric]:
    """Make the metrics that are asked for, or those of every evaluation."""
    if comparison.metrics is None:
        return [registry.metric(name)() for name in DEFAULT_METRICS]
    return [registry.metric(spec.name)(spec.options) for spec in comparison.metrics]
