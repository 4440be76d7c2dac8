"""Measure how far apart the distributions of original and restored values are, apart from the steps of restoring."""

from __future__ import annotations

import math

import numpy as np

# Distributions are smoothed by at least and at most so much of their standard deviation.
_SMOOTH = (0.02, 0.25)
# Fewer values, or different values, than these have no distribution that could differ.
_FEWEST, _FEWEST_DISTINCT = 200, 20


def has_distribution(values: np.ndarray) -> bool:
    """Return whether there are enough values, and different ones, to compare distributions."""
    return values.size >= _FEWEST and np.unique(values).size >= _FEWEST_DISTINCT


def distribution_distance(before: np.ndarray, after: np.ndarray, *, relative: bool) -> float:
    """Return the Kolmogorov-Smirnov distance of two distributions, both smoothed by the steps of restored values.

    Without that, it would be steps that count, and values that many rows share, however little these moved.

    Parameters
    ----------
    before, after
        float64 of one shape (1-D), all finite, the same rows in both.
    relative
        Whether logarithms are compared: errors are relative to values.
    """
    if not has_distribution(before):
        return 0.0
    if relative:
        sizes = np.abs(np.concatenate([before, after]))
        smallest = float(sizes[sizes > 0].min(initial=np.inf))
        if np.isfinite(smallest):
            before, after = _signed_log(before, smallest), _signed_log(after, smallest)
    spread = float(before.std())
    width = max(2 * float(np.median(np.abs(after - before))), _SMOOTH[0] * spread)
    return _smoothed_distance(before, after, min(width, _SMOOTH[1] * spread))


def _signed_log(values: np.ndarray, smallest: float) -> np.ndarray:
    """Logarithms of sizes, mirrored for negative values: a relative error is the same everywhere."""
    sizes = np.maximum(np.abs(values), smallest)
    return np.where(values == 0, 0.0, np.sign(values) * (np.log(sizes) - math.log(smallest) + 1.0))


def _smoothed_distance(before: np.ndarray, after: np.ndarray, width: float) -> float:
    """Largest difference of two cumulative distributions, averaged over `width` to both sides of each place."""
    places = np.quantile(np.concatenate([before, after]), np.linspace(0, 1, 401))
    if width <= 0:
        below = [np.searchsorted(np.sort(v), places, side="right") / v.size for v in (before, after)]
        return float(np.abs(below[0] - below[1]).max())
    smooth = [(_integral(v, places + width) - _integral(v, places - width)) / (2 * width) for v in (before, after)]
    return float(np.abs(smooth[0] - smooth[1]).max())


def _integral(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The integral of a cumulative distribution up to each place: the mean of what values lie below it."""
    ordered = np.sort(values)
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    count = np.searchsorted(ordered, places, side="right")
    return np.asarray((count * places - sums[count]) / values.size)
