"""Weights that are fitted to blocks of columns while decoding (format/predictive.md: local fits)."""

from __future__ import annotations

import math

import numpy as np

from reference.predictive_series import NEIGHBOURS

BLOCK = 4
NEAR = (13, 4, 0, 1)
DECAY, LARGEST_WEIGHT = 0.6875, 64.0


def local_neighbours() -> list[tuple[int, int, int]]:
    """Sources and steps (y, x)."""
    return [(source, y, x) for source, y, x in NEIGHBOURS if y * y + x * x <= NEAR[source]]


def trust_of(expected: int) -> float:
    size = float(expected + 64)
    return 1.0 / (size * size)


class Fits:
    """Sums of products of each block of columns of a slice, and the weights of the block that is open."""

    def __init__(self, count: int, blocks: int) -> None:
        self.sums = np.zeros((blocks + 2, count, count + 1), "<f8")
        self.block, self.known, self.weights = -1, [], [0.0] * count
        self.known: list[tuple[float, list[float]]]

    def open(self, block: int) -> None:
        if self.block >= 0:
            self._learn(self.sums[self.block + 1])
        self.block, self.known = block, []
        left, own, right = self.sums[block : block + 3]
        self.weights = solved(own + 0.5 * (left + right))

    def _learn(self, sums: np.ndarray) -> None:
        sums *= DECAY
        for trust, features in self.known:
            row = np.array(features)
            sums += (trust * row[:-1])[:, None] * row

    def change(self, features: list[float]) -> int:
        total = 0.0
        for weight, feature in zip(self.weights, features, strict=True):
            total += weight * feature
        return math.floor(total)


def solved(matrix: np.ndarray) -> list[float]:
    """Weights by Gaussian elimination; all 0 where a pivot is too small or a weight too large."""
    count, trace = len(matrix), 0.0
    for i in range(count):
        trace += float(matrix[i, i])
    ridge = trace / 4096 / count + 2.0**-30
    matrix[np.diag_indices(count)] += ridge
    with np.errstate(all="ignore"):
        for k in range(count):
            if not matrix[k, k] > 0.5 * ridge:
                return [0.0] * count
            ratios = matrix[k, k + 1 : count] * (1.0 / matrix[k, k])
            matrix[k + 1 :, k + 1 :] -= ratios[:, None] * matrix[k, k + 1 :]
        weights = [0.0] * count
        for k in range(count - 1, -1, -1):
            weight = float(matrix[k, count] / matrix[k, k])
            if not abs(weight) <= LARGEST_WEIGHT:
                return [0.0] * count
            weights[k] = weight
            matrix[:k, count] -= matrix[:k, k] * weight
    return weights
