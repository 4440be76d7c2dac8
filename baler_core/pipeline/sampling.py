"""Take a sample of an input: for each set of variables that are cut together, pieces from the middle or spread, in memory."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from baler_core.data.block import Block, make_block, values_of
from baler_core.data.rows import joined_rows
from baler_core.data.variables import Schema, Variable, leading_groups, leading_slices
from baler_core.pipeline.input import Input
from baler_core.plugin.array_source import ArraySource
from baler_core.plugin.reading import Source

# To reach the middle, no more than about so many times the sample are read.
_READ = 32
_SHORT = 32


def sampled(given: Input, names: frozenset[str], nbytes: int, *, pieces: int = 1) -> Input:
    """Return a piece of some variables of an input as an input in memory, or several pieces one behind the other.

    Parameters
    ----------
    names
        The variables to take; the counts of their jagged dimensions come with them.
    nbytes
        About how large it may be.
    pieces
        One is from the middle; several are spread evenly, for which an input that can only be read from its beginning is read whole.
    """
    schema = given.source.schema
    wanted = _with_counts(schema, names)
    variables = tuple(variable for variable in schema.variables if variable.name in wanted)
    kept = replace(
        schema,
        variables=variables,
        counts={dim: name for dim, name in schema.counts.items() if name in wanted},
        skeleton={},
        attachments={},
    )
    arrays: dict[str, np.ndarray] = {}
    sizes = dict(kept.sizes)
    for block in _Sampler(given.source, kept, pieces).blocks(nbytes):
        arrays |= {str(name): values_of(block, str(name)) for name in block.variables}
        sizes |= {str(dim): int(length) for dim, length in block.sizes.items()}
    found = replace(kept, sizes=sizes)
    held = sum(array.nbytes for array in arrays.values())
    return Input(given.reader, ArraySource(found, arrays), given.name, held)


def _with_counts(schema: Schema, names: frozenset[str]) -> set[str]:
    """Return the names of variables and of what cuts their rows into events, up to the outermost."""
    wanted = set(names)
    for _ in schema.counts:
        jagged = {dim for v in schema.variables if v.name in wanted for dim in v.dims[:1] if dim in schema.counts}
        wanted |= {schema.counts[dim] for dim in jagged}
    return wanted


class _Share(NamedTuple):
    """What to take of variables that are cut together: their names, bytes, and the size of the file's blocks for these."""

    dim: str | None
    names: frozenset[str]
    nbytes: int
    block: int


class _Sampler:
    """Takes a piece of each set of variables that are cut together, the largest first; shared dimensions are cut alike.

    Parameters
    ----------
    kept
        The schema of the wanted variables alone.
    pieces
        Along each leading dimension.
    """

    def __init__(self, source: Source, kept: Schema, pieces: int) -> None:
        self._source, self._kept, self._pieces = source, kept, pieces
        self._places: dict[str, np.ndarray] = {}
        """By dimension: numbers of the rows that were taken."""
        self._fixed = {*kept.counts, *(kept[name].dims[0] for name in kept.counts.values())}

    def blocks(self, nbytes: int) -> Iterator[Block]:
        """Yield one block for each set of variables that are cut together, all about so many bytes."""
        for share in sorted(self._shares(nbytes), key=lambda one: -one.nbytes):
            decided = frozenset(self._places)
            taken = self._along(share)
            if taken is not None:
                yield self._cut(taken, share, decided)

    def _shares(self, nbytes: int) -> Iterator[_Share]:
        total = sum(map(self._kept.nbytes, self._kept.variables))
        beside = {
            dim: sum(map(self._source.schema.nbytes, v)) for dim, v in leading_groups(self._source.schema).items()
        }
        for dim, members in leading_groups(self._kept).items():
            wanted = sum(map(self._kept.nbytes, members))
            share = max(1, nbytes * wanted // max(1, total))
            # Blocks hold all variables of the file that are cut together, the wanted and others.
            size = max(1, int(share / self._pieces * max(1.0, beside[dim] / max(1, wanted))))
            yield _Share(dim, frozenset(member.name for member in members), share, size)

    def _along(self, share: _Share) -> Block | None:
        """Return the wanted rows of the leading dimension: those of a larger set, or the middle or several pieces of it."""
        if share.dim in self._places:
            return self._at(share, self._places[share.dim])
        wanted = self._numbers(share)
        found = list(self._read(share, wanted) if self._source.reads_any_rows else self._met(share, wanted))
        if share.dim is not None and share.dim not in self._fixed and found:
            self._places[share.dim] = np.concatenate(
                [start + np.arange(block.sizes[share.dim]) for start, block in found]
            )
        return joined_rows([block for _, block in found]) if found else None

    def _numbers(self, share: _Share) -> set[int]:
        """Return the numbers of the blocks to take."""
        if self._pieces == 1:
            beside = sum(map(self._source.schema.nbytes, leading_groups(self._source.schema)[share.dim]))
            return {min(max(0, beside // share.block // 2 - 1), _READ)}
        blocks = self._slices(share) if self._source.reads_any_rows else self._with(share)
        count = max(1, sum(1 for _ in blocks))
        return {(2 * piece + 1) * count // (2 * self._pieces) for piece in range(self._pieces)}

    def _slices(self, share: _Share) -> list[tuple[list[Variable], slice]]:
        """Return which rows of which variables each block of the set holds."""
        slices = leading_slices(self._source.schema, share.block)
        return [(variables, rows) for dim, variables, rows in slices if dim == share.dim]

    def _read(self, share: _Share, wanted: Collection[int]) -> Iterator[tuple[int, Block]]:
        """Yield the blocks with these numbers, and the rows that they begin at; nothing else is read."""
        slices = self._slices(share)
        for number in sorted({min(number, len(slices) - 1) for number in wanted}):
            variables, rows = slices[number]
            for block in _of_set(self._source.read(variables, rows), share):
                yield rows.start, block

    def _met(self, share: _Share, wanted: Collection[int]) -> Iterator[tuple[int, Block]]:
        """Yield the same of a source that is read from its beginning; its last block if it has fewer."""
        start, last = 0, None
        for number, block in enumerate(self._with(share)):
            last = start, block
            if number in wanted:
                yield last
            if number >= max(wanted):
                return
            start += block.sizes[share.dim] if share.dim is not None else 0
        if last is not None and number < min(wanted):
            yield last

    def _with(self, share: _Share) -> Iterator[Block]:
        """Yield the blocks that hold the set, with its variables alone."""
        for block in self._source.blocks(share.block):
            yield from _of_set(block, share)

    def _at(self, share: _Share, rows: np.ndarray) -> Block | None:
        """Return some rows of the leading dimension, in ascending order."""
        assert share.dim is not None
        parts = [_taken(block, {share.dim: here}) for block, here in self._holding(share, share.dim, rows)]
        return joined_rows(parts) if parts else None

    def _holding(self, share: _Share, dim: str, rows: np.ndarray) -> Iterator[tuple[Block, np.ndarray]]:
        """Yield the blocks that hold some of the rows, and the numbers that these have there."""
        if self._source.reads_any_rows:
            for variables, there in self._slices(share):
                here = rows[(rows >= there.start) & (rows < there.stop)] - there.start
                if here.size or not rows.size:
                    for block in _of_set(self._source.read(variables, there), share):
                        yield block, here
            return
        start = 0
        for block in self._with(share):
            length = block.sizes[dim]
            yield block, rows[(rows >= start) & (rows < start + length)] - start
            start += length

    def _cut(self, block: Block, share: _Share, decided: frozenset[str]) -> Block:
        """Cut the middle out of a block that is too large, across its longest dimensions, except where rows are jagged.

        Parameters
        ----------
        decided
            The dimensions that larger sets have cut, or left whole.
        """
        known = {dim: self._places[dim] for dim in decided if dim in block.sizes and dim != share.dim}
        block = _taken(block, known)
        fixed = {*self._fixed, *decided}
        while block.nbytes > 2 * share.nbytes:
            free = {dim: n for dim, n in block.sizes.items() if dim not in fixed and n > _SHORT}
            if not free:
                break
            dim = max(free, key=lambda name: free[name])
            middle = np.arange(free[dim] // 4, free[dim] // 4 + free[dim] // 2)
            block = _taken(block, {dim: middle})
            self._places[dim] = self._places[dim][middle] if dim in self._places else middle
        for dim, length in block.sizes.items():
            if dim not in self._fixed:
                self._places.setdefault(dim, np.arange(length))
        return block


def _of_set(block: Block, share: _Share) -> Iterator[Block]:
    """Yield a block with the variables of a set alone, if it has any."""
    names = [name for name in map(str, block.variables) if name in share.names]
    if names:
        yield make_block({name: (block[name].dims, values_of(block, name)) for name in names})


def _taken(block: Block, rows: Mapping[str, np.ndarray]) -> Block:
    """Return a block with some rows of some dimensions alone."""
    found = {}
    for name, variable in block.variables.items():
        values = variable.values
        for axis, dim in enumerate(variable.dims):
            values = values.take(rows[dim], axis) if dim in rows else values
        found[name] = variable.dims, values
    return make_block(found)
