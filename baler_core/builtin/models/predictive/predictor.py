"""Predictions of one value: the learned stencil, two corrections of it that adapt along the way, and their blend.

All in 64-bit integers. Values count in 1/1024 of a quantisation step. The corrections are normalised least mean squares
(Widrow and Hoff); the blend weighs each prediction by its errors nearby (Seemann and Tischer, "Generalized locally
adaptive DPCM", 1997).
"""

from __future__ import annotations

import numpy as np

from baler_core.builtin.models.predictive.stencil import WEIGHT_BITS
from baler_core.compiled import Array, Integer, inlined

FRACTION = 10
PREDICTIONS = 3
# Learning rates of the two corrections, as powers of 1/2.
RATES = np.array([5, 8], np.int64)
_ADAPTIVE_BITS = 20
# What adapts takes values in 1/64, up to 2^20 steps, so that squares stay within 64 bits.
_COARSE = FRACTION - 6
_FEATURE_LIMIT = 1 << 26


@inlined
def coarse(value: Integer) -> Integer:
    """A value in the units of the adaptive part."""
    return min(max(value >> _COARSE, -_FEATURE_LIMIT), _FEATURE_LIMIT)


@inlined
def gather(
    inputs: Array, planes: Array, sources: Array, starts: Array, offsets: Array, here: Integer, base: Integer
) -> None:
    """Differences of all neighbours to `base`; sources that are absent have none."""
    for s in range(4):
        for i in range(starts[s], starts[s + 1]):
            inputs[i] = planes[sources[s], here + offsets[i]] - base


@inlined
def activity(values: Array, before: Array, temporal: Integer, here: Integer, width: Integer) -> Integer:
    """How much the neighbours differ, from each other and from the slice before: in 1/1024 of a step."""
    west, north, corner, east = (
        values[here - 1],
        values[here - width],
        values[here - width - 1],
        values[here - width + 1],
    )
    found = abs(west - corner) + abs(north - corner) + abs(north - east)
    if temporal:
        found += 2 * (abs(west - before[here - 1]) + abs(north - before[here - width]))
        found += abs(corner - before[here - width - 1]) + abs(east - before[here - width + 1])
    return found


@inlined
def class_of(stencils: Array, edge: Integer, found: Integer) -> Integer:
    """The class of stencils for an activity; `edge` is the column of the edges."""
    number = 0
    while number < stencils.shape[0] - 1 and found >= stencils[number, edge]:
        number += 1
    return number


@inlined
def predict(
    predictions: Array, inputs: Array, weights: Array, adaptive: Array, base: Integer, low: Integer, high: Integer
) -> None:
    """All predictions of a value, kept between the smallest and largest value."""
    total = np.int64(0)
    for i in range(inputs.size):
        total += weights[i] * inputs[i]
    plain = base + (total >> WEIGHT_BITS)
    predictions[0] = min(max(plain, low), high)
    for k in range(PREDICTIONS - 1):
        correction = np.int64(0)
        for i in range(inputs.size):
            correction += adaptive[k, i] * coarse(inputs[i])
        predictions[k + 1] = min(max(predictions[0] + (correction >> (_ADAPTIVE_BITS - _COARSE)), low), high)


@inlined
def blend(predictions: Array, errors: Array, z: Integer, x: Integer) -> Integer:
    """The mean of the predictions, each weighed by the inverse square of its errors nearby.

    `errors` is int64 (predictions, 2, x + margins): this row and the one before.
    """
    least = np.int64(1) << 60
    for k in range(PREDICTIONS):
        least = min(least, nearby(errors, k, z, x))
    total = np.int64(0)
    weight = np.int64(0)
    for k in range(PREDICTIONS):
        share = ((least + 128) << 8) // (nearby(errors, k, z, x) + 128)
        share *= share
        total += share * (predictions[k] - predictions[0])
        weight += share
    return predictions[0] + total // weight


@inlined
def nearby(errors: Array, k: Integer, row: Integer, x: Integer) -> Integer:
    """Weighted errors of a prediction at the left and upper neighbours."""
    above = 1 - row
    total = 2 * errors[k, row, x - 1] + errors[k, row, x - 2]
    return total + 2 * errors[k, above, x] + errors[k, above, x - 1] + errors[k, above, x + 1]


@inlined
def adapt(adaptive: Array, inputs: Array, predictions: Array, actual: Integer) -> None:
    """Move the corrections along the gradient of their squared error."""
    norm = np.int64(256)
    for i in range(inputs.size):
        inputs[i] = coarse(inputs[i])
        norm += inputs[i] * inputs[i]
    for k in range(PREDICTIONS - 1):
        error = coarse(actual - predictions[k + 1])
        ratio = (error << 28) // norm
        shift = 28 - _ADAPTIVE_BITS + RATES[k]
        for i in range(inputs.size):
            moved = adaptive[k, i] + ((ratio * inputs[i] + (1 << (shift - 1))) >> shift)
            adaptive[k, i] = min(max(moved, -(1 << 24)), 1 << 24)
