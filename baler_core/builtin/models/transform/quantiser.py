"""Coefficients to integers with a uniform step and a wide zero, and back."""

from __future__ import annotations

import numpy as np

from baler_core.compiled import Array, compiled

ROUNDING = 0.43
"""What is added before rounding a magnitude down; below one half because small coefficients cluster at zero."""
_LARGEST = 2.0**30


def quantise(coefficients: np.ndarray, step: float) -> np.ndarray:
    """int32, same shape."""
    integers = np.empty(coefficients.shape, np.int32)
    _round(np.ascontiguousarray(coefficients).reshape(-1), 1 / step, integers.reshape(-1))
    return integers


def dequantise(integers: np.ndarray, step: float) -> np.ndarray:
    """float64, same shape, C order."""
    return np.multiply(integers, step, order="C")


@compiled
def _round(coefficients: Array, scale: float, integers: Array) -> None:
    for place in range(integers.size):
        size = min(abs(coefficients[place]) * scale + ROUNDING, _LARGEST)
        integers[place] = np.int32(size) if coefficients[place] > 0 else -np.int32(size)
