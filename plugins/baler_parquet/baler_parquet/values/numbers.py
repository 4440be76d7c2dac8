"""Arrow arrays of plain types to numpy and back, bit for bit; decimals of up to 18 digits as whole numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from baler_core import DataError
from baler_parquet.contents.numbers import dtype_of

if TYPE_CHECKING:
    import pyarrow as pa


def numbers_of(array: pa.Array) -> np.ndarray:
    """Return the values of an array, whatever stands where it is null.

    Raises
    ------
    DataError
        If text is none.
    """
    import pyarrow as pa

    kind, dtype = array.type, dtype_of(array.type)
    if dtype in ("str", "bytes"):
        return _texts(array)
    if dtype == "|b1":
        if array.null_count:
            array = array.fill_null(False)
        truth: np.ndarray = array.to_numpy(zero_copy_only=False)
        return truth
    if pa.types.is_decimal(kind) and dtype == "<i8":
        return _decimals(array)
    data = array.buffers()[1]
    if data is None or not len(array):
        return np.zeros(len(array), dtype)
    return np.frombuffer(data, dtype, len(array), array.offset * np.dtype(dtype).itemsize)


def _texts(array: pa.Array) -> np.ndarray:
    import pyarrow as pa

    if pa.types.is_string_view(array.type):
        array = array.cast(pa.large_string())
    elif pa.types.is_binary_view(array.type):
        array = array.cast(pa.large_binary())
    try:
        cells: np.ndarray = array.to_numpy(zero_copy_only=False)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise DataError(f"holds text that is not UTF-8 ({str(error).splitlines()[0]}): store it as binary") from error
    return cells.astype(object)


def _decimals(array: pa.Array) -> np.ndarray:
    """The whole numbers of decimals, the lowest 64 bits of which hold them."""
    width = array.type.byte_width
    data = array.buffers()[1]
    if data is None or not len(array):
        return np.zeros(len(array), "<i8")
    parts = np.frombuffer(data, "<i4" if width == 4 else "<i8", len(array) * max(1, width // 8), array.offset * width)
    found = parts.reshape(len(array), -1)[:, 0].astype("<i8")
    if width > 8:
        rest = parts.reshape(len(array), -1)[:, 1:]
        wrong = (rest != (found >> 63)[:, None]).any(axis=1)
        if array.null_count:
            wrong &= array.is_valid().to_numpy(zero_copy_only=False)
        if wrong.any():
            raise DataError(f"holds numbers that do not fit {array.type}")
    return found


def array_of(values: np.ndarray, kind: pa.DataType, null: np.ndarray | None) -> pa.Array:
    """Return an Arrow array of values of the dtype that `dtype_of` says.

    Parameters
    ----------
    null
        Where it is null; None for nowhere.

    Raises
    ------
    ValueError
        If the values are not of that dtype, or do not fit.
    """
    import pyarrow as pa

    dtype = dtype_of(kind)
    if dtype in ("str", "bytes"):
        made = pa.array(values, type=kind, mask=null, from_pandas=False)
        inside = (
            made.buffers()[-1] if isinstance(made, pa.Array) and kind in (pa.string_view(), pa.binary_view()) else None
        )
        if inside is not None and not inside.size:
            # Views of short texts alone need no buffer beside them: an empty one is none that polars reads.
            return pa.Array.from_buffers(kind, len(made), made.buffers()[:2], made.null_count)
        return made
    if values.dtype != np.dtype(dtype) or values.ndim != 1:
        raise ValueError(f"values of {kind} are stored as {values.dtype}")
    if dtype == "|b1":
        return pa.array(values, type=kind, mask=null)
    if pa.types.is_decimal(kind) and dtype == "<i8":
        values = _wide(values, kind.byte_width)
    bits = None if null is None else pa.py_buffer(np.packbits(~null, bitorder="little").tobytes())
    # A copy that nothing else changes, of at least one byte, since there are no arrays without a buffer.
    data = pa.py_buffer(np.ascontiguousarray(values).tobytes())
    return pa.Array.from_buffers(kind, len(null) if null is not None else len(values), [bits, data])


def _wide(values: np.ndarray, width: int) -> np.ndarray:
    """Whole numbers in the bytes of a decimal."""
    if width <= 8:
        narrow = values.astype(f"<i{width}")
        if (narrow != values).any():
            raise ValueError(f"numbers that do not fit into {width} bytes")
        return narrow
    sign = values >> 63
    return np.stack([values, *[sign] * (width // 8 - 1)], axis=1).reshape(-1).view(f"|V{width}")
