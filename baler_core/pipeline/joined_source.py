"""Hands out the tables of several files, one behind the other, as if they were of one: what profiles are trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from baler_core.data.block import Block, make_block, values_of
from baler_core.data.rows import joined_rows, rows_of
from baler_core.data.variables import Schema, Variable, leading_groups
from baler_core.errors import DataError
from baler_core.plugin.array_source import ArraySource
from baler_core.plugin.reading import Source

_BLOCK = 64 << 20


def joined_source(sources: Sequence[Source], rows: int | None = None) -> ArraySource:
    """Return the columns of numbers that several open files have in common, by name and type, in memory.

    Parameters
    ----------
    rows
        How many rows or events of each file to take at most.

    Raises
    ------
    DataError
        If there are none.
    """
    first = sources[0].schema
    kept = tuple(v for v in first.variables if all(_same(v, source.schema) for source in sources))
    counts = {dim: name for dim, name in first.counts.items() if any(v.name == name for v in kept)}
    kept = tuple(v for v in kept if v.dims[0] in counts or v.dims[0] not in first.counts)
    counts = {dim: name for dim, name in counts.items() if any(v.dims[0] == dim for v in kept)}
    if not kept:
        raise DataError("the files have no columns of numbers in common, by name and type")
    schema = Schema(kept, {v.dims[0]: 0 for v in kept}, counts)
    arrays: dict[str, np.ndarray] = {}
    sizes: dict[str, int] = {}
    for dim, members in leading_groups(schema).items():
        assert dim is not None
        block = joined_rows([part for source in sources for part in _first_rows(source, schema, dim, members, rows)])
        arrays |= {name: values_of(block, name) for name in block.variables}
        sizes |= block.sizes
    return ArraySource(Schema(kept, sizes, counts), arrays)


def _first_rows(
    source: Source, schema: Schema, dim: str, members: Sequence[Variable], rows: int | None
) -> Iterator[Block]:
    """Yield the first rows of a file along the leading dimension `dim` of others, called as there."""
    dims = {v.name: v.dims for v in members}
    left = rows
    for block in source.blocks(_BLOCK):
        found = {name: (dims[name], values_of(block, name)) for name in block.variables if name in dims}
        if not found or left == 0:
            continue
        part = make_block(found)
        if left is not None:
            part = rows_of(part, schema, dim, slice(0, min(left, part.sizes[dim])))
            left -= part.sizes[dim]
        yield part


def _same(variable: Variable, schema: Schema) -> bool:
    """Whether a schema has a variable, a column of numbers, too."""
    if variable.name not in schema.names or not variable.is_numeric or len(variable.dims) != 1:
        return False
    other = schema[variable.name]
    return other.dtype == variable.dtype and len(other.dims) == 1
