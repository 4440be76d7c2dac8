"""Convert numbers to 64-bit integers that number them, and arrays piece by piece."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

_CODE_LIMIT = 2.0**62
# So many values are rounded at a time: what is made of them on the way stays in the processor's cache.
_PIECE = 1 << 15


def as_int64(values: np.ndarray) -> np.ndarray:
    """Return integers and booleans as int64; uint64 keeps its bits."""
    if values.dtype.kind == "u" and values.dtype.itemsize == 8:
        return np.ascontiguousarray(values.astype("=u8")).view(np.int64)
    return values.astype(np.int64)


def in_pieces(function: Callable[[np.ndarray], np.ndarray], given: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """Return what a function of single values makes of an array, in `dtype`, piece by piece."""
    if given.size <= _PIECE:
        return np.asarray(function(given))
    flat, found = given.reshape(-1), np.empty(given.size, dtype)
    for start in range(0, flat.size, _PIECE):
        piece = slice(start, start + _PIECE)
        found[piece] = function(flat[piece])
    return found.reshape(given.shape)


def to_codes(points: np.ndarray) -> np.ndarray:
    """Return float64 lattice numbers as int64; what is not finite or too large becomes 0 and will be stored exactly."""
    good = np.abs(points) < _CODE_LIMIT
    return np.where(good, points, 0.0).astype(np.int64)


def float_bits(values: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the bits of floats as uint64, and the weight of the sign bit."""
    native = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("="), copy=False))
    bits = native.view(f"u{native.dtype.itemsize}").astype(np.uint64)
    return bits, 1 << (8 * native.dtype.itemsize - 1)


def below(limit: int) -> float:
    """Return the largest float64 that does not exceed an integer limit."""
    value = float(limit)
    return value if int(value) <= limit else float(np.nextafter(value, 0.0))
