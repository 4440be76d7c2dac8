"""Join pieces of two files to the blocks in which derived quantities were kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING

import numpy as np

from baler_core.data.block import make_block, values_of
from baler_core.data.pairing import Piece
from baler_core.data.rows import rows_of
from baler_core.data.variables import Schema
from baler_core.machine.records import dataclass

if TYPE_CHECKING:
    from baler_core.data.block import Block


@dataclass(frozen=True)
class Joined:
    """A block of both files, and its first row by leading dimension."""

    original: Block
    restored: Block
    start: Mapping[str, int]


@dataclass
class Cuts:
    """Where blocks end, and the rows that wait for the end of theirs.

    Attributes
    ----------
    names
        The variables that are kept of each piece.
    ends
        By leading dimension: ascending numbers of rows; the last one ends the file. A dimension that is not there is
        one block.
    """

    schema: Schema
    names: frozenset[str]
    ends: Mapping[str, Sequence[int]] = field(default_factory=dict)
    _waiting: dict[str, list[Piece]] = field(default_factory=dict)

    def fresh(self) -> Cuts:
        """Return the same without anything that waits."""
        return Cuts(self.schema, self.names, self.ends)

    def joined(self, piece: Piece) -> Iterator[Joined]:
        """Take in a piece; yield the blocks that it completes."""
        wanted = [name for name in map(str, piece.original.variables) if name in self.names]
        if not wanted:
            return
        if piece.dim is None:
            yield Joined(piece.original[wanted], piece.restored[wanted], {})
            return
        dim, rows = piece.dim, int(piece.original.sizes[piece.dim])
        left = Piece(piece.original[wanted], piece.restored[wanted], dim, piece.start)
        end = self._end(dim, piece.start)
        while left.start + rows >= end and rows:
            taken = end - left.start
            head, left = self._split(left, taken, rows)
            rows -= taken
            yield self._complete(dim, head)
            end = self._end(dim, left.start)
        if rows:
            self._waiting.setdefault(dim, []).append(left)

    def _end(self, dim: str, row: int) -> int:
        return next((end for end in self.ends.get(dim, ()) if end > row), self.schema.sizes[dim])

    def _split(self, piece: Piece, first: int, rows: int) -> tuple[Piece, Piece]:
        """The first rows of a piece, and the rest."""
        dim = str(piece.dim)
        if first == rows:
            return piece, Piece(piece.original, piece.restored, dim, piece.start + rows)
        parts = [
            (rows_of(block, self.schema, dim, slice(0, first)), rows_of(block, self.schema, dim, slice(first, rows)))
            for block in (piece.original, piece.restored)
        ]
        (head, tail), (restored_head, restored_tail) = parts
        return Piece(head, restored_head, dim, piece.start), Piece(tail, restored_tail, dim, piece.start + first)

    def _complete(self, dim: str, last: Piece) -> Joined:
        pieces = [*self._waiting.pop(dim, []), last]
        if len(pieces) == 1:
            return Joined(last.original, last.restored, {dim: last.start})
        sides = [[piece.original for piece in pieces], [piece.restored for piece in pieces]]
        return Joined(_concatenated(sides[0]), _concatenated(sides[1]), {dim: pieces[0].start})


def _concatenated(blocks: Sequence[Block]) -> Block:
    """Blocks one behind the other: rows of all variables along their first dimension."""
    return make_block(
        {
            str(name): (
                tuple(map(str, variable.dims)),
                np.concatenate([values_of(block, str(name)) for block in blocks]),
            )
            for name, variable in blocks[0].variables.items()
        }
    )
