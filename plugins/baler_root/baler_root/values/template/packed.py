"""Take Double32_t and Float16_t with a range as the integers that ROOT stores, and what they stand for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from baler_root.contents.branches import Branch
from baler_root.contents.forms import List, Number
from baler_root.contents.trees import Tree


def as_stored(tree: Tree, branch: Branch) -> Branch:
    """Return the branch as integers on a grid, where its numbers are stored so; else as it is.

    Restored values must lie on the same grid: ROOT would round others to it, beyond their bound.
    """
    import uproot

    numerical = uproot.interpretation.numerical
    reading = tree.handles[branch.key].interpretation
    form, whole = branch.form, reading
    if isinstance(reading, uproot.AsJagged) and isinstance(form, List):
        form, reading = form.content, reading.content
    if not isinstance(reading, numerical.TruncatedNumerical) or not isinstance(form, Number):
        return branch
    low, high, steps = float(reading.low), float(reading.high), 1 << int(reading.num_bits)
    if reading.is_truncated or not low < high:
        return branch
    stored = uproot.AsDtype(np.dtype((">u4", reading.to_dims)) if reading.to_dims else np.dtype(">u4"))
    packed = Number("<u4", form.shape)
    jagged = whole is not reading
    tree.readings[branch.key] = uproot.AsJagged(stored, whole.header_bytes) if jagged else stored
    return replace(branch, form=List(packed) if jagged else packed, packing=((high - low) / steps, low, float(steps)))
