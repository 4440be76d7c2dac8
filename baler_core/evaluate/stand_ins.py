"""Leave out what two files hold where both say that there is no value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from baler_core.data.block import make_block, values_of
from baler_core.data.pairing import Piece


def without_stand_ins(piece: Piece, masks: Mapping[str, Sequence[str]]) -> Piece:
    """Return a piece whose restored values are the originals wherever both files say that there is none.

    Formats hold something behind a null, too, which readers replace by what is not the same in both files.
    """
    present = {str(name) for name in piece.restored.variables}
    found = {}
    for name in [str(name) for name in piece.restored.variables if str(name) in masks]:
        before, after = values_of(piece.original, name), values_of(piece.restored, name)
        absent = np.zeros(after.shape, bool)
        for mask in present.intersection(masks[name]):
            both = values_of(piece.original, mask) & values_of(piece.restored, mask)
            absent |= both.reshape(both.shape + (1,) * (after.ndim - both.ndim))
        if absent.any():
            found[name] = piece.restored[name].dims, np.where(absent, before, after)
    if not found:
        return piece
    kept = {
        str(name): (one.dims, values_of(piece.restored, str(name))) for name, one in piece.restored.variables.items()
    }
    return replace(piece, restored=make_block({**kept, **found}))
