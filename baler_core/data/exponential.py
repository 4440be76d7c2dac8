"""Exponentials by additions and multiplications in one stated order, so that all machines restore the same bits.

Mathematics libraries and vector instructions differ in the last bits. The result here is within 1.2 units in
the last place of the true one.
"""

from __future__ import annotations

import math

import numpy as np

# ln 2 in two parts, of which the first has its lowest 32 bits 0: its products with exponents are exact.
_LN2_HIGH, _LN2_LOW = float.fromhex("0x1.62e42feep-1"), float.fromhex("0x1.a39ef35793c76p-33")
_PER_LN2 = float.fromhex("0x1.71547652b82fep+0")
# 1 / n! for n = 0 .. 13: the series of exp, whose argument is at most ln 2 / 2.
_SERIES = tuple(1 / math.factorial(n) for n in range(14))
# Beyond, results are 0 or infinite.
_REACH = 750.0
# So many values at a time stay within the processor's cache.
_STRIP = 4096


def exp(values: np.ndarray) -> np.ndarray:
    """Return e to the power of each value: float64, same shape; NaN stays, infinities and overflow give 0 or infinity."""
    flat = np.asarray(values, np.float64).reshape(-1)
    found = np.empty(flat.shape)
    with np.errstate(all="ignore"):
        for first in range(0, flat.size, _STRIP):
            found[first : first + _STRIP] = _exp(flat[first : first + _STRIP])
    return found.reshape(np.shape(values))


def _exp(values: np.ndarray) -> np.ndarray:
    x = np.minimum(np.maximum(values, -_REACH), _REACH)
    exponent = np.rint(x * _PER_LN2)
    rest = (x - exponent * _LN2_HIGH) - exponent * _LN2_LOW
    found = np.full(x.shape, _SERIES[-1])
    for term in _SERIES[-2::-1]:
        found *= rest
        found += term
    # in two steps, since powers of two end before exponentials do
    half = np.floor(exponent * 0.5)
    found *= _power_of_two(half)
    found *= _power_of_two(exponent - half)
    return found


def _power_of_two(exponents: np.ndarray) -> np.ndarray:
    """2 to the power of whole numbers from -1022 to 1023, made of bits; anything for NaN."""
    return ((exponents.astype(np.int64) + 1023) << 52).view(np.float64)
