"""Find from where the steps of a column had better count: a weighted sum of columns that are restored before it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from baler_core.builtin.models.table.relations.scales import OwnSteps
from baler_core.data.bounds import Tolerance, usable

_MOST_PARENTS, _MOST_LOOKED_AT, _ROWS = 4, 300, 8000
_WORTH = 0.05
"""Correlation of what is left with a column, in steps, that makes the column a parent."""
_FAR, _ROUNDS = 50.0, 8
_HUGE = 1e30


def fit_centre(
    values: np.ndarray, tolerance: Tolerance, restored: Mapping[int, np.ndarray], points: float
) -> OwnSteps | None:
    """Fit by least squares in units of steps, robustly; None if no column says anything.

    Parameters
    ----------
    tolerance
        Known for each value.
    restored
        Columns to choose parents from, by number.
    """
    assert tolerance.each is not None
    good = np.flatnonzero(usable(values, tolerance.fill) & (tolerance.each > 0) & (np.abs(values) < _HUGE))
    rows = good[:: max(1, len(good) // _ROWS)]
    if len(rows) < 16 * _MOST_PARENTS:
        return None
    x, weights = values[rows].astype(np.float64), 0.5 / tolerance.each[rows]
    columns, fills = _candidates(restored, rows)
    fit, chosen, factors = np.full(len(x), np.median(x)), list[int](), np.zeros(0)
    for _ in range(_MOST_PARENTS):
        left = np.clip((x - fit) * weights, -_FAR, _FAR)
        score = {n: _correlation(left, v * weights) for n, v in columns.items() if n not in chosen}
        best = max(score, key=lambda n: score[n], default=None)
        if best is None or score[best] < _WORTH:
            break
        chosen.append(best)
        inputs = np.stack([*(columns[n] for n in chosen), np.ones(len(x))], axis=1)
        factors, fit = _fitted(inputs, x, weights)
    if not chosen or not np.isfinite(factors).all():
        return None
    numbers = tuple(float(np.float32(fills[n])) for n in chosen)
    return OwnSteps(points, tuple(chosen), tuple(factors.tolist()), numbers)


def _candidates(restored: Mapping[int, np.ndarray], rows: np.ndarray) -> tuple[dict[int, np.ndarray], dict[int, float]]:
    """Return columns that vary, with their medians in place of what is no number; and these medians."""
    columns: dict[int, np.ndarray] = {}
    fills: dict[int, float] = {}
    for number in list(restored)[:_MOST_LOOKED_AT]:
        values = restored[number][rows].astype(np.float64)
        known = np.isfinite(values) & (np.abs(values) < _HUGE)
        if known.sum() < len(rows) // 2:
            continue
        fills[number] = float(np.float32(np.median(values[known])))
        filled = np.where(np.isfinite(values), values, fills[number])
        if np.abs(filled).max() < _HUGE and filled.std() > 0:
            columns[number] = filled
    return columns, fills


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return abs(float((a * b).sum())) / size if 0 < size < np.inf else 0.0


def _fitted(inputs: np.ndarray, x: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return factors in single precision, and the sum; rows far off count less in every round."""
    trust, factors, fit = weights, np.zeros(inputs.shape[1]), x
    scale = np.abs(inputs).max(axis=0)
    for _ in range(_ROUNDS):
        found = np.linalg.lstsq(inputs / scale * trust[:, None], x * trust, rcond=None)[0] / scale
        factors = found.astype(np.float32).astype(np.float64)
        fit = inputs @ factors
        trust = weights / np.sqrt(1 + ((x - fit) * weights) ** 2)
    return factors, fit
