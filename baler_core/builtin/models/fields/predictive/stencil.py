"""Fit the weights of a linear prediction from neighbours in space, time and variables.

Weights minimise the absolute error on a sample (iteratively reweighted least squares), and a little how much of the
rounding of neighbours they let through; they are rounded to 1/4096, or finer for very smooth fields. Values of small and of large activity may have
weights of their own (classes).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

MARGIN = 3
# Weights are multiples of 1/4096, or fine: of 1/2^22. Those times numbers, below 2^40, stay within 64 bits.
WEIGHT_BITS, FINE_BITS = 12, 22
# Shares of the rows that passes look at, from nothing and from a start.
_STRIDE = 1.5
_SHARES, _FEW_SHARES = (0.25, 0.25, 0.25, 0.5, 1.0), (1.0, 1.0)
# The largest weight, and how much of the mean square of its feature is added to each, for coarse and fine weights.
LARGEST_WEIGHT = 64
_RIDGES = {WEIGHT_BITS: 1e-7, FINE_BITS: 1e-13}
HALF_STEP = 512
# Errors below this, in 1/1024 of a step, count by their squares.
_SMALL_ERROR = 300
# Mean square of what rounding to whole steps adds to each neighbour, in the same units.
ROUNDING = 1024.0**2 / 12
# How much that counts, and how much weights of a class hold to those of all values.
_STEADINESS, _LOYALTY = 0.15, 1.0

_Offsets = tuple[tuple[int, int], ...]


def _disc(squared: int) -> _Offsets:
    """Return the steps (y, x) of at most so much squared length, nearest first."""
    steps = [(y, x) for y in range(-MARGIN, MARGIN + 1) for x in range(-MARGIN, MARGIN + 1) if y * y + x * x <= squared]
    return tuple(sorted(steps, key=lambda step: (step[0] ** 2 + step[1] ** 2, step[0] ** 2, step)))


# Already coded in the same slice; anywhere in the slice before, the one before that, and the variable before.
WITHIN: _Offsets = tuple(step for step in _disc(13) if step < (0, 0))
BEFORE: _Offsets = _disc(9)
_GROUPS = (WITHIN, BEFORE, _disc(4), _disc(8))
# Squared lengths that are looked at where time is short.
_NEAR = (9, 4, 1, 2)
FEATURES = sum(map(len, _GROUPS))
# Of each feature, its source and the step to its neighbour (y, x).
SOURCES = np.repeat(np.arange(len(_GROUPS)), [len(group) for group in _GROUPS])
NEIGHBOURS = np.concatenate([np.array(group, np.int64) for group in _GROUPS])
# Where the features of each source begin, and the end.
STARTS = np.cumsum([0, *map(len, _GROUPS)]).astype(np.int64)
# Weights of a class are followed by the activity from which on the next class serves.
EDGE, COLUMNS = FEATURES, FEATURES + 1
MOST_CLASSES = 3
LARGEST_EDGE = 1 << 30


class Stencils(NamedTuple):
    """Weights of linear predictions.

    Attributes
    ----------
    weights
        Of each variable, without and with a slice before, of each class, with its edge: int64 (variables, 2, classes,
        COLUMNS).
    bits
        They are multiples of two to the power of minus this.
    """

    weights: np.ndarray
    bits: int = WEIGHT_BITS


def linear_offsets(width: int) -> np.ndarray:
    """Distances in a flattened padded slice of padded `width`: int64 (FEATURES,), sources one after the other."""
    return np.array([dy * width + dx for dy, dx in NEIGHBOURS.tolist()], np.int64)


def used_features(temporal: bool, beside: bool, far: bool = True) -> np.ndarray:
    """Return boolean (FEATURES,)."""
    known = np.array([True, temporal, temporal, beside])
    near = (NEIGHBOURS**2).sum(axis=1) <= np.array(_NEAR)[SOURCES]
    return known[SOURCES] & (near | far)


def base_place(temporal: bool) -> int:
    """Return the feature that is the base, from which features and values are counted, and so always 0."""
    return len(WITHIN) + BEFORE.index((0, 0)) if temporal else WITHIN.index((0, -1))


def fitted(
    features: np.ndarray,
    targets: np.ndarray,
    start: np.ndarray | None = None,
    *,
    base: int | None = None,
    loyal: bool = False,
    roughly: bool = False,
    bits: int = WEIGHT_BITS,
) -> np.ndarray:
    """Fit weights that predict `targets` (rows,) from `features` (used features, rows): int64, in 1/2^bits.

    Where there is too little to learn from, `start`, or else the plane through three neighbours.

    Parameters
    ----------
    start
        Weights that are about right.
    base
        Given if neighbours have yet to be rounded, which is then expected of them: the feature that is the base.
    loyal
        Whether to hold to the start.
    roughly
        Whether few passes will do.
    """
    count, rows = features.shape
    if rows < 3 * count:
        return _plain(count, bits) if start is None else start
    aim = weights = np.zeros(count) if start is None else start / (1 << bits)
    trust, size = None if start is None else _trust(targets - weights @ features), ROUNDING
    for share in _SHARES if start is None and not roughly else _FEW_SHARES:
        part = slice(0, max(3 * count, int(share * rows)))
        rounding = _rounding(aim, base, size, loyal=loyal)
        found = _weighted(features[:, part], targets[part], trust, rounding, _RIDGES[bits])
        weights = found if trust is None else weights + _STRIDE * (found - weights)
        left = targets - weights @ features
        trust, size = _trust(left), float(np.minimum(left**2 + size * _gain(weights), ROUNDING).mean())
    return np.rint(np.clip(weights, -LARGEST_WEIGHT, LARGEST_WEIGHT) * (1 << bits)).astype(np.int64)


_Rounding = tuple[np.ndarray, np.ndarray]


def _rounding(aim: np.ndarray, base: int | None, size: float, *, loyal: bool) -> _Rounding:
    """What errors of mean square `size` in neighbours add to mean products of features, and of these with targets.

    And what holds weights to the `aim`, if they are loyal, or keeps them small, if neighbours have been rounded.
    """
    others = np.full(len(aim), 0.0 if base is None else 1.0)
    if base is not None:
        others[base] = 0
    hold = ROUNDING * (_LOYALTY if loyal else _STEADINESS if base is None else 0.0)
    matrix = size * (np.diag(others) + np.outer(others, others)) + hold * np.eye(len(aim))
    return matrix, size * others + (hold * aim if loyal else 0.0)


def _gain(weights: np.ndarray) -> float:
    """Return by how much errors of neighbours, and of the base, grow in predictions, as mean squares."""
    return float(weights @ weights + (1 - weights.sum()) ** 2)


def spread(errors: np.ndarray, weights: np.ndarray) -> float:
    """Return the mean square of what errors of neighbours, by up to half a step or like these `errors`, add to predictions."""
    return float(np.minimum(errors**2, ROUNDING).mean()) * _gain(weights)


def _weighted(
    features: np.ndarray, targets: np.ndarray, trust: np.ndarray | None, rounding: _Rounding, ridge: float
) -> np.ndarray:
    """Return weights of least squares."""
    if trust is None:
        trust = np.ones(len(targets))
    root = np.sqrt(trust[: len(targets)])
    scaled, total = features * root, float(trust[: len(targets)].sum())
    matrix = scaled @ scaled.T + total * rounding[0]
    matrix[np.diag_indices(len(matrix))] += ridge * np.trace(matrix) / len(matrix) + 1e-9
    return np.linalg.solve(matrix, scaled @ (targets * root) + total * rounding[1])


def _trust(errors: np.ndarray) -> np.ndarray:
    """Return what makes squares of errors count like absolute errors."""
    return np.asarray(1 / (np.abs(errors) + _SMALL_ERROR))


def _plain(count: int, bits: int) -> np.ndarray:
    """Return the plane through three neighbours, where nothing could be learned."""
    weights = np.zeros(count, np.int64)
    weights[:3] = np.array([1, 1, -1]) << bits
    return weights
