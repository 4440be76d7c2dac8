"""Turn values into the bytes of an RNTuple's pages, as the type of a column asks for it."""

from __future__ import annotations

import numpy as np

BIT = 0x00
INDEX = frozenset((0x0E, 0x0F, 0x1A, 0x1B))
DELTA, ZIGZAG = frozenset((0x1A, 0x1B)), frozenset((0x11, 0x13, 0x15))
SPLIT = frozenset(range(0x11, 0x1C))
ROUNDED = frozenset((0x1C, 0x1D))

# numpy types of elements by the number of a column's type: those of which every value is kept
DTYPES = {
    BIT: "|b1",
    **dict.fromkeys((0x01, 0x02, 0x04), "|u1"),
    0x03: "|i1",
    **dict.fromkeys((0x05, 0x11), "<i2"),
    **dict.fromkeys((0x06, 0x12), "<u2"),
    **dict.fromkeys((0x07, 0x13), "<i4"),
    **dict.fromkeys((0x08, 0x14), "<u4"),
    **dict.fromkeys((0x09, 0x15), "<i8"),
    **dict.fromkeys((0x0A, 0x16), "<u8"),
    **dict.fromkeys((0x0B, 0x17), "<f2"),
    **dict.fromkeys((0x0C, 0x18), "<f4"),
    **dict.fromkeys((0x0D, 0x19), "<f8"),
    **dict.fromkeys((0x0E, 0x1A), "<u4"),
    **dict.fromkeys((0x0F, 0x1B), "<u8"),
}


def page_bytes(elements: int, bits: int) -> int:
    """Return how long a page of so many elements is before it is packed."""
    return (elements * bits + 7) // 8


def encode_page(values: np.ndarray, kind: int) -> bytes:
    """Return the bytes of a page, not packed.

    Parameters
    ----------
    values
        1-D, of the type that `DTYPES` has for the column.
    kind
        The number of the column's type.
    """
    if kind == BIT:
        return np.packbits(values, bitorder="little").tobytes()
    if kind in DELTA:
        values = np.diff(values, prepend=values.dtype.type(0))
    elif kind in ZIGZAG:
        values = (values << 1) ^ (values >> (8 * values.dtype.itemsize - 1))
    if kind not in SPLIT:
        return values.tobytes()
    planes = np.ascontiguousarray(values).view(np.uint8).reshape(len(values), values.dtype.itemsize)
    return planes.T.tobytes()
