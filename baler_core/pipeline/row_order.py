"""Hand out the rows of a table whose order means nothing sorted by some of its columns."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence, Set

import numpy as np

from baler_core.data.block import Block, values_of
from baler_core.data.bounds import Tolerance
from baler_core.data.rows import RowOrder, joined_rows, moved_rows, rows_of
from baler_core.data.variables import Schema, Variable, leading_groups, leading_slices
from baler_core.errors import DataError
from baler_core.plugin.reading import Categories, Settled, Source


def free_dimension(schema: Schema, name: str, categories: Mapping[str, Categories] | None = None) -> str:
    """Return the dimension whose order may mean nothing: that of the rows of the only table.

    Parameters
    ----------
    categories
        What columns are codes of: lists of categories are no tables, and stay as they are.

    Raises
    ------
    DataError
        If the file holds anything else than one table.
    """
    coded = categories or {}
    if moving := next((column for column, about in coded.items() if about.starts), None):
        raise DataError(
            f"{name}: 'order: free' is for rows that can go anywhere, and pieces of the file have different lists of "
            f"categories of {moving!r}: leave it out"
        )
    dim, members = _only_table(schema, name, {about.entries for about in coded.values()})
    grid = next((v for v in members if _has_places(v, schema)), None)
    if grid is not None or not keys_of(schema, dim):
        what = members[0] if grid is None else grid
        shape = " x ".join(map(str, what.dims))
        raise DataError(
            f"{name}: 'order: free' is for tables, and {what.name!r} lies on a grid ({shape}), where places have a "
            "meaning: leave it out"
        )
    return dim


def _only_table(schema: Schema, name: str, listed: Set[str]) -> tuple[str, Sequence[Variable]]:
    """Return the dimension of the only table, and its variables; lists of categories are no tables."""
    groups = leading_groups(schema)
    dims = [dim for dim, members in groups.items() if dim is not None and {v.name for v in members} - listed]
    if not dims:
        raise DataError(f"{name}: 'order: free' is for tables, and nothing here has rows")
    if len(dims) > 1:
        found = ", ".join(f"{groups[dim][0].name!r} along {dim!r}" for dim in dims[:3])
        raise DataError(
            f"{name}: 'order: free' is for one table, and this holds {len(dims)} ({found}), which may refer to each "
            "other's rows: choose the variables of one of them, or leave the order as it is"
        )
    return dims[0], groups[dims[0]]


def _has_places(variable: Variable, schema: Schema) -> bool:
    """Whether a variable lies on a grid: its dimensions have coordinates, or roles."""
    if len(variable.dims) < 2:
        return False
    return bool(variable.axes) or any(one in schema.names for one in variable.dims)


def keys_of(schema: Schema, dim: str) -> list[str]:
    """Return the columns of numbers that rows can be sorted by."""
    return [v.name for v in schema.variables if v.dims == (dim,) and v.is_numeric]


class SortedSource(Source):
    """An open input, the rows of whose table come sorted.

    Parameters
    ----------
    order
        What to sort by; rows with the same keys stay in the order of the file.
    """

    def __init__(self, source: Source, order: RowOrder) -> None:
        self._source, self._order = source, order
        self._rows = self._sorted_rows()
        source.move_rows(self._rows)
        self.schema = source.schema
        self.obstacles, self.aliases, self.masks = source.obstacles, source.aliases, source.masks
        self.warnings = (*source.warnings, order.told(len(self._rows)))
        self.elsewhere = source.elsewhere

    def _sorted_rows(self) -> np.ndarray:
        """Return for each row which row of the file it is."""
        found, first = [], 0
        for window in self._windows(1 << 24):
            if self._order.dim in window.sizes:
                keys = [values_of(window, key) for key in reversed(self._order.keys)]
                found.append(np.lexsort(keys) + first)
                first += len(found[-1])
        return np.concatenate(found).astype(np.int64) if found else np.zeros(0, np.int64)

    def _windows(self, max_bytes: int) -> Iterator[Block]:
        """Yield the rows that are sorted together, as they are, and what has no rows."""
        schema, dim = self._source.schema, self._order.dim
        wanted = self._order.rows or max(1, schema.sizes[dim])
        parts: list[Block] = []
        held = 0
        for block in self._source.blocks(max_bytes):
            if dim not in block.sizes:
                yield block
                continue
            parts.append(block)
            held += block.sizes[dim]
            while held >= wanted:
                joined = joined_rows(parts)
                yield rows_of(joined, schema, dim, slice(0, wanted))
                parts, held = [rows_of(joined, schema, dim, slice(wanted, held))], held - wanted
        if held:
            yield joined_rows(parts)

    def blocks(self, max_bytes: int) -> Iterator[Block]:
        """Yield the rows in their new order: windows that are sorted together, or pieces of them."""
        dim, first = self._order.dim, 0
        steps = [rows.stop - rows.start for one, _, rows in leading_slices(self.schema, max_bytes) if one == dim]
        step = max(1, max(steps, default=1))
        for window in self._windows(max_bytes):
            if dim not in window.sizes:
                yield window
                continue
            rows = window.sizes[dim]
            moved = moved_rows(window, self.schema, dim, self._rows[first : first + rows] - first)
            first += rows
            for start in range(0, rows, step):
                part = slice(start, min(start + step, rows))
                yield rows_of(moved, self.schema, dim, part) if step < rows else moved
        if not first:
            yield from self._source.blocks(max_bytes)

    def settle(self, tolerances: Mapping[str, Tolerance], *, in_full: Collection[str] = ()) -> Settled:
        """Pass on to the input."""
        settled = self._source.settle(tolerances, in_full=in_full) if in_full else self._source.settle(tolerances)
        self.schema = settled.schema
        return settled

    def close(self) -> None:
        """Release the file."""
        self._source.close()


def sorted_again(source: Source, order: RowOrder | None) -> Source:
    """Return an original in the order of the file that was made of it, to be compared with that.

    Raises
    ------
    DataError
        If a column that it was sorted by is not among them.
    """
    if order is None:
        return source
    missing = [key for key in order.keys if key not in source.schema.names]
    if missing:
        raise DataError(
            f"the rows were sorted by {order.named} when they were compressed: without {missing[0]!r}, the original "
            "cannot be brought into the same order"
        )
    return SortedSource(source, order)
