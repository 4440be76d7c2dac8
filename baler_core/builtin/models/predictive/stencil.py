"""The neighbours a value is predicted from, and the learned weights of the linear prediction.

Weights minimise the absolute error on a sample (iteratively reweighted least squares) and are rounded to 1/4096.
"""

from __future__ import annotations

import numpy as np

MARGIN = 3
WEIGHT_BITS = 12
_PASSES = 5
LARGEST_WEIGHT = 1 << 18

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


def padded(values: np.ndarray) -> np.ndarray:
    """int64 (y, x) with a margin that repeats the edge."""
    return np.pad(values.astype(np.int64), MARGIN, mode="edge")


def linear_offsets(width: int) -> np.ndarray:
    """Distances in a flattened padded slice of padded `width`: int64 (FEATURES,), sources one after the other."""
    return np.array([dy * width + dx for dy, dx in (*WITHIN, *BEFORE, *EARLIER, *BESIDE)], np.int64)


def used_features(temporal: bool, beside: bool) -> np.ndarray:
    """Boolean (FEATURES,)."""
    sources = [True] * len(WITHIN) + [temporal] * (len(BEFORE) + len(EARLIER)) + [beside] * len(BESIDE)
    return np.array(sources)


class Sample:
    """Values of one kind of slice with their features, gathered to learn weights from; at most so many `rows` are used."""

    def __init__(self, rows: int, seed: int = 1) -> None:
        self._most = rows
        self._rows: list[np.ndarray] = []
        self._targets: list[np.ndarray] = []
        self._random = np.random.default_rng(seed)

    def add(self, values: np.ndarray, sources: list[np.ndarray], good: np.ndarray, share: float) -> None:
        """Take a random share of the places of a slice.

        Parameters
        ----------
        values
            What is predicted: (y, x).
        sources
            What it is predicted from: the slice itself, the slices before (or none), and the variable beside (or none),
            as they are restored, padded.
        good
            Boolean (y, x): places that are coded at all.
        """
        places = np.flatnonzero(good.ravel() & (self._random.random(good.size) < share))
        nx = good.shape[1]
        y, x = places // nx + MARGIN, places % nx + MARGIN
        base = base_of(sources[0], sources[1] if len(sources) > 2 else None, y, x)
        offsets = _offsets_for(len(sources))
        columns = [s[y + dy, x + dx] - base for s, group in zip(sources, offsets, strict=True) for dy, dx in group]
        self._rows.append(np.stack(columns, 1).astype(np.float64))
        self._targets.append((values[y - MARGIN, x - MARGIN] - base).astype(np.float64))

    def weights(self) -> np.ndarray:
        """int64, one per feature of these sources, in 1/4096; zeros if there is too little to learn from."""
        rows, targets = np.concatenate(self._rows), np.concatenate(self._targets)
        if len(rows) > self._most:
            chosen = self._random.choice(len(rows), self._most, replace=False)
            rows, targets = rows[chosen], targets[chosen]
        if len(rows) < 3 * rows.shape[1]:
            return _plain(rows.shape[1])
        weights = np.zeros(rows.shape[1])
        trust = np.ones(len(rows))
        for _ in range(_PASSES):
            matrix = (rows * trust[:, None]).T @ rows
            matrix[np.diag_indices(len(weights))] += 1e-7 * np.trace(matrix) / len(weights) + 1e-9
            weights = np.linalg.solve(matrix, rows.T @ (targets * trust))
            trust = 1 / (np.abs(targets - rows @ weights) + 300)
        rounded = np.rint(weights * (1 << WEIGHT_BITS))
        return np.clip(rounded, -LARGEST_WEIGHT, LARGEST_WEIGHT).astype(np.int64)


def base_of(values: np.ndarray, before: np.ndarray | None, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """What all neighbours are compared with: the slice before, else the neighbour to the left."""
    return before[y, x] if before is not None else values[y, x - 1]


def _offsets_for(sources: int) -> tuple[_Offsets, ...]:
    """Offsets of each source: (slice), (slice, beside), (slice, before, earlier) or all four."""
    return {
        1: (WITHIN,),
        2: (WITHIN, BESIDE),
        3: (WITHIN, BEFORE, EARLIER),
        4: (WITHIN, BEFORE, EARLIER, BESIDE),
    }[sources]


def _plain(count: int) -> np.ndarray:
    """The plane through three neighbours, where nothing could be learned."""
    weights = np.zeros(count, np.int64)
    weights[:3] = np.array([1, 1, -1]) << WEIGHT_BITS
    return weights
