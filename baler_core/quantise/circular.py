"""Sines, cosines and their hyperbolic kin by additions, multiplications and divisions in one stated order."""

from __future__ import annotations

import math

import numpy as np

from baler_core.quantise.exponential import exp

# pi / 2 in two parts, of which the first has its lowest bits 0: its products with small whole numbers are exact.
_HIGH, _LOW = float.fromhex("0x1.921fb544p+0"), float.fromhex("0x1.0b4611a626331p-34")
_PER_QUARTER = float.fromhex("0x1.45f306dc9c883p-1")
_SINE = [(-1) ** n / math.factorial(2 * n + 1) for n in range(9, -1, -1)]
_COSINE = [(-1) ** n / math.factorial(2 * n) for n in range(9, -1, -1)]
_TURN = float.fromhex("0x1.921fb54442d18p+2")
_FARTHEST = 1e6
"""Larger angles give NaN."""


def sine(angles: np.ndarray, quarters: int = 0) -> np.ndarray:
    """Return the sine of angles in radians plus so many quarters of a turn: float64; NaN beyond a million."""
    with np.errstate(all="ignore"):
        known = np.abs(angles) < _FARTHEST
        x = np.where(known, angles, 0.0)
        whole = np.rint(x * _PER_QUARTER)
        rest = (x - whole * _HIGH) - whole * _LOW
        square = rest * rest
        odd, even = np.zeros_like(x), np.zeros_like(x)
        for of_sine, of_cosine in zip(_SINE, _COSINE, strict=True):
            odd = odd * square + of_sine
            even = even * square + of_cosine
        part = (whole.astype(np.int64) + quarters) & 3
        found = np.where(part & 1, even, odd * rest)
        return np.where(known, np.where(part & 2, -found, found), np.nan)


def cosine(angles: np.ndarray) -> np.ndarray:
    """Return the cosine of angles in radians, likewise."""
    return sine(angles, 1)


def hyperbolic_sine(values: np.ndarray) -> np.ndarray:
    """Return (e^x - e^-x) / 2: float64."""
    with np.errstate(all="ignore"):
        up = exp(values)
        return np.asarray((up - 1.0 / up) * 0.5)


def hyperbolic_cosine(values: np.ndarray) -> np.ndarray:
    """Return (e^x + e^-x) / 2: float64."""
    with np.errstate(all="ignore"):
        up = exp(values)
        return np.asarray((up + 1.0 / up) * 0.5)


def within_half_a_turn(angles: np.ndarray) -> np.ndarray:
    """Return angles in radians less as many whole turns as bring them to half a turn at most."""
    with np.errstate(all="ignore"):
        return np.asarray(angles - np.rint(angles / _TURN) * _TURN)
