"""Cut rows out of a block, with what belongs to them along jagged dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from baler_core.data.block import make_block, values_of
from baler_core.data.variables import Schema

if TYPE_CHECKING:
    from baler_core.data.block import Block


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
