"""Restore a part of a .bal file to a file in the original's format: some variables, and some rows of their leading dimension."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from baler_core.data.block import Block, make_block
from baler_core.data.variables import Schema, leading_dimension, leading_slices, select_names
from baler_core.errors import DataError, OutsideError
from baler_core.machine.atomic_write import completed
from baler_core.machine.progress import UNCOUNTED
from baler_core.pipeline.decode import NOWHERE_ELSE, BalFile, not_believed
from baler_core.pipeline.decompression import checked_size, reader_for_output, write_blocks
from baler_core.pipeline.partial import PartialReader
from baler_core.pipeline.trained_lookup import Lookup
from baler_core.plugin.reading import Cut, Reader
from baler_core.plugin.registry import Registry

logger = logging.getLogger(__name__)
_BLOCK_BYTES = 64 << 20


class WantedPart(NamedTuple):
    """What of a file is wanted.

    Attributes
    ----------
    patterns
        Of variables; None takes all.
    rows
        From which row of the leading dimension to which (None: to the last); None takes all.
    """

    patterns: Sequence[str] | None = None
    rows: tuple[int, int | None] | None = None


def decompress_part(
    path: Path,
    registry: Registry | None,
    wanted: WantedPart,
    *,
    output: Path,
    lookup: Lookup = NOWHERE_ELSE,
    memory: int | None = None,
) -> Path:
    """Restore some variables or rows of a .bal file; only what these need is decoded.

    Raises
    ------
    BalerError
        If there are no such variables or rows, or files of the format cannot be cut so.
    """
    with BalFile(path, registry, lookup, memory=memory) as stored:
        reader = reader_for_output(stored, path, output)
        checked_size(stored.header, path)
        part = _chosen_part(stored, reader, wanted, path)
        with completed(output) as temporary, not_believed(path, f"the reader {stored.header.reader.name!r}"):
            cut = _cut(reader, part.schema, stored.schema(), path)
            for warning in cut.warnings:
                logger.warning("%s: %s", output, warning)
            write_blocks(part.blocks(), reader.create(temporary, cut.schema), UNCOUNTED)
    return output


def _chosen_part(stored: BalFile, reader: Reader, wanted: WantedPart, path: Path) -> _Part:
    """Find the variables that are wanted, what tells their meaning, and the rows of all of them."""
    parts = PartialReader(stored, _BLOCK_BYTES * 4)
    whole = stored.schema()
    if type(reader).cut is Reader.cut:  # files of the format cannot be cut, whichever part is wanted
        _cut(reader, whole, whole, path)
    with not_believed(path, f"the reader {stored.header.reader.name!r}"):
        coded = stored.registry.categories(reader, whole)
        listed = {name: about.entries for name, about in coded.items() if about.entries}
    chosen = _with_company(whole, select_names(whole.names, wanted.patterns, str(path)), listed)
    counted = [whole[name] for name in chosen if name not in listed.values()] or [whole[name] for name in chosen]
    rows = None
    if wanted.rows is not None:
        dim, (first, last) = _leading(whole, counted, path), wanted.rows
        rows = dim, slice(first, whole.sizes[dim] if last is None else last)
    return _Part(whole, parts, chosen, rows, path)


def _cut(reader: Reader, part: Schema, whole: Schema, path: Path) -> Cut:
    """Return the schema of a file of a part, as the reader of its format cuts it."""
    try:
        return reader.cut(part, whole)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def _with_company(schema: Schema, names: Collection[str], listed: Mapping[str, str]) -> list[str]:
    """Return variables with those that tell what they mean: counts of jagged ones, coordinates of dimensions, categories."""
    found = set(names)
    waiting = list(found)
    coordinates = {v.dims[0]: v.name for v in schema.variables if len(v.dims) == 1 and _names(v.name, v.dims[0])}
    while waiting:
        name = waiting.pop()
        if listed.get(name, name) not in found:
            found.add(listed[name])
            waiting.append(listed[name])
        for dim in schema[name].dims:
            needed = {schema.counts.get(dim), coordinates.get(dim)} - {None} - found
            found |= {str(name) for name in needed}
            waiting += [str(name) for name in needed]
    return [name for name in schema.names if name in found]


def _names(name: str, dim: str) -> bool:
    return name == dim or name.rpartition("/")[2] == dim.rpartition("/")[2]


class _Part:
    """The part of a file: its schema, and its blocks."""

    def __init__(
        self, whole: Schema, parts: PartialReader, names: Sequence[str], rows: tuple[str, slice] | None, path: Path
    ) -> None:
        self._parts, self._whole = parts, whole
        variables = tuple(variable for variable in whole.variables if variable.name in names)
        self._rows: dict[str, slice] = {}
        if rows is not None:
            self._cut_rows(*rows, path)
        sizes = {dim: self._along(dim).stop - self._along(dim).start for dim in whole.sizes}
        dims = {dim for variable in variables for dim in variable.dims}
        counts = {dim: name for dim, name in whole.counts.items() if dim in dims}
        self.schema = replace(whole, variables=variables, sizes=sizes, counts=counts)

    def _cut_rows(self, dim: str, rows: slice, path: Path) -> None:
        """Find the rows of the leading dimension and of the jagged ones that belong to it."""
        length = self._whole.sizes[dim]
        if not 0 <= rows.start <= rows.stop <= length:
            raise OutsideError(f"{path}: has {length:,} rows along {dim!r}: there are no rows {rows.start}:{rows.stop}")
        self._rows[dim] = rows
        left = set(self._whole.counts)
        while left:
            ready = [dim for dim in left if self._whole[self._whole.counts[dim]].dims[0] not in left]
            for dim in ready or left:
                parent = self._whole[self._whole.counts[dim]].dims[0]
                if parent in self._rows:
                    self._rows[dim] = self._parts.rows_of(dim, self._rows[parent])
            left -= {*ready} or left

    def _along(self, dim: str) -> slice:
        return self._rows.get(dim, slice(0, self._whole.sizes[dim]))

    def blocks(self) -> Iterator[Block]:
        """Yield the values, cut as a file of them would be."""
        for leading, variables, rows in leading_slices(self.schema, _BLOCK_BYTES):
            boxes = {}
            for variable in variables:
                box = [self._along(dim) for dim in variable.dims]
                if variable.dims and leading is not None:
                    box[0] = self._inside(variable.dims[0], leading, rows)
                boxes[variable.name] = box
            values = self._parts.read_together(boxes)
            yield make_block({v.name: (v.dims, values[v.name]) for v in variables})

    def _inside(self, dim: str, leading: str, rows: slice) -> slice:
        """Return the rows of a dimension, counted in the whole file, that belong to rows of the part's leading one."""
        if dim == leading:
            first = self._along(dim).start
            return slice(first + rows.start, first + rows.stop)
        parent = self._inside(self._whole[self._whole.counts[dim]].dims[0], leading, rows)
        return self._parts.rows_of(dim, parent)


def _leading(schema: Schema, variables: Sequence[object], path: Path) -> str:
    """Return the dimension whose rows are counted: that of all chosen variables but coordinates."""
    found: dict[str, None] = {}
    for variable in schema.variables:
        alone = len(variable.dims) == 1 and _names(variable.name, variable.dims[0])
        dim = leading_dimension(variable, schema)
        if variable in variables and dim is not None and not alone:
            found[dim] = None
    if not found:
        found = {v.dims[0]: None for v in schema.variables if v in variables and v.dims}
    if len(found) != 1:
        raise DataError(
            f"{path}: rows of which dimension? The variables lie along {', '.join(found) or 'none'}: choose some that lie "
            "along one of them with --variable"
        )
    (dim,) = found
    inner = [v.name for v in schema.variables if v in variables and dim in v.dims[1:]]
    if inner:
        raise DataError(f"{path}: {inner[0]!r} lies along {dim!r}, but not first: its rows cannot be cut")
    return dim
