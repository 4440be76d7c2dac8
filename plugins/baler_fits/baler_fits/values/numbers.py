"""Numbers as a FITS file stores them (big-endian, shifted by BZERO, T and F) ↔ native arrays."""

from __future__ import annotations

import numpy as np

from baler_fits.contents.fields import RowField


def to_native(stored: np.ndarray, field: RowField) -> np.ndarray:
    """Return values in memory of elements as they stand in the file; same shape, every bit of them kept."""
    if field.logical:
        return stored == b"T"
    values = stored.astype(stored.dtype.newbyteorder("<"))
    return _flip(values, np.dtype(field.dtype)) if field.packing.flipped else values


def to_stored(values: np.ndarray, field: RowField) -> np.ndarray:
    """Return the inverse of `to_native`: elements of the dtype `field.stored`, same shape."""
    if field.logical:
        return np.where(values, np.bytes_(b"T"), np.bytes_(b"F"))
    if field.packing.flipped:
        values = _flip(np.ascontiguousarray(values), field.stored.newbyteorder("<"))
    return values.astype(field.stored, copy=False)


def _flip(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Integers with the highest bit inverted, read as the other signedness: adds or takes away 2**(bits - 1)."""
    bits = values.view(f"<u{values.dtype.itemsize}")
    return (bits ^ bits.dtype.type(1 << (8 * values.dtype.itemsize - 1))).view(dtype)
