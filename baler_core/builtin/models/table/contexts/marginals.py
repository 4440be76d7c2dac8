"""Fit the distribution of one column: bins of about equal weight, heavy values alone in theirs."""

from __future__ import annotations

import math

import numpy as np

from baler_core.machine.records import dataclass

MASS_STEPS = 4
"""Weights of bins are stored as -log2 in units of 1/4."""
LEVELS = 97


@dataclass(frozen=True)
class Marginal:
    """Bins of a column of integers.

    Attributes
    ----------
    edges
        int64, ascending, one more than bins: bin b holds edges[b] <= value < edges[b + 1].
    levels
        uint8 per bin: -log2 of its share of rows, in units of 1 / MASS_STEPS.
    """

    edges: np.ndarray
    levels: np.ndarray

    @property
    def bins(self) -> int:
        """How many bins."""
        return len(self.levels)

    @property
    def masses(self) -> np.ndarray:
        """Share of each bin as int64, about 2^24 in total, none 0."""
        return _MASSES[np.minimum(self.levels, LEVELS - 1)]

    def bin_of(self, values: np.ndarray) -> np.ndarray:
        """Return the bin of each value inside the edges: int64."""
        span = int(self.edges[-1] - self.edges[0])
        if span > len(values):
            return np.searchsorted(self.edges, values, side="right") - 1
        return np.repeat(np.arange(self.bins), np.diff(self.edges))[values - self.edges[0]]


def _mass_table() -> np.ndarray:
    """2^(24 - k / MASS_STEPS) rounded down, by integer roots so that every machine has the same: int64."""
    return np.array([math.isqrt(math.isqrt(1 << (96 - k))) for k in range(LEVELS)], np.int64)


_MASSES = _mass_table()


def knots_wanted(rows: int) -> int:
    """Return how many bins are worth their bytes, about 2.6 each, for a column of so many rows."""
    for limit, bins in ((300, 4), (1_000, 8), (3_000, 16), (20_000, 32)):
        if rows < limit:
            return bins
    return 64


def fit_marginal(values: np.ndarray, low: int, high: int, bins: int) -> Marginal:
    """Fit bins for values (int64, 1-D, non-empty sample) of a column whose values lie in low..high."""
    distinct, counts = np.unique(values, return_counts=True)
    if high - low < bins:
        edges = np.arange(low, high + 2)
    elif len(distinct) <= bins:
        edges = np.concatenate([distinct, distinct + 1])
    else:
        edges = _quantile_edges(distinct, counts, bins)
    edges = np.unique(np.concatenate([edges, [low, high + 1]])).astype(np.int64)
    cumulative = np.concatenate([[0], np.cumsum(counts)])
    counted = np.diff(cumulative[np.searchsorted(distinct, edges)])
    share = (counted + 0.5) / (counted.sum() + 0.5 * len(counted))
    levels = np.clip(np.rint(-MASS_STEPS * np.log2(share)), 0, LEVELS - 1).astype(np.uint8)
    return Marginal(edges, levels)


def _quantile_edges(distinct: np.ndarray, counts: np.ndarray, bins: int) -> np.ndarray:
    cumulative = np.cumsum(counts)
    heavy = distinct[counts > cumulative[-1] / bins]
    places = np.searchsorted(cumulative, np.arange(1, bins) * cumulative[-1] / bins)
    return np.concatenate([heavy, heavy + 1, distinct[places]])
