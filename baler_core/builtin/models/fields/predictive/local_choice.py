"""Find out on a part of a chunk whether local fits pay."""

from __future__ import annotations

from dataclasses import replace

from baler_core.builtin.models.fields.predictive.coder import LOCAL
from baler_core.builtin.models.fields.predictive.field import Integers, encode_with
from baler_core.builtin.models.fields.predictive.local_fit import MOST_COLUMNS
from baler_core.builtin.models.fields.predictive.stencil import Stencils

# Values that are coded both ways, and the fewest rows of a slice.
_VALUES, _ROWS = 1 << 16, 32


def local_gain(integers: Integers, stencils: Stencils, mixed: int) -> float:
    """Return what share of the bytes local fits save, of a part of the values that `mixed` contexts code."""
    if integers.values.shape[3] > MOST_COLUMNS or not integers.values.size:
        return 0.0
    part = _part(integers)
    return 1 - len(encode_with(part, stencils, LOCAL)[0]) / len(encode_with(part, stencils, mixed)[0])


def _part(integers: Integers) -> Integers:
    """Cut out first slices, and of two large ones first rows."""
    slices, variables, ny, nx = integers.values.shape
    rows = min(ny, max(_ROWS, _VALUES // (min(slices, 2) * variables * nx)))
    count = max(min(slices, 2), _VALUES // (variables * rows * nx))
    holes = None if integers.holes is None else integers.holes[:count, :, :rows]
    return replace(integers, values=integers.values[:count, :, :rows], holes=holes)
