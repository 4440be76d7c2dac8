"""Measure how far apart values are, without overflow; their bits and exponents."""

from __future__ import annotations

from typing import Any

import numpy as np


def distance(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return |x - y| as float64 without integer overflow."""
    if x.dtype.kind == "f":
        apart_by = np.asarray(np.subtract(x, y, dtype=np.float64))
        return np.abs(apart_by, out=apart_by)
    return apart(x, y).astype(np.float64)


def are_near(x: np.ndarray, y: np.ndarray, most: float) -> bool:
    """Return whether all of these are floats, finite, and at most so far apart."""
    if x.dtype.kind != "f" or not x.size or most <= 0:
        return False
    with np.errstate(all="ignore"):
        return bool(0 <= distance(x, y).max() <= most)


def apart(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return |x - y| of integers, exactly, as unsigned integers of their size."""
    larger, smaller = np.maximum(x, y), np.minimum(x, y)
    unsigned = np.dtype(f"u{x.dtype.itemsize}")
    return np.asarray(larger.astype(unsigned) - smaller.astype(unsigned))


def bits_of(values: np.ndarray) -> np.ndarray:
    """Return floats as unsigned integers of the same width, so that NaN payloads and signs of zero compare; booleans as bytes."""
    if values.dtype.kind == "b":
        return np.ascontiguousarray(values).view(np.uint8)  # files hold others than 0 and 1, all of them true
    if values.dtype.kind != "f":
        return values
    return np.ascontiguousarray(values).view(np.dtype(f"u{values.dtype.itemsize}").newbyteorder(values.dtype.byteorder))


def exponent_of(magnitude: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """Return floor(log2 |x|), not below the exponent of the smallest normal number of the dtype; that for zero."""
    exponent = np.frexp(magnitude)[1] - 1
    if dtype.kind == "f":
        lowest = np.finfo(dtype).minexp
        exponent = np.where(magnitude > 0, np.maximum(exponent, lowest), lowest)
    return exponent
