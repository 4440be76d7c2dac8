"""Find out on a part of a chunk whether local fits, or mixing, pay."""

from __future__ import annotations

from dataclasses import replace

from baler_core.builtin.models.fields.predictive.coder import LOCAL
from baler_core.builtin.models.fields.predictive.field import Integers, counted_with, encode_with
from baler_core.builtin.models.fields.predictive.local_fit import MOST_COLUMNS
from baler_core.builtin.models.fields.predictive.stencil import Stencils

# Values that are coded both ways, and the fewest rows of a slice.
_VALUES, _ROWS = 1 << 16, 32
# Mixing is tried on a part of so many times more values, where they take so many bits, and given up where it leaves such a
# share.
_MANY, _MANY_BITS, _HARDLY = 4, 2.5, 0.996


def local_gain(integers: Integers, stencils: Stencils, mixed: int) -> float:
    """Return what share of the bytes local fits save, of a part of the values that `mixed` contexts code."""
    if integers.values.shape[3] > MOST_COLUMNS or not integers.values.size:
        return 0.0
    part = first_part(integers)
    return 1 - len(encode_with(part, stencils, LOCAL)[0]) / len(encode_with(part, stencils, mixed)[0])


def hardly_pays(integers: Integers, stencils: Stencils, mixed: int) -> bool:
    """Return whether values take many bits, of which mixing saves next to nothing: noise leaves contexts nothing to tell."""
    if integers.holes is not None or integers.values.size < _MANY * _VALUES:
        return False
    part = first_part(integers)
    counted = counted_with(part, stencils)[0]
    if 8 * counted < _MANY_BITS * part.values.size:
        return False
    return len(encode_with(part, stencils, mixed)[0]) > _HARDLY * counted


def first_part(integers: Integers) -> Integers:
    """Cut out first slices, and of two large ones first rows."""
    slices, variables, ny, nx = integers.values.shape
    rows = min(ny, max(_ROWS, _VALUES // (min(slices, 2) * variables * nx)))
    count = max(min(slices, 2), _VALUES // (variables * rows * nx))
    holes = None if integers.holes is None else integers.holes[:count, :, :rows]
    return replace(integers, values=integers.values[:count, :, :rows], holes=holes)
