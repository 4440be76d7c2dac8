"""Take a sample of an input: for each set of variables that are cut together, pieces from the middle or spread, in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from baler_core.data.block import Block, make_block, values_of
from baler_core.data.rows import joined_rows
from baler_core.data.variables import Schema, leading_groups
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
        One is from the middle; several are spread evenly, for which all of the input is read.
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
        chosen: list[Block] = []
        rows: list[np.ndarray] = []
        start = 0
        wanted = self._numbers(share)
        last: tuple[Block, np.ndarray] | None = None
        for number, block in enumerate(self._with(share)):
            length = block.sizes.get(share.dim, 0) if share.dim is not None else 0
            last = block, np.arange(start, start + length)
            if number in wanted:
                chosen.append(block)
                rows.append(last[1])
            start += length
            if number >= max(wanted):
                break
        if last is None:
            return None
        if not chosen:  # there are fewer blocks than their sizes say
            chosen, rows = [last[0]], [last[1]]
        if share.dim is not None and share.dim not in self._fixed:
            self._places[share.dim] = np.concatenate(rows)
        return joined_rows(chosen)

    def _numbers(self, share: _Share) -> set[int]:
        """Return the numbers of the blocks to take."""
        if self._pieces == 1:
            beside = sum(map(self._source.schema.nbytes, leading_groups(self._source.schema)[share.dim]))
            return {min(max(0, beside // share.block // 2 - 1), _READ)}
        count = max(1, sum(1 for _ in self._with(share)))
        return {(2 * piece + 1) * count // (2 * self._pieces) for piece in range(self._pieces)}

    def _with(self, share: _Share) -> Iterator[Block]:
        """Yield the blocks that hold the set, with its variables alone."""
        for block in self._source.blocks(share.block):
            names = [name for name in map(str, block.variables) if name in share.names]
            if names:
                yield make_block({name: (block[name].dims, values_of(block, name)) for name in names})

    def _at(self, share: _Share, rows: np.ndarray) -> Block | None:
        """Return some rows of the leading dimension, in ascending order."""
        parts, start = [], 0
        assert share.dim is not None
        for block in self._with(share):
            length = block.sizes[share.dim]
            here = rows[(rows >= start) & (rows < start + length)] - start
            parts.append(_taken(block, {share.dim: here}))
            start += length
        return joined_rows(parts) if parts else None

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


def _taken(block: Block, rows: Mapping[str, np.ndarray]) -> Block:
    """Return a block with some rows of some dimensions alone."""
    found = {}
    for name, variable in block.variables.items():
        values = variable.values
        for axis, dim in enumerate(variable.dims):
            values = values.take(rows[dim], axis) if dim in rows else values
        found[name] = variable.dims, values
    return make_block(found)
