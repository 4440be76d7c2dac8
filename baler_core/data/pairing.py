"""Pair blocks of two files, an original and a restored one, into pieces with the same rows of the same variables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from baler_core.data.block import Block
from baler_core.data.rows import rows_of
from baler_core.data.variables import Schema, leading_dimension
from baler_core.errors import DataError
from baler_core.machine.records import dataclass


class UnpairedError(DataError):
    """The two files do not hold the same rows of the same variables."""


@dataclass(frozen=True)
class Piece:
    """The same rows of the same variables, before and after.

    `start` counts rows along the leading dimension `dim` (None for variables without dimensions).
    """

    original: Block
    restored: Block
    dim: str | None
    start: int


def paired_blocks(original: Iterable[Block], restored: Iterable[Block], schema: Schema) -> Iterator[Piece]:
    """Read both files in step, however each is cut into blocks.

    Parameters
    ----------
    original, restored
        Blocks in the file's order; families of variables in the same order in both.
    schema
        Of the variables to compare; others in the blocks are passed over.

    Raises
    ------
    UnpairedError
        If one side ends before the other, or shapes differ.
    """
    left, right = _Walk(original, schema), _Walk(restored, schema)
    position: dict[str | None, int] = {}
    while left.advance() | right.advance():
        start = position.get(left.dim, 0)
        if left.names != right.names:
            raise UnpairedError(
                f"the original continues with {_some(left.names)} (from row {start:,}) where the restored file continues "
                f"with {_some(right.names)}: compare files that hold the same rows of the same variables"
            )
        rows = min(left.rows, right.rows)
        before, after = left.take(rows), right.take(rows)
        _same_shapes(before, after, start)
        yield Piece(before, after, left.dim, start)
        position[left.dim] = start + rows


def _some(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:3]) or "nothing more"
    return shown + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _same_shapes(before: Block, after: Block, start: int) -> None:
    for name in before.variables:
        x, y = before.variables[name].shape, after.variables[name].shape
        if x != y:
            raise UnpairedError(
                f"{str(name)!r} has shape {x} in the original and {y} in the restored file, from row {start:,} on"
            )


class _Walk:
    """One side's blocks, of which any number of leading rows can be taken."""

    def __init__(self, blocks: Iterable[Block], schema: Schema) -> None:
        self._blocks = iter(blocks)
        self._schema = schema
        self._block: Block | None = None
        self.names: list[str] = []
        self.dim: str | None = None
        self.rows = 0

    def advance(self) -> bool:
        """Fetch the next block if the last one is used up; False at the end."""
        while self._block is None:
            block = next(self._blocks, None)
            if block is None:
                self.names = []
                return False
            self.names = [name for name in self._schema.names if name in block.variables]
            if self.names:
                self._block = block[self.names]
                self.dim = leading_dimension(self._schema[self.names[0]], self._schema)
                self.rows = int(block.sizes[self.dim]) if self.dim is not None else 1
        return True

    def take(self, rows: int) -> Block:
        """Return the next `rows` rows."""
        block = self._block
        assert block is not None
        self._block = None
        if rows == self.rows or self.dim is None:
            return block
        self._block = rows_of(block, self._schema, self.dim, slice(rows, self.rows))
        self.rows -= rows
        return rows_of(block, self._schema, self.dim, slice(0, rows))
