"""Exponentials by additions and multiplications in one stated order, so that all machines restore the same bits.

Mathematics libraries and vector instructions differ in the last bits. The result here is within 1.2 units in the last
place of the true one.
"""

from __future__ import annotations

import math

import numpy as np

from baler_core.machine.compiled import Array, compiled

# ln 2 in two parts, of which the first has its lowest 32 bits 0: its products with exponents are exact.
_LN2_HIGH, _LN2_LOW = float.fromhex("0x1.62e42feep-1"), float.fromhex("0x1.a39ef35793c76p-33")
_PER_LN2 = float.fromhex("0x1.71547652b82fep+0")
# 1 / n! for n = 13 .. 0: the series of exp, whose argument is at most ln 2 / 2.
_SERIES = np.array([1 / math.factorial(n) for n in range(13, -1, -1)])
# Beyond, results are 0 or infinite.
_REACH = 750.0
# Powers of two from half of the smallest exponent to half of the largest, in whose products all results lie.
_MOST_HALF = 600
_POWERS = np.ldexp(1.0, np.arange(-_MOST_HALF, _MOST_HALF + 1))


def exp(values: np.ndarray) -> np.ndarray:
    """Return e to the power of each value: float64, same shape; NaN stays, infinities and overflow give 0 or infinity."""
    flat = np.ascontiguousarray(values, np.float64).reshape(-1)
    found = np.empty(flat.shape)
    with np.errstate(all="ignore"):
        exponentials(flat, found)
    return found.reshape(np.shape(values))


@compiled
def exponentials(values: Array, found: Array) -> None:
    """Store e to the power of each value; exponents are within 1083, as values are clamped, and halves within the table."""
    for place in range(values.size):
        value = values[place]
        x = min(max(value, -_REACH), _REACH) if value == value else 0.0
        exponent = np.rint(x * _PER_LN2)
        rest = (x - exponent * _LN2_HIGH) - exponent * _LN2_LOW
        series = 0.0
        for term in range(_SERIES.size):
            series = series * rest + _SERIES[term]
        # in two steps, since powers of two end before exponentials do
        half = np.floor(exponent * 0.5)
        power = _POWERS[int(half) + _MOST_HALF]
        series = (series * power) * _POWERS[int(exponent - half) + _MOST_HALF]
        found[place] = series if value == value else value
