"""Serve arrays in memory as a source of blocks, cut like a file; rows of jagged dimensions follow from their counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from baler_core.data.block import Block, make_block
from baler_core.data.variables import Schema, Variable, leading_dimension
from baler_core.plugin.reading import Source


class ArraySource(Source):
    """The values of an object.

    Parameters
    ----------
    arrays
        Per variable, something whose slices along the first dimension are arrays of the variable's dtype.
    """

    def __init__(self, schema: Schema, arrays: Mapping[str, Any], warnings: Sequence[str] = ()) -> None:
        self.schema = schema
        self.warnings = tuple(warnings)
        self._arrays = arrays
        self._starts: dict[str, np.ndarray] = {}
        for dim, counts in schema.counts.items():
            self._starts[dim] = np.concatenate([[0], np.cumsum(np.asarray(arrays[counts]), dtype=np.int64)])

    def read(self, variables: Sequence[Variable], rows: slice) -> Block:
        block = {}
        for v in variables:
            values = self._arrays[v.name]
            values = values[self._rows(v.dims[0], leading_dimension(v, self.schema), rows)] if v.dims else values
            block[v.name] = (v.dims, np.asarray(values, dtype=v.numpy_dtype))
        return make_block(block)

    def move_rows(self, order: np.ndarray) -> None:
        """Do nothing: only values belong to a row."""

    def _rows(self, dim: str, leading: str | None, rows: slice) -> slice:
        """The rows of `dim` that belong to the rows of the leading dimension."""
        if dim == leading:
            return rows
        parent = self._rows(self.schema[self.schema.counts[dim]].dims[0], leading, rows)
        starts = self._starts[dim]
        return slice(int(starts[parent.start]), int(starts[parent.stop]))
