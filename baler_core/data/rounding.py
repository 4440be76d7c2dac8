"""Round restored values to short bit patterns, by no more than what is left of their bounds."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from baler_core.data.bounds import SAFETY, Tolerance
from baler_core.data.variables import Variable
from baler_core.machine.records import dataclass

# Beyond so many steps a float64 is a whole number of them anyway.
_MOST_STEPS = 2.0**53
# A step of 2 to such a power would leave the range of float64.
_EXPONENTS = 1000


@dataclass(frozen=True)
class Rounding:
    """How the values of a variable are rounded.

    Attributes
    ----------
    tolerance
        By how much each may move, and what it must not cross or become.
    step
        Values become multiples of this power of two; 0 where `bits` are kept.
    bits
        So many explicit bits of the mantissa are kept; 0 where there is a `step`.
    """

    tolerance: Tolerance
    step: float = 0.0
    bits: int = 0

    def __str__(self) -> str:
        return f"multiples of {self.step:g}" if self.step else f"{self.bits} bits of the mantissa"


def rounding_of(variable: Variable, tolerance: Tolerance, share: float, extra: float) -> Rounding | str:
    """Return how values may be rounded within a bound of which a share is used, or in a few words why they may not.

    Parameters
    ----------
    share
        The largest share of its tolerance that the error of a value has taken.
    extra
        What is allowed beyond the tolerance, as a share of it.
    """
    if not tolerance.lossy or not variable.is_numeric:
        return "exact"
    if variable.numpy_dtype.kind != "f" or variable.numpy_dtype.itemsize > 8:
        return "whole numbers"
    if tolerance.mean is not None:
        return "bounds on average"
    if tolerance.kind not in ("abs", "rel", "bits") or tolerance.shift:
        return "bounds that differ from value to value"
    left = 1 + extra - share
    if not left > 0:
        return "nothing is left of their bounds"
    sign = "keep" if tolerance.sign == "auto" else tolerance.sign
    if tolerance.kind == "abs":
        most = left * tolerance.value
        exponent = math.floor(math.log2(2 * most * SAFETY)) if most > 0 else -math.inf
        if abs(exponent) > _EXPONENTS:
            return "nothing is left of their bounds"
        return Rounding(replace(tolerance, value=most, sign=sign), step=2.0**exponent)
    # A value between powers of two may lose 2^-(bits + 2) of itself, and more if it is small among these.
    relative = tolerance.value if tolerance.kind == "rel" else 2.0 ** -(tolerance.value + 2)
    most = left * relative / (1 + share * relative)
    bits = max(0, math.ceil(-math.log2(most * SAFETY) - 1))
    if bits >= np.finfo(variable.numpy_dtype).nmant:
        return "nothing is left of their bounds"
    return Rounding(replace(tolerance, kind="rel", value=most, shift=0.0, sign=sign), bits=max(1, bits))


def round_values(values: np.ndarray, rounding: Rounding) -> np.ndarray:
    """Return values rounded to nearest, same shape and dtype; those that may not move so far stay."""
    native = values.astype(values.dtype.newbyteorder("="), copy=False)
    with np.errstate(all="ignore"):
        moved = _to_steps(native, rounding.step) if rounding.step else _to_bits(native, rounding.bits)
        bad = rounding.tolerance.violations(native, moved)
    return np.where(bad, native, moved).astype(values.dtype, copy=False)


def _to_steps(values: np.ndarray, step: float) -> np.ndarray:
    steps = values.astype(np.float64) / step
    return np.where(np.abs(steps) < _MOST_STEPS, np.rint(steps) * step, values).astype(values.dtype)


def _to_bits(values: np.ndarray, bits: int) -> np.ndarray:
    """Round mantissas to nearest, ties to even (Zender 2016; Klöwer et al. 2021)."""
    unsigned = np.dtype(f"u{values.dtype.itemsize}")
    dropped = int(np.finfo(values.dtype).nmant) - bits
    raw = np.ascontiguousarray(values).view(unsigned)
    odd = (raw >> unsigned.type(dropped)) & unsigned.type(1)
    rounded = raw + (unsigned.type((1 << (dropped - 1)) - 1) + odd)
    return (rounded & ~unsigned.type((1 << dropped) - 1)).view(values.dtype)


def most_bits(values: np.ndarray) -> int:
    """Return how many explicit bits of the mantissa any finite value has, from the first to the last that is set."""
    native = values.astype(values.dtype.newbyteorder("="), copy=False)
    finite = native[np.isfinite(native)]
    unsigned = np.dtype(f"u{native.dtype.itemsize}")
    mantissa = int(np.finfo(native.dtype).nmant)
    used = int(np.bitwise_or.reduce(finite.view(unsigned), axis=None, initial=0)) & ((1 << mantissa) - 1)
    return mantissa - ((used & -used).bit_length() - 1) if used else 0
