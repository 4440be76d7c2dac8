"""Write restored numbers of a lossy column with the digits of the originals, where that stays inside the bound."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from baler_core.data.bounds import SAFETY

GRID = re.compile(r"[ar]\d{1,2}:\d{1,17}(?:\.\d{1,21})?(?:e[+-]?\d{1,3})?")
# Beyond, products with powers of ten are no longer exact enough to tell which decimals are near.
_LARGEST = 2.0**40
# More digits than the originals had are tried one by one up to so many.
_MORE = 2


@dataclass(frozen=True)
class Grid:
    """The decimals on which all original values of a column lie, and how near a restored value is to its original.

    Attributes
    ----------
    decimals
        All originals are written exactly with so many.
    relative
        Whether the tolerance is meant times the value.
    tolerance
        What may lie between an original and the number in the text.
    """

    decimals: int
    relative: bool
    tolerance: float

    def __str__(self) -> str:
        return f"{'r' if self.relative else 'a'}{self.decimals}:{self.tolerance!r}"

    @classmethod
    def parse(cls, text: str) -> Grid:
        """Return what `str` wrote (`GRID`)."""
        decimals, _, tolerance = text[1:].partition(":")
        return cls(int(decimals), text[0] == "r", float(tolerance))

    def shorten(self, values: np.ndarray, short: np.ndarray, places: np.ndarray, inner: float) -> np.ndarray:
        """Values with fewer decimals than `short` has, where every original that may stand behind one stays in reach.

        Parameters
        ----------
        values, short
            Restored values before and after their digits were cut, float64, 1-D.
        places
            Decimals of `short`, of the same shape.
        inner
            What may lie between an original and its restored value: less than the tolerance.
        """
        scale = 10.0**self.decimals
        result = short.copy()
        with np.errstate(all="ignore"):
            steps = values * scale
            low, high = self._within(steps, inner)
            nearest, farthest = self._reach(low, high)
            left = np.isfinite(steps) & (np.abs(steps) < _LARGEST) & (low <= high)
            for more in range(_MORE + 1):
                fine = 10.0**more
                first, last = np.ceil(nearest * fine), np.floor(farthest * fine)
                fits = left & (first <= last) & (places > self.decimals + more)
                chosen = np.clip(np.rint(steps * fine), first, last) / (scale * fine)
                result[fits] = chosen[fits]
                left &= ~fits
        return result

    def _within(self, steps: np.ndarray, inner: float) -> tuple[np.ndarray, np.ndarray]:
        """The first and the last original, in steps of the last decimal, that may stand behind each value."""
        slack = 1e-9 + 1e-15 * np.abs(steps)
        if self.relative:
            ends = steps / (1 + inner), steps / (1 - inner)
            return np.ceil(np.minimum(*ends) - slack), np.floor(np.maximum(*ends) + slack)
        reach = inner * 10.0**self.decimals
        return np.ceil(steps - reach - slack), np.floor(steps + reach + slack)

    def _reach(self, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The ends of what lies inside the bound of both."""
        if self.relative:
            part = self.tolerance * SAFETY
            return high - part * np.abs(high), low + part * np.abs(low)
        reach = self.tolerance * SAFETY * 10.0**self.decimals
        return high - reach, low + reach
