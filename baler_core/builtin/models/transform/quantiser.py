"""Coefficients to integers with a uniform step and a wide zero, and back."""

from __future__ import annotations

import numpy as np

ROUNDING = 0.43
"""What is added before rounding a magnitude down; below one half because small coefficients cluster at zero."""
_LARGEST = 2.0**30


def quantise(coefficients: np.ndarray, step: float) -> np.ndarray:
    """int32, same shape."""
    scaled = np.floor(np.abs(coefficients) / step + ROUNDING)
    return (np.sign(coefficients) * np.minimum(scaled, _LARGEST)).astype(np.int32)


def dequantise(integers: np.ndarray, step: float) -> np.ndarray:
    """float64, same shape."""
    return integers * step
