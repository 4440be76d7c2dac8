"""Take a sample of an input: for each set of variables that are cut together, pieces from the middle or spread, in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from baler_core.data.block import make_block, values_of
from baler_core.data.variables import Schema, leading_groups
from baler_core.pipeline.input import Input
from baler_core.plugin.array_source import ArraySource
from baler_core.plugin.interfaces import Source

if TYPE_CHECKING:
    from baler_core.data.block import Block

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
    blocks = _middle_blocks(given.source, kept, nbytes) if pieces == 1 else _spread(given.source, kept, nbytes, pieces)
    for block in blocks:
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

    first: str
    names: frozenset[str]
    nbytes: int
    block: int


def _shares(source: Source, kept: Schema, nbytes: int, pieces: int = 1) -> Iterator[_Share]:
    """Yield one share for each leading dimension, with the wanted variables alone."""
    total = sum(map(kept.nbytes, kept.variables))
    for members in leading_groups(kept).values():
        wanted = sum(map(kept.nbytes, members))
        share = max(1, nbytes * wanted // max(1, total))
        # Blocks hold all variables of the file that are cut together, the wanted and others.
        leading = _leading(source.schema, members[0].name)
        beside = sum(source.schema.nbytes(v) for v in leading_groups(source.schema)[leading])
        size = max(1, int(share / pieces * max(1.0, beside / max(1, wanted))))
        yield _Share(members[0].name, frozenset(member.name for member in members), share, size)


def _middle_blocks(source: Source, kept: Schema, nbytes: int) -> Iterator[Block]:
    """Yield one block for each leading dimension."""
    for share in _shares(source, kept, nbytes):
        leading = _leading(source.schema, share.first)
        beside = sum(source.schema.nbytes(v) for v in leading_groups(source.schema)[leading])
        middle = min(max(0, beside // share.block // 2 - 1), _READ)
        chosen: Block | None = None
        for number, block in enumerate(b for b in source.blocks(share.block) if share.first in b.variables):
            chosen = block
            if number >= middle:
                break
        if chosen is not None:
            yield _cut(_only(chosen, share.names), kept, share.nbytes)


def _spread(source: Source, kept: Schema, nbytes: int, pieces: int) -> Iterator[Block]:
    """Yield one block for each leading dimension, of pieces that lie evenly along it."""
    for share in _shares(source, kept, nbytes, pieces):
        count = sum(share.first in block.variables for block in source.blocks(share.block))
        wanted = {(2 * piece + 1) * count // (2 * pieces) for piece in range(pieces)}
        blocks = (block for block in source.blocks(share.block) if share.first in block.variables)
        chosen = [_only(block, share.names) for number, block in enumerate(blocks) if number in wanted]
        pieces_cut = [_cut(block, kept, max(1, share.nbytes // max(1, len(chosen)))) for block in chosen]
        if pieces_cut:
            yield _joined(pieces_cut)


def _joined(blocks: Sequence[Block]) -> Block:
    """Return blocks as one, along the first dimension of each variable; of the last alone, where others differ."""
    found = {}
    for name, last in blocks[-1].variables.items():
        parts = [values_of(block, name) for block in blocks]
        alike = last.dims and all(part.shape[1:] == parts[-1].shape[1:] for part in parts)
        found[name] = last.dims, np.concatenate(parts) if alike else parts[-1]
    return make_block(found)


def _only(block: Block, names: frozenset[str]) -> Block:
    return make_block({name: (block[name].dims, values_of(block, name)) for name in block.variables if name in names})


def _leading(schema: Schema, name: str) -> str | None:
    return next(dim for dim, members in leading_groups(schema).items() if any(v.name == name for v in members))


def _cut(block: Block, schema: Schema, nbytes: int) -> Block:
    """Cut the middle out of a block that is too large, across its longest dimensions, except where rows are jagged."""
    fixed = {*schema.counts, *(schema[name].dims[0] for name in schema.counts.values())}
    while block.nbytes > 2 * nbytes:
        free = {str(dim): int(n) for dim, n in block.sizes.items() if str(dim) not in fixed and n > _SHORT}
        if not free:
            break
        dim = max(free, key=lambda name: free[name])
        block = block.isel({dim: slice(free[dim] // 4, free[dim] // 4 + free[dim] // 2)})
    return block
