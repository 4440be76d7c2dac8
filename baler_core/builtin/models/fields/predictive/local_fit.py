"""Fit stencils locally, while coding: sums of products of neighbours for each block of columns, and weights that follow.

All in float64, one operation after the other in the order that is written here, so that every machine finds the same bits.
Sums forget quickly: flow that folds and shears obeys no stencil for long (compare Wu, Barthel and Zhang, "Piecewise 2D
autoregression for predictive image coding", 1998).
"""

from __future__ import annotations

import numpy as np

from baler_core.builtin.models.fields.predictive.series import OWN
from baler_core.builtin.models.fields.predictive.stencil import NEIGHBOURS, SOURCES
from baler_core.machine.compiled import Array, Integer, compiled, inlined

# Columns that share weights. More columns of a slice than the most would take much memory.
BLOCK, MOST_COLUMNS = 4, 1 << 14
# Squared lengths that are looked at in each source.
_NEAR = (13, 4, 0, 1)
# What is left of sums from row to row, and what those of the blocks beside count.
_DECAY, _SHARE = 0.6875, 0.5
# Of the mean of squares, what holds each weight near 0, and at least.
_RIDGE, _LEAST_RIDGE = 2.0**-12, 2.0**-30
_LARGEST_WEIGHT = 64.0
# Added to 16 x the error that is expected, whose inverse square is what a value counts.
_STEADINESS = 64
# Rows of a matrix that are eliminated side by side: as one after the other, in a third of the time.
_RANK = 4

_COUNTED = (NEIGHBOURS**2).sum(axis=1) <= np.array(_NEAR)[SOURCES]
_SOURCES, _STEPS = SOURCES[_COUNTED], NEIGHBOURS[_COUNTED]


@compiled
def find_local_steps(sources: Array, width: Integer, size: Integer, back: Integer) -> Array:
    """Find how far the neighbours that count are from a value in all planes, flat; the base, which is `back`, does not.

    `width` and `size` are those of a padded row and a padded slice.
    """
    steps = np.zeros(_SOURCES.size, np.int64)
    count = 0
    for i in range(_SOURCES.size):
        source = sources[_SOURCES[i]]
        step = (source - sources[OWN]) * size + _STEPS[i, 0] * width + _STEPS[i, 1]
        if source >= 0 and step != back:
            steps[count] = step
            count += 1
    return steps[:count].copy()


@inlined
def rows_of(count: Integer) -> Integer:
    """Return how many rows a matrix for so many neighbours has: a multiple of _RANK, of which the last ones may be empty."""
    return (count + _RANK - 1) // _RANK * _RANK


@compiled
def new_sums(nx: Integer, rows: Integer) -> Array:
    """Make empty sums of products, flat: float64 (blocks of columns, one more at each end, rows, rows + 1)."""
    return np.zeros(((nx + BLOCK - 1) // BLOCK + 2) * rows * (rows + 1), np.float64)


# Places are never negative, which the compiler knows of unsigned numbers: else it would check each one.
@compiled
def open_block(matrix: Array, sums: Array, block: Integer) -> None:
    """Fill `matrix` with the sums of a block of columns, and shares of those beside it."""
    left, size = block * matrix.size, matrix.size
    own, right = left + size, left + 2 * size
    for i in range(size):
        beside = sums[np.uint64(left + i)] + sums[np.uint64(right + i)]
        matrix[np.uint64(i)] = sums[np.uint64(own + i)] + _SHARE * beside


@compiled
def close_block(sums: Array, block: Integer, features: Array, trusts: Array) -> None:
    """Have the sums of a block forget, and add products of the features of each column, of trust 0 if there is no value."""
    width = features.size // BLOCK
    start = (block + 1) * width * (width - 1)
    for i in range(width - 1):
        one, two = trusts[0] * features[np.uint64(i)], trusts[1] * features[np.uint64(width + i)]
        three, four = trusts[2] * features[np.uint64(2 * width + i)], trusts[3] * features[np.uint64(3 * width + i)]
        row = start + i * width
        for j in range(i, width):
            total = _DECAY * sums[np.uint64(row + j)] + one * features[np.uint64(j)]
            total = total + two * features[np.uint64(width + j)]
            total = total + three * features[np.uint64(2 * width + j)]
            sums[np.uint64(row + j)] = total + four * features[np.uint64(3 * width + j)]


@compiled
def solve(matrix: Array, weights: Array, count: Integer) -> None:
    """Solve normal equations for `count` weights, and 0 for others; all are 0 where that fails.

    By Gaussian elimination without a choice of pivots. Comparisons are false for what is no number, so that weights are
    numbers of limited size whatever a stream holds.

    Parameters
    ----------
    matrix
        The upper half, with the right side as a further column, flat.
    """
    rows, width = weights.size, weights.size + 1
    ridge = hold(matrix, rows, count)
    sound = eliminate(matrix, rows, ridge)
    for k in range(rows - 1, -1, -1):
        weight = matrix[np.uint64(k * width + rows)] / matrix[np.uint64(k * width + k)] if sound else 0.0
        sound = sound and abs(weight) <= _LARGEST_WEIGHT
        weights[k] = weight
        for i in range(k):
            matrix[np.uint64(i * width + rows)] -= matrix[np.uint64(i * width + k)] * weight
    if not sound:
        weights[:] = 0.0


@compiled
def hold(matrix: Array, rows: Integer, count: Integer) -> float:
    """Add to the diagonal what holds `count` weights near 0; return that."""
    trace = 0.0
    for i in range(rows):
        trace += matrix[i * (rows + 2)]
    ridge = _RIDGE * trace / count + _LEAST_RIDGE
    for i in range(rows):
        matrix[i * (rows + 2)] += ridge
    return ridge


@compiled
def eliminate(matrix: Array, rows: Integer, ridge: float) -> bool:
    """Make a matrix upper triangular; return whether all pivots were large enough."""
    width, inverses, sound = rows + 1, np.zeros(_RANK, np.float64), True
    for start in range(0, rows, _RANK):
        for k in range(start, start + _RANK):
            pivot = matrix[np.uint64(k * width + k)]
            sound = sound and pivot > 0.5 * ridge
            inverses[k - start] = 1.0 / pivot if sound else 0.0
            for i in range(k + 1, start + _RANK):
                ratio = matrix[np.uint64(k * width + i)] * inverses[k - start]
                for j in range(i, width):
                    matrix[np.uint64(i * width + j)] -= ratio * matrix[np.uint64(k * width + j)]
        subtract(matrix, width, start, inverses)
    return sound


@compiled
def subtract(matrix: Array, width: Integer, start: Integer, inverses: Array) -> None:
    """Subtract multiples of the _RANK rows from `start` on from each row below them."""
    one, two, three, four = inverses[0], inverses[1], inverses[2], inverses[3]
    first, second, third, fourth = start * width, (start + 1) * width, (start + 2) * width, (start + 3) * width
    for i in range(start + _RANK, width - 1):
        by_one, by_two = matrix[np.uint64(first + i)] * one, matrix[np.uint64(second + i)] * two
        by_three, by_four = matrix[np.uint64(third + i)] * three, matrix[np.uint64(fourth + i)] * four
        row = i * width
        for j in range(i, width):
            left = matrix[np.uint64(row + j)] - by_one * matrix[np.uint64(first + j)]
            left = left - by_two * matrix[np.uint64(second + j)]
            left = left - by_three * matrix[np.uint64(third + j)]
            matrix[np.uint64(row + j)] = left - by_four * matrix[np.uint64(fourth + j)]


@inlined
def correct(
    features: Array, start: Integer, planes: Array, steps: Array, weights: Array, place: Integer, base: Integer
) -> Integer:
    """Store the differences of neighbours to `base`, from `start` on; return their weighted sum, rounded down."""
    total = 0.0
    for i in range(steps.size):
        feature = float(planes[np.uint64(place + steps[i])] - base)
        features[np.uint64(start + i)] = feature
        total += weights[np.uint64(i)] * feature
    return np.int64(np.floor(total))


@inlined
def trust_of(expected: Integer) -> float:
    """Return what a value counts, by 16 x the error that is expected, which is at most 2^44."""
    size = float(expected + _STEADINESS)
    return 1.0 / (size * size)
