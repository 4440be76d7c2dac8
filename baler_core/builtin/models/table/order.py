"""The order in which columns are coded, and the parents of each: the columns that say most about it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_ROWS = 20_000
_FEW_ROWS = 3000
_CANDIDATES = 12
_TOGETHER = 64
_WORTH = 0.004
"""Bits per value that a further parent must promise."""


def entropy(numbers: np.ndarray) -> float:
    """Order-0 entropy in bits, plus what estimating so many chances from so few rows flatters it by (Miller 1955)."""
    if not len(numbers):
        return 0.0
    counts = np.unique(numbers, return_counts=True)[1]
    share = counts / counts.sum()
    return float(-(share * np.log2(share)).sum() + (len(counts) - 1) / (2 * len(numbers) * np.log(2)))


def coarse(bins: np.ndarray, classes: int) -> np.ndarray:
    """Bins joined to at most `classes` of about equal weight."""
    distinct, inverse, counts = np.unique(bins, return_inverse=True, return_counts=True)
    if len(distinct) <= classes:
        return inverse
    centres = np.cumsum(counts) - counts / 2
    return np.unique((centres / counts.sum() * classes * 0.9999).astype(np.int64), return_inverse=True)[1][inverse]


def shared_information(bins: Sequence[np.ndarray]) -> np.ndarray:
    """Bits that each column shares with every other: float64 (columns, 2 * columns), those in the row before last.

    Parameters
    ----------
    bins
        Per column: int64 (rows,), from 0.
    """
    rows = len(bins[0])
    picked = np.linspace(1, rows - 1, min(rows - 1, _FEW_ROWS)).astype(np.int64)
    middle = [coarse(b, 12) for b in bins]
    few = [coarse(m, 6) for m in middle]
    return _shared_information([f[picked] for f in few] + [f[picked - 1] for f in few])


def choose_parents(bins: Sequence[np.ndarray], order: Sequence[int], most: int, shared: np.ndarray) -> list[list[int]]:
    """For each column of `order`: up to `most` parents by greedy conditional mutual information.

    Parameters
    ----------
    bins
        Per column: int64 (rows,), from 0.
    shared
        From `shared_information`.

    Returns
    -------
    list
        Parents as column numbers; `number + len(bins)` stands for that column in the row before.
    """
    count, rows = len(bins), len(bins[0])
    picked = np.linspace(1, rows - 1, min(rows - 1, _ROWS)).astype(np.int64)
    fine = [coarse(b[picked], 24) for b in bins]
    middle = [coarse(b[picked], 12) for b in bins] + [coarse(b[picked - 1], 12) for b in bins]
    few = [coarse(m, 6) for m in middle]
    parents = []
    for position, column in enumerate(order):
        allowed = [*order[:position], *(count + k for k in order[: position + 1])]
        allowed.sort(key=lambda k: -shared[column, k])
        parents.append(_greedy(fine[column], allowed[:_CANDIDATES], middle, few, most))
    return parents


def _greedy(
    target: np.ndarray, candidates: list[int], middle: list[np.ndarray], few: list[np.ndarray], most: int
) -> list[int]:
    chosen: list[int] = []
    condition = np.zeros(len(target), np.int64)
    for step in range(min(most, len(candidates))):
        parts = middle if step < 2 else few
        before = entropy(_joined(condition, target)) - entropy(condition)
        gains = []
        for candidate in candidates:
            both = _joined(condition, parts[candidate])
            gains.append(before - entropy(_joined(both, target)) + entropy(both))
        best = int(np.argmax(gains))
        if gains[best] < _WORTH:
            break
        condition = _joined(condition, parts[candidates[best]])
        chosen.append(candidates.pop(best))
    return chosen


def _joined(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return first * (int(second.max(initial=0)) + 1) + second


def _shared_information(few: list[np.ndarray]) -> np.ndarray:
    """Mutual information of the first half with all: (columns, 2 * columns)."""
    hot = [np.eye(int(f.max(initial=0)) + 1, dtype=np.float32)[f] for f in few]
    rows = len(few[0])
    widths = np.array([h.shape[1] for h in hot])
    starts = np.cumsum(widths) - widths
    everything = np.concatenate(hot, axis=1)
    given = everything.mean(0)
    count = len(few) // 2
    shared = np.zeros((count, len(few)))
    for first in range(0, count, _TOGETHER):
        last = min(first + _TOGETHER, count)
        own = slice(starts[first], starts[last - 1] + widths[last - 1])
        joint = everything[:, own].T @ everything / rows
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.where(joint > 0, joint * np.log2(joint / (given[own, None] * given)), 0)
        by_candidate = np.add.reduceat(terms, starts, axis=1)
        shared[first:last] = np.add.reduceat(by_candidate, starts[first:last] - starts[first], axis=0)
    return shared
