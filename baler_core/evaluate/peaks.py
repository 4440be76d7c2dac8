"""Count the sources of an image, and those that are lost: local maxima far above the noise."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

# A source is a local maximum so many times the noise above the level; it is lost if nothing of this height is left.
_FOUND, _LEFT = 5.0, 3.0


def lost_sources(before: np.ndarray, after: np.ndarray, noise: float) -> tuple[int, int]:
    """Return how many sources the original has, and how many of them the restored plane has not.

    Parameters
    ----------
    before, after
        float64, 2-D; NaN where there is nothing.
    noise
        Standard deviation of the noise.
    """
    known = before[np.isfinite(before)]
    if not known.size or noise <= 0:
        return 0, 0
    level = float(np.median(known))
    filled = np.where(np.isfinite(before), before, -np.inf)
    peaks = filled > level + _FOUND * noise
    for place, shifted in _neighbours(filled):
        # Of equal neighbours, the last one counts.
        peaks &= filled > shifted if place > 4 else filled >= shifted
    near = np.where(np.isfinite(after), after, -np.inf)
    highest = near.copy()
    for _, shifted in _neighbours(near):
        np.maximum(highest, shifted, out=highest)
    return int(np.count_nonzero(peaks)), int(np.count_nonzero(peaks & (highest < level + _LEFT * noise)))


def _neighbours(plane: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """The eight neighbours of all cells, numbered row by row; nothing beyond the border."""
    padded = np.pad(plane, 1, constant_values=-np.inf)
    rows, columns = plane.shape
    for place in range(9):
        if place != 4:
            y, x = divmod(place, 3)
            yield place, padded[y : y + rows, x : x + columns]
