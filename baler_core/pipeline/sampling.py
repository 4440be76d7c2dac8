"""Take a sample of an input: for each set of variables that are cut together, a piece from the middle, in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

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


def sampled(given: Input, names: frozenset[str], nbytes: int) -> Input:
    """Return a piece of some variables of an input as an input in memory.

    Parameters
    ----------
    names
        The variables to take; the counts of their jagged dimensions come with them.
    nbytes
        About how large it may be.
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
    for block in _middle_blocks(given.source, kept, nbytes):
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


def _middle_blocks(source: Source, kept: Schema, nbytes: int) -> Iterator[Block]:
    """Yield one block for each leading dimension, with the wanted variables alone."""
    groups = leading_groups(kept)
    total = sum(map(kept.nbytes, kept.variables))
    places: dict[str, tuple[int, set[str]]] = {}
    for members in groups.values():
        of_group = sum(map(kept.nbytes, members))
        share = max(1, nbytes * of_group // max(1, total))
        places[members[0].name] = share, {member.name for member in members}
    for first, (share, names) in places.items():
        # Blocks hold all variables of the file that are cut together, the wanted and others.
        beside = sum(source.schema.nbytes(v) for v in leading_groups(source.schema)[_leading(source.schema, first)])
        wanted = sum(kept.nbytes(kept[name]) for name in names)
        size = max(1, int(share * max(1.0, beside / max(1, wanted))))
        middle = min(max(0, beside // size // 2 - 1), _READ)
        chosen: Block | None = None
        for number, block in enumerate(b for b in source.blocks(size) if first in b.variables):
            chosen = block
            if number >= middle:
                break
        if chosen is not None:
            only = {name: (kept[name].dims, values_of(chosen, name)) for name in names if name in chosen.variables}
            yield _cut(make_block(only), kept, share)


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
