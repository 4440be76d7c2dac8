"""Write restored numbers of a lossy column with the digits of the originals, where that stays inside the bound."""

from __future__ import annotations

import re

import numpy as np

from baler_core.data.bounds import SAFETY
from baler_core.machine.records import dataclass

NUMBER = r"\d{1,17}(?:\.\d{1,21})?(?:e[+-]?\d{1,3})?"
GRID = re.compile(r"[abr]-?\d{1,3}:" + NUMBER)
# Beyond, products with powers of ten are no longer exact enough to tell which decimals are near.
_LARGEST = 2.0**40
# A float64 has no more bits than this in its mantissa, whatever a file says.
_MOST_BITS = 64
# Powers of ten up to this are floats themselves, so that one product or quotient gives the nearest float.
_EXACT_POWER = 22
# More digits than the originals had are tried one by one up to so many.
_MORE = 2


def power_of_ten(exponent: int) -> float:
    """Return the float nearest to a power of ten: infinity or 0 beyond their range."""
    return float(f"1e{exponent}")


def decimal_floats(whole: np.ndarray, places: int) -> np.ndarray:
    """Return the floats that whole numbers stand for with so many of their digits behind the point: 52, 1 are 5.2.

    Parameters
    ----------
    whole
        float64, 1-D, finite, below 2^53.
    """
    if abs(places) <= _EXACT_POWER:
        power = 10.0 ** abs(places)
        return whole / power if places >= 0 else whole * power
    return np.array([float(f"{number:.0f}e{-places}") for number in whole.tolist()], np.float64)


@dataclass(frozen=True)
class Grid:
    """The decimals on which all original values of a column lie, and how near a restored value is to its original.

    Attributes
    ----------
    decimals
        All originals are written exactly with so many; -2 for hundreds.
    kind
        Of the tolerance: `a` absolute, `r` meant times the value, `b` a number of bits of the mantissa.
    tolerance
        What may lie between an original and the number in the text.
    """

    decimals: int
    kind: str
    tolerance: float

    def __str__(self) -> str:
        return f"{self.kind}{self.decimals}:{self.tolerance!r}"

    @classmethod
    def parse(cls, text: str) -> Grid:
        """Return what `str` wrote (`GRID`)."""
        decimals, _, tolerance = text[1:].partition(":")
        return cls(int(decimals), text[0], float(tolerance))

    def shorten(self, values: np.ndarray, short: np.ndarray, places: np.ndarray, inner: float) -> np.ndarray:
        """Values with fewer decimals than `short` has, where every original that may stand behind one stays in reach.

        Parameters
        ----------
        values, short
            Restored values before and after their digits were cut, float64, 1-D.
        places
            Decimals of `short`, of the same shape.
        inner
            What may lie between an original and its restored value: less than the tolerance, or as many bits.
        """
        scale = power_of_ten(self.decimals)
        result = short.copy()
        with np.errstate(all="ignore"):
            steps = values * scale
            low, high = self._within_bits(steps) if self.kind == "b" else self._within(steps, inner)
            nearest, farthest = self._reach(low, high)
            left = np.isfinite(steps) & (np.abs(steps) < _LARGEST) & (low <= high)
            for more in range(_MORE + 1):
                fine = 10.0**more
                first, last = np.ceil(nearest * fine), np.floor(farthest * fine)
                fits = left & (first <= last) & (places > self.decimals + more)
                chosen = np.clip(np.rint(steps * fine), first, last)
                result[fits] = decimal_floats(chosen[fits], self.decimals + more)
                left &= ~fits
        return result

    def _within(self, steps: np.ndarray, inner: float) -> tuple[np.ndarray, np.ndarray]:
        """The first and the last original, in steps of the last decimal, that may stand behind each value."""
        slack = 1e-9 + 1e-15 * np.abs(steps)
        if self.kind == "r":
            ends = steps / (1 + inner), steps / (1 - inner)
            return np.ceil(np.minimum(*ends) - slack), np.floor(np.maximum(*ends) + slack)
        reach = inner * power_of_ten(self.decimals)
        return np.ceil(steps - reach - slack), np.floor(steps + reach + slack)

    def _within_bits(self, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same where restored values keep a number of bits: an original beyond a power of two has twice the room."""
        scale = power_of_ten(self.decimals)
        sizes = np.abs(steps)
        slack = 1e-9 + 1e-15 * sizes
        half = self._half_bit(sizes / scale) * scale
        beyond = self._half_bit((sizes + 2 * half) / scale) * scale
        low, high = np.ceil(sizes - half - slack), np.floor(sizes + np.maximum(half, beyond) + slack)
        return np.where(steps < 0, -high, low), np.where(steps < 0, -low, high)

    def _half_bit(self, values: np.ndarray) -> np.ndarray:
        """Half of the last bit that is kept of values other than 0."""
        exponents = np.frexp(values)[1] - 1
        return np.ldexp(0.5, exponents - int(min(self.tolerance, _MOST_BITS)))

    def _reach(self, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The ends of what lies inside the bound of both."""
        if self.kind == "b":
            scale = power_of_ten(self.decimals)
            reach = self._half_bit(np.minimum(np.abs(low), np.abs(high)) / scale) * scale * SAFETY
            return high - reach, low + reach
        if self.kind == "r":
            part = self.tolerance * SAFETY
            return high - part * np.abs(high), low + part * np.abs(low)
        width = self.tolerance * SAFETY * power_of_ten(self.decimals)
        return high - width, low + width
