"""Summarise the difference of a restored quantity from the original one, part by part."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass
class Difference:
    """Sums over all finite values seen."""

    count: int = 0
    original_squares: float = 0.0
    difference_squares: float = 0.0
    largest_original: float = 0.0
    largest_difference: float = 0.0

    def add(self, original: np.ndarray, restored: np.ndarray) -> None:
        """Take in a part of the quantity, any shape."""
        finite = np.isfinite(original) & np.isfinite(restored)
        if not finite.any():
            return
        values, difference = original[finite], restored[finite] - original[finite]
        self.count += values.size
        self.original_squares += float(np.square(values).sum())
        self.difference_squares += float(np.square(difference).sum())
        self.largest_original = max(self.largest_original, float(np.abs(values).max()))
        self.largest_difference = max(self.largest_difference, float(np.abs(difference).max()))

    def statistics(self) -> dict[str, float]:
        """RMS and largest difference, as they are and relative to the RMS and the largest value of the original."""
        if not self.count:
            return {"count": 0.0}
        rms_original = math.sqrt(self.original_squares / self.count)
        rms_difference = math.sqrt(self.difference_squares / self.count)
        return {
            "count": float(self.count),
            "rms": rms_original,
            "rms_difference": rms_difference,
            "max_difference": self.largest_difference,
            "rms_relative": _ratio(rms_difference, rms_original),
            "max_relative": _ratio(self.largest_difference, self.largest_original),
        }


def _ratio(difference: float, original: float) -> float:
    """Their ratio; 0 for no difference at all, infinite for a difference from nothing."""
    if difference == 0:
        return 0.0
    return difference / original if original else math.inf
