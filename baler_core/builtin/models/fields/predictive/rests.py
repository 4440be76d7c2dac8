"""Write what the numbers of floats leave open, place by place, and put both together again."""

from __future__ import annotations

import numpy as np

from baler_core.builtin.models.fields.layout import Arrangement, Box
from baler_core.builtin.models.fields.predictive.float_cells import FloatCells
from baler_core.builtin.models.fields.predictive.held import SteppedField, Where, placed
from baler_core.entropy.integers import pack_integers, unpack_integers
from baler_core.quantise.slice_steps import SliceSteps, from_ordered, ordered
from baler_core.quantise.tile_steps import TileSteps


def encode_rests(field: SteppedField, arrangement: Arrangement, place: Box) -> bytes:
    """Write what the numbers of a part of the arranged values leave open; nothing of special values."""
    ordinary = _ordinary(arrangement.forward(field.special)[place] if field.special is not None else None)
    values, numbers = arrangement.forward(field.values)[place], field.numbers(arrangement, place)
    if isinstance(field.scale, FloatCells):
        return field.scale.encode_rests(values[ordinary].ravel(), numbers[ordinary].ravel())
    assert isinstance(field.scale, SliceSteps | TileSteps)
    found = placed(field.scale, (field.values.shape, arrangement, place)).points(numbers, field.scale.dtype)
    return pack_integers((ordered(values) - ordered(found))[ordinary])


def decode_rests(head: SteppedField, data: bytes, numbers: np.ndarray, where: Where) -> np.ndarray:
    """Return the floats of a part of the arranged values; anything at special ones.

    Parameters
    ----------
    numbers
        int64 (frames, z, y, x) of the part.
    where
        The shape of all values, how they are arranged, and the part.

    Raises
    ------
    FormatError
        If the bytes are damaged.
    """
    ordinary = _ordinary(head.special[where[2]] if head.special is not None else None)
    if isinstance(head.scale, FloatCells):
        found = np.zeros(numbers.shape, head.scale.dtype)
        found[ordinary] = head.scale.decode_rests(data, numbers[ordinary].ravel()).reshape(found[ordinary].shape)
        return found
    assert isinstance(head.scale, SliceSteps | TileSteps)
    apart = np.zeros(numbers.shape, np.int64)
    apart[ordinary] = unpack_integers(data, apart[ordinary].size).reshape(apart[ordinary].shape)
    with np.errstate(over="ignore"):
        codes = ordered(placed(head.scale, where).points(numbers, head.scale.dtype)) + apart
    return from_ordered(codes, head.scale.dtype)


def _ordinary(special: np.ndarray | None) -> np.ndarray | slice:
    """Return where values are ordinary."""
    return slice(None) if special is None else special == 0
