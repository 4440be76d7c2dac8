"""Cut rows out of a block, join and move them, with what belongs to them along jagged dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from baler_core.data.block import Block, make_block, values_of
from baler_core.data.variables import Schema


class RowOrder(NamedTuple):
    """By what the rows of a table were sorted whose order means nothing.

    Attributes
    ----------
    dim
        The leading dimension.
    keys
        The columns, the first one first; rows in which all are equal stay in their order.
    rows
        How many rows are sorted together; 0 for all.
    """

    dim: str
    keys: tuple[str, ...]
    rows: int = 0

    @property
    def named(self) -> str:
        """The columns, for messages."""
        return " and then ".join(repr(key) for key in self.keys)

    def told(self, count: int) -> str:
        """Say what happened to so many rows, in one sentence."""
        pieces = f", in pieces of {self.rows:,}" if 0 < self.rows < count else ""
        return (
            f"the {count:,} rows come in another order, sorted by {self.named}{pieces}: 'order: free' declares that "
            "their order means nothing"
        )


def rows_of(block: Block, schema: Schema, dim: str, rows: slice) -> Block:
    """Return rows along the leading dimension `dim`, and what belongs to them along jagged ones."""
    slices = {dim: rows}

    def along(name: str) -> slice:
        if name not in slices:
            counts = schema[schema.counts[name]]
            parents = along(counts.dims[0])
            ends = np.concatenate([[0], np.cumsum(values_of(block, counts.name), dtype=np.int64)])
            slices[name] = slice(int(ends[parents.start]), int(ends[parents.stop]))
        return slices[name]

    variables = {str(name): variable for name, variable in block.variables.items()}
    dims = {name: tuple(map(str, variable.dims)) for name, variable in variables.items()}
    return make_block({name: (dims[name], values_of(block, name)[along(dims[name][0])]) for name in variables})


def joined_rows(blocks: Sequence[Block]) -> Block:
    """Return blocks of the same variables as one, along the first dimension of each."""
    if len(blocks) == 1:
        return blocks[0]
    found = {}
    for name, last in blocks[-1].variables.items():
        parts = [values_of(block, name) for block in blocks]
        found[name] = last.dims, np.concatenate(parts) if last.dims else parts[-1]
    return make_block(found)


def moved_rows(block: Block, schema: Schema, dim: str, order: np.ndarray) -> Block:
    """Return the rows along the leading dimension `dim` in another order, each with all that belongs to it.

    Parameters
    ----------
    order
        int64: the row that each row of the result is.
    """
    places = {dim: order}

    def along(name: str) -> np.ndarray:
        if name not in places:
            counts = schema[schema.counts[name]]
            rows = along(counts.dims[0])
            lengths = values_of(block, counts.name).astype(np.int64)
            starts, lengths = (np.cumsum(lengths) - lengths)[rows], lengths[rows]
            first = np.cumsum(lengths) - lengths
            places[name] = np.repeat(starts - first, lengths) + np.arange(int(lengths.sum()))
        return places[name]

    return make_block(
        {name: (one.dims, one.values.take(along(one.dims[0]), axis=0)) for name, one in block.variables.items()}
    )
