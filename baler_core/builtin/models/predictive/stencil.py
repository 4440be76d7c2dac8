"""The neighbours a value is predicted from, and the learned weights of the linear prediction.

Weights minimise the absolute error on a sample (iteratively reweighted least squares) and are rounded to 1/4096.
"""

from __future__ import annotations

import numpy as np

MARGIN = 3
WEIGHT_BITS = 12
_PASSES = 5
LARGEST_WEIGHT = 1 << 18
# Errors below this, in 1/1024 of a step, count by their squares.
_SMALL_ERROR = 300

_Offsets = tuple[tuple[int, int], ...]
# Already coded in the same slice; anywhere in the slice before, the one before that, and the variable before.
WITHIN: _Offsets = (
    *((0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0)),
    *((-2, 1), (-2, -1), (-1, -2), (-1, 2), (0, -3), (-3, 0)),
)
_CROSS: _Offsets = ((0, 0), (0, -1), (0, 1), (-1, 0), (1, 0))
_SQUARE: _Offsets = (*_CROSS, (-1, -1), (-1, 1), (1, -1), (1, 1))
BEFORE: _Offsets = (*_SQUARE, (0, -2), (0, 2), (-2, 0), (2, 0))
EARLIER: _Offsets = _CROSS
BESIDE: _Offsets = _SQUARE
FEATURES = len(WITHIN) + len(BEFORE) + len(EARLIER) + len(BESIDE)
_GROUPS = (WITHIN, BEFORE, EARLIER, BESIDE)
# Of each feature, its source and the step to its neighbour (y, x).
SOURCES = np.repeat(np.arange(len(_GROUPS)), [len(group) for group in _GROUPS])
NEIGHBOURS = np.concatenate([np.array(group, np.int64) for group in _GROUPS])
# Where the features of each source begin, and the end.
STARTS = np.cumsum([0, *map(len, _GROUPS)]).astype(np.int64)


def linear_offsets(width: int) -> np.ndarray:
    """Distances in a flattened padded slice of padded `width`: int64 (FEATURES,), sources one after the other."""
    return np.array([dy * width + dx for dy, dx in NEIGHBOURS.tolist()], np.int64)


def used_features(temporal: bool, beside: bool) -> np.ndarray:
    """Boolean (FEATURES,)."""
    sources = [True] * len(WITHIN) + [temporal] * (len(BEFORE) + len(EARLIER)) + [beside] * len(BESIDE)
    return np.array(sources)


def fitted(features: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Weights that predict `targets` (rows,) from `features` (rows, used features): int64, in 1/4096.

    The plane through three neighbours if there is too little to learn from.
    """
    if len(features) < 3 * features.shape[1]:
        return _plain(features.shape[1])
    weights = np.zeros(features.shape[1])
    trust = np.ones(len(features))
    for _ in range(_PASSES):
        trusted = features * trust[:, None]
        matrix = trusted.T @ features
        matrix[np.diag_indices(len(weights))] += 1e-7 * np.trace(matrix) / len(weights) + 1e-9
        weights = np.linalg.solve(matrix, trusted.T @ targets)
        trust = 1 / (np.abs(targets - features @ weights) + _SMALL_ERROR)
    rounded = np.rint(weights * (1 << WEIGHT_BITS))
    return np.clip(rounded, -LARGEST_WEIGHT, LARGEST_WEIGHT).astype(np.int64)


def _plain(count: int) -> np.ndarray:
    """The plane through three neighbours, where nothing could be learned."""
    weights = np.zeros(count, np.int64)
    weights[:3] = np.array([1, 1, -1]) << WEIGHT_BITS
    return weights
