"""Convert what stands in square brackets to the box of values that it needs, and to an index of that box."""

from __future__ import annotations

from typing import Any

import numpy as np

from baler_core.errors import OutsideError


def selection_of(key: Any, shape: tuple[int, ...], name: str) -> tuple[tuple[slice, ...], Any]:
    """Return the smallest box that holds what a key asks of an array, and the key for this box.

    Parameters
    ----------
    key
        What numpy takes: numbers, slices, `...`, None, lists and arrays of numbers or booleans.

    Returns
    -------
    Slices with a start, a stop and no step, one per dimension; what gives the same of the box as the key of the array.

    Raises
    ------
    OutsideError
        If a number lies outside, or there are more indices than dimensions.
    """
    keys = key if isinstance(key, tuple) else (key,)
    if any(_is_mask(one) for one in keys):
        return tuple(slice(0, length) for length in shape), key
    given = sum(one is not None and one is not Ellipsis for one in keys)
    if given > len(shape):
        raise OutsideError(f"{name!r} has {len(shape)} dimensions, and {given} indices were given")
    box: list[slice] = []
    inside: list[Any] = []
    for one in keys:
        if one is None:
            inside.append(None)
        elif one is Ellipsis:
            skipped = len(shape) - given
            box += [slice(0, length) for length in shape[len(box) : len(box) + skipped]]
            inside.append(Ellipsis)
        else:
            part, rest = _along(one, shape[len(box)], len(box), name)
            box.append(part)
            inside.append(rest)
    box += [slice(0, length) for length in shape[len(box) :]]
    return tuple(box), tuple(inside)


def _is_mask(key: Any) -> bool:
    """Return whether a key is booleans of several dimensions, or none: numpy knows best what they mean."""
    if isinstance(key, bool | np.bool_):
        return True
    return isinstance(key, np.ndarray | list) and np.asarray(key).dtype == bool and np.asarray(key).ndim != 1


def _along(key: Any, length: int, axis: int, name: str) -> tuple[slice, Any]:
    """Return which rows of one dimension a key needs, and the key among them."""
    if isinstance(key, slice):
        rows = range(length)[key]
        if not rows:
            return slice(0, 0), slice(0, 0)
        low, high = min(rows[0], rows[-1]), max(rows[0], rows[-1]) + 1
        return slice(low, high), slice(None, None, rows.step)
    if hasattr(key, "__index__") and np.ndim(key) == 0:
        number = key.__index__()
        row = number + length if number < 0 else number
        if not 0 <= row < length:
            raise OutsideError(f"{name!r} has {length:,} rows along its dimension {axis}: there is no row {number}")
        return slice(row, row + 1), 0
    numbers = np.asarray(key)
    if numbers.dtype == bool:
        if len(numbers) != length:
            raise OutsideError(f"{name!r} has {length:,} rows along its dimension {axis}, the mask {len(numbers):,}")
        numbers = np.flatnonzero(numbers)
    if not numbers.size:
        return slice(0, 0), numbers.astype(np.int64)
    if numbers.dtype.kind not in "iu":
        raise OutsideError(f"{name!r} cannot be indexed by {key!r}: numbers, slices or masks are wanted")
    rows_of = np.where(numbers < 0, numbers.astype(np.int64) + length, numbers.astype(np.int64))
    low, high = int(rows_of.min()), int(rows_of.max()) + 1
    if low < 0 or high > length:
        wrong = numbers[(rows_of < 0) | (rows_of >= length)].ravel()[0]
        raise OutsideError(f"{name!r} has {length:,} rows along its dimension {axis}: there is no row {wrong}")
    return slice(low, high), rows_of - low
