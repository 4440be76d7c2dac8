"""Walks through an input file: opens it, finds the ranges that bounds need, and hands out blocks and their groups."""

from __future__ import annotations

import logging
import math
import platform
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from baler_core.config import ComponentSpec, Config
from baler_core.data.block import Block, values_of
from baler_core.data.bounds import BoundRules, Tolerance, ValueRange, usable, value_range
from baler_core.data.error_bound import LOSSLESS, ErrorBound
from baler_core.data.patterns import names_in_full
from baler_core.data.roles import SINGLE, Finding, roles_of, told_by_values
from baler_core.data.rows import RowOrder
from baler_core.data.sentinels import NO_SENTINELS, Sentinel
from baler_core.data.tolerance import make_tolerance, usable_packing
from baler_core.data.variables import (
    Layout,
    Schema,
    Variable,
    block_sizes,
    counts_first,
    group_variables,
    leading_slices,
    with_events,
)
from baler_core.errors import DataError, PluginError, UnsuitedError
from baler_core.machine.disk import size_of, stamp_of
from baler_core.machine.records import dataclass
from baler_core.pipeline.choice import add_choice
from baler_core.plugin.reading import Reader, Source
from baler_core.plugin.registry import Registry

logger = logging.getLogger(__name__)
WHOLE_FILE = "whole_file"
"""The reader that takes any file as it is."""
# How much more memory a cell of text takes than the eight bytes it counts.
_TEXT_IN_MEMORY = 8
# So many values of a variable are looked at to tell what it is; fewer where there are many variables.
SEEN_VALUES = 16384
_SEEN_TOGETHER = 1 << 23
_FEWEST_VALUES = 1024
# Values beyond these shares say nothing of how far the others spread.
_OUTERMOST = (0.001, 0.999)
_NO_MARKS: Mapping[str, Sequence[float]] = {}


@dataclass(frozen=True)
class Input:
    """An open input: a file, or an object in memory.

    Attributes
    ----------
    name
        Of the file, or of the object's type.
    file_bytes
        Length of the file, or bytes of the object's values.
    order
        By what its rows come sorted, if that is not their own order.
    place
        How to open the file once more; None for an object.
    """

    reader: Reader
    source: Source
    name: str
    file_bytes: int
    order: RowOrder | None = None
    place: InputPlace | None = None

    def refuse_changed(self) -> None:
        """Refuse a file that is not as it was when it was opened.

        Raises
        ------
        DataError
            If it has changed, or is gone.
        """
        if self.place is not None and not self.place.is_unchanged():
            raise DataError(f"{self.place.path}: was changed while it was compressed: run again when it is finished")


@dataclass(frozen=True)
class InputPlace:
    """Where a file lies, and how it was opened.

    Attributes
    ----------
    variables
        Patterns of those to take; None for all.
    stamp
        What it was like.
    """

    path: Path
    reader: Reader
    variables: tuple[str, ...] | None
    stamp: str

    def is_unchanged(self) -> bool:
        """Whether the file is as it was."""
        try:
            return stamp_of(self.path) == self.stamp
        except OSError:
            return False

    def open(self) -> Source:
        """Open it once more.

        Raises
        ------
        DataError
            If it is not the same here, or cannot be read.
        """
        if not self.path.exists():
            raise DataError(f"{self.path}: there is no such file where a worker runs ({platform.node()})")
        found = stamp_of(self.path)
        if found != self.stamp:
            raise DataError(
                f"{self.path}: a worker ({platform.node()}) sees {found}, and the run began with {self.stamp}: it was "
                "changed, or is another file there"
            )
        return self.reader.open(self.path, self.variables)


def make_reader(path: Path, chosen: ComponentSpec | None, registry: Registry) -> Reader:
    """The reader that the configuration names, or the one for the file's suffix."""
    if chosen is not None:
        return registry.reader(chosen.name)(chosen.options)
    return registry.reader(registry.reader_for(path))()


def refuse_empty(path: Path, reader: str) -> None:
    """Refuse a file of a format without any bytes, which libraries of formats say in many ways.

    Raises
    ------
    UnsuitedError
        If it is one.
    """
    if reader != WHOLE_FILE and path.is_file() and not path.stat().st_size:
        raise UnsuitedError(f"{path}: the file is empty")


def open_input(path: Path, config: Config, registry: Registry) -> tuple[Reader, Source]:
    """Open the input file; one without variables, or unsuited to the reader of its suffix, is kept byte for byte.

    Raises
    ------
    DataError
        If the file does not exist or cannot be read.
    """
    if not path.exists():
        raise DataError(f"{path}: there is no such file")
    if path.is_dir() and not registry.takes_folder(path):
        raise DataError(f"{path}: is a folder; an input is a file")
    if not path.is_dir() and not path.is_file():
        raise DataError(f"{path}: is a pipe or a device, which cannot be read more than once; an input is a file")
    reader = make_reader(path, config.reader, registry)
    try:
        refuse_empty(path, reader.name)
        source = reader.open(path, config.variables)
    except UnsuitedError as error:
        if config.reader is not None or config.variables is not None or path.is_dir():
            raise
        logger.warning("kept byte for byte, since it is nothing that the reader %r takes: %s", reader.name, error)
        whole = registry.reader(WHOLE_FILE)()
        return whole, whole.open(path)
    if twins := [name for name, count in Counter(source.schema.names).items() if count > 1]:
        raise PluginError(f"{path}: the reader {reader.name!r} calls several variables {twins[0]!r}")
    if not source.schema.variables:
        source.close()
        if path.is_dir():
            raise DataError(f"{path}: holds no variable that can be compressed: keep the folder as it is")
        logger.warning("%s: holds no variable that can be compressed, so it is kept byte for byte", path)
        reader = registry.reader(WHOLE_FILE)()
        source = reader.open(path)
    for warning in (*source.warnings, *source.elsewhere):
        logger.warning("%s", warning)
    if config.variables is not None:
        add_choice(source, path, reader)
    return reader, source


def input_of(source: Path | Input, config: Config, registry: Registry) -> Input:
    """An input file, opened; an input that is open already, itself."""
    if isinstance(source, Input):
        return source
    stamp = stamp_of(source) if source.exists() else ""
    reader, opened = open_input(source, config, registry)
    chosen = None if config.variables is None or reader.name == WHOLE_FILE else tuple(config.variables)
    place = InputPlace(source.absolute(), reader, chosen, stamp)
    return Input(reader, opened, source.name, size_of(source), place=place)


def bounds_of(schema: Schema, rules: BoundRules, roles: Mapping[str, Finding]) -> tuple[ErrorBound, ...]:
    """The bound of every variable, in order; counts of jagged dimensions are always lossless.

    Parameters
    ----------
    roles
        What variables are, as `roles_in` finds it.
    """
    counts = set(schema.counts.values())
    rules = rules.among(schema.names)
    return tuple(
        LOSSLESS
        if v.name in counts
        else rules.bound_for(v.name, v.dtype, packed=v.is_packed, protected=bool(_why_protected(v, schema, roles)))
        for v in schema.variables
    )


def _why_protected(variable: Variable, schema: Schema, roles: Mapping[str, Finding]) -> str:
    """Why a pattern with wildcards leaves a variable exact; empty if it does not."""
    finding = roles.get(variable.name, Finding())
    if finding.is_exact:
        return str(finding)
    # Exact costs nothing here, and constants of a calculation are like this.
    return SINGLE if all(schema.sizes[dim] == 1 for dim in variable.dims) else ""


def roles_in(schema: Schema, walk: Callable[[], Iterable[Block]], rules: BoundRules) -> dict[str, Finding]:
    """The roles of variables, as far as they matter to these bounds; `walk` begins to read the file's blocks.

    The first values of a variable are looked at where a lossy pattern with wildcards matches it, unless it is the only
    one that the bound can be meant for.
    """
    rules = rules.among(schema.names)
    open_to_doubt = {v.name for v in schema.variables if v.is_numeric and is_lossy_wildcard(v.name, rules)}
    if not open_to_doubt:
        return {}
    alone = sum(v.is_numeric for v in schema.variables) == 1
    wanted = [] if alone else [name for name in told_by_values(schema) if name in open_to_doubt]
    return roles_of(schema, first_values(walk, wanted))


def kept_exact(schema: Schema, rules: BoundRules, roles: Mapping[str, Finding]) -> dict[str, str]:
    """The variables that are exact in spite of a lossy pattern with wildcards, each with the reason.

    Integers and text, which no pattern with wildcards touches, are not among them.
    """
    rules = rules.among(schema.names)
    return {
        v.name: why
        for v in schema.variables
        if (v.numpy_dtype.kind == "f" or v.is_packed)
        and (why := _why_protected(v, schema, roles))
        and is_lossy_wildcard(v.name, rules)
    }


def is_lossy_wildcard(name: str, rules: BoundRules) -> bool:
    """Return whether the bound of a variable comes from a pattern that does not name it, and is no `lossless`."""
    rule = rules.rule_for(name)
    return rule is not None and rule[1].kind != "lossless" and not names_in_full(name, rule[0])


def first_values(
    walk: Callable[[], Iterable[Block]], names: Sequence[str], *, whole: bool = False
) -> dict[str, np.ndarray]:
    """About the first `SEEN_VALUES` values of each variable, in whole rows: the same however the file is cut into blocks.

    Reads on until all have been met; a variable of many columns beside it is seen in fewer rows.

    Parameters
    ----------
    whole
        Whether to take all that is read anyway: the values of whole blocks.
    """
    rows: dict[str, int] = {}
    parts: dict[str, list[np.ndarray]] = {name: [] for name in names}
    missing = set(names)
    share = max(_FEWEST_VALUES, min(SEEN_VALUES, _SEEN_TOGETHER // max(1, len(names))))
    for block in walk() if missing else ():
        for name in sorted(missing & {str(key) for key in block.variables}):
            values = values_of(block, name)
            per_row = max(1, values[:1].size) if values.ndim else 1
            wanted = -(-share // per_row) - rows.get(name, 0)
            parts[name].append(values if whole else np.array(values[:wanted] if values.ndim else values))
            rows[name] = rows.get(name, 0) + (len(values) if values.ndim else 1)
            if not values.ndim or len(values) >= wanted:
                missing.discard(name)
        if not missing:
            break
    return {name: np.concatenate(found) if len(found) > 1 else found[0] for name, found in parts.items() if found}


def tolerances_of(
    blocks: Blocks, bounds: Sequence[ErrorBound], sentinels: Mapping[str, Sentinel] = NO_SENTINELS
) -> tuple[Tolerance, ...]:
    """The tolerance of every variable; reads the whole file once if any bound refers to a range.

    Parameters
    ----------
    sentinels
        What looks like marks of missing values; they belong to no range.
    """
    schema = blocks.schema
    for v, bound in zip(schema.variables, bounds, strict=True):
        if bound.kind != "lossless" and v.is_numeric and not usable_packing(v):
            logger.warning(
                "%r is kept exactly: its scale factor %g and offset %g turn stored values into no numbers",
                *(v.name, v.scale, v.offset),
            )
    needing = [v.name for v, bound in zip(schema.variables, bounds, strict=True) if bound.needs_range]
    marks = {name: one.stored(schema[name]) for name, one in sentinels.items()}
    ranges = ranges_of(blocks, needing, marks)
    spreads = _spreads(blocks, bounds, marks) if any(bound.formula for bound in bounds) else {}
    return tuple(
        make_tolerance(bound, v, extent=ranges.get(v.name), most=spreads.get(v.name, math.inf))
        for v, bound in zip(schema.variables, bounds, strict=True)
    )


def _spreads(blocks: Blocks, bounds: Sequence[ErrorBound], marks: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """How far apart the values of variables with a formula lie, but for the few outermost: no error is larger."""
    wanted = {v.name: v for v, bound in zip(blocks.schema.variables, bounds, strict=True) if bound.formula}
    found: dict[str, ValueRange] = {name: ValueRange() for name in wanted}
    for block in blocks:
        for name in found.keys() & {str(key) for key in block.variables}:
            v, values = wanted[name], values_of(block, name)
            values = values[usable(values, (*v.fill, *v.flags, *marks.get(name, ())), v.limits)]
            if values.size:
                low, high = np.quantile(values.astype(np.float64), _OUTERMOST).tolist()
                found[name] = found[name].joined(ValueRange(low, high))
    return {name: extent.width for name, extent in found.items()}


def ranges_of(
    blocks: Blocks, names: Sequence[str], marks: Mapping[str, Sequence[float]] = _NO_MARKS
) -> dict[str, ValueRange]:
    """The ranges of some variables, in stored units; reads the whole file once if there are any.

    Parameters
    ----------
    marks
        Stored values that mark missing ones, by variable, beside those that the file declares.
    """
    wanted = {name: blocks.schema[name] for name in names}
    found = {name: ValueRange() for name in wanted}
    for block in blocks if wanted else ():
        for name in found.keys() & {str(key) for key in block.variables}:
            v = wanted[name]
            special = (*v.fill, *v.flags, *marks.get(name, ()))
            found[name] = found[name].joined(value_range(values_of(block, name), special, v.limits))
    return found


def layouts_of(block: Block, schema: Schema) -> list[Layout]:
    """The groups of a block, with the rows of each event where they are jagged.

    Raises
    ------
    DataError
        If the counts in the block do not fit its rows.
    """
    present = [variable for variable in schema.variables if variable.name in block.variables]
    layouts = group_variables(present, block_sizes(block), schema)
    counts_first(layouts)
    return [
        with_events(layout, values_of(block, layout.counts))
        if layout.counts and layout.counts in block.variables
        else layout
        for layout in layouts
    ]


class Blocks:
    """The blocks of a source, iterable again and again; those of a source no larger than one block are read once and `kept`."""

    def __init__(self, source: Source, block_bytes: int) -> None:
        self.schema = source.schema
        self.left_out = tuple(source.warnings)
        self.elsewhere = tuple(source.elsewhere)
        self._source = source
        self._block_bytes = block_bytes
        self.kept: list[Block] | None = None

    def __iter__(self) -> Iterator[Block]:
        if self.kept is None and self._memory() <= self._block_bytes:
            self.kept = list(self._source.blocks(self._block_bytes))
        return self._source.blocks(self._block_bytes) if self.kept is None else iter(self.kept)

    def plan(self) -> list[tuple[str | None, list[Variable], slice]]:
        """Return the leading dimension, variables and rows of each block, as `leading_slices` gives them."""
        return leading_slices(self.schema, self._block_bytes)

    def _memory(self) -> int:
        """About the bytes that all values take in memory."""
        schema = self.schema
        return sum(schema.nbytes(v) * (_TEXT_IN_MEMORY if v.is_text else 1) for v in schema.variables)
