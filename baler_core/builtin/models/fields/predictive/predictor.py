"""Predict one value: by the fitted stencil, by two adaptive corrections of it, and by their blend.

All in 64-bit integers. Values count in 1/1024 of a quantisation step. The corrections are normalised least mean squares
(Widrow and Hoff); the blend weighs each prediction by its errors nearby (Seemann and Tischer, "Generalized locally
adaptive DPCM", 1997).
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from baler_core.builtin.models.fields.predictive.stencil import FEATURES
from baler_core.machine.compiled import Array, Integer, inlined, place_of

Predictions: TypeAlias = tuple[Integer, Integer, Integer]
FRACTION = 10
PREDICTIONS = 3
# Learning rates of the two corrections, as powers of 1/2.
RATES = (5, 8)
_ADAPTIVE_BITS = 20
# What adapts takes values in 1/64, up to 2^20 steps, so that squares stay within 64 bits.
_COARSE = FRACTION - 6
_FEATURE_LIMIT = 1 << 26


@inlined
def coarse(value: Integer) -> Integer:
    """Return a value in the units of the adaptive part."""
    return min(max(value >> _COARSE, -_FEATURE_LIMIT), _FEATURE_LIMIT)


@inlined
def activity(planes: Array, place: Integer, width: Integer, back: Integer, temporal: Integer) -> Integer:
    """How much the neighbours differ, from each other and from those `back` if `temporal`: in 1/1024 of a step."""
    west, north, corner, east = (
        planes[place_of(place - 1)],
        planes[place_of(place - width)],
        planes[place_of(place - width - 1)],
        planes[place_of(place - width + 1)],
    )
    past = place + back
    moved = 2 * (abs(west - planes[place_of(past - 1)]) + abs(north - planes[place_of(past - width)]))
    moved += abs(corner - planes[place_of(past - width - 1)]) + abs(east - planes[place_of(past - width + 1)])
    return abs(west - corner) + abs(north - corner) + abs(north - east) + temporal * moved


@inlined
def class_of(stencils: Array, columns: Integer, classes: Integer, found: Integer) -> Integer:
    """The class of stencils for an activity; `stencils` are flat, and the last of the `columns` holds the edges."""
    number, reached = np.int64(0), np.int64(1)
    for row in range(classes - 1):
        reached &= np.int64(found >= stencils[(row + 1) * columns - 1])
        number += reached
    return number


@inlined
def gather(inputs: Array, planes: Array, steps: Array, place: Integer, base: Integer) -> None:
    """Store the differences of the neighbours, `steps` from the `place`, to `base`."""
    for i in range(steps.size):
        # places are never negative, which the compiler knows of unsigned numbers: else it would check each one
        inputs[place_of(i)] = planes[place_of(place + steps[place_of(i)])] - base


@inlined
def predict(
    inputs: Array, near: Array, stencils: Array, row: Integer, adaptive: Array, base: Integer,
    limits: tuple[Integer, Integer, Integer],
) -> Predictions:  # fmt: skip
    """Predict all predictions of a value, kept between the smallest and largest value.

    Parameters
    ----------
    limits
        These, and how many bits of weights are below 1.
    inputs
        Differences of the neighbours to `base`.
    near
        int32: filled in with the same in the units of the adaptive part.
    stencils, row
        Weights, flat, and where those of the class begin.
    adaptive
        int32 (PREDICTIONS - 1, FEATURES), flat: weights of the corrections.
    """
    fill_near(near, inputs)
    plain = min(max(base + (dot(stencils, row, inputs) >> limits[2]), limits[0]), limits[1])
    one = dot(adaptive, 0, near) >> (_ADAPTIVE_BITS - _COARSE)
    two = dot(adaptive, FEATURES, near) >> (_ADAPTIVE_BITS - _COARSE)
    return plain, min(max(plain + one, limits[0]), limits[1]), min(max(plain + two, limits[0]), limits[1])


# Of arrays that two loops of an inlined function look at, references would be counted for every value: one loop each.
@inlined
def fill_near(near: Array, inputs: Array) -> None:
    """Store inputs in the units of the adaptive part."""
    for i in range(inputs.size):
        near[place_of(i)] = coarse(inputs[place_of(i)])


@inlined
def dot(weights: Array, row: Integer, inputs: Array) -> Integer:
    """Return the weighted sum of the inputs; the weights are flat, and `row` is where they begin."""
    total = np.int64(0)
    for i in range(inputs.size):
        total += np.int64(weights[np.uint64(row + i)]) * np.int64(inputs[place_of(i)])
    return total


@inlined
def blend(predictions: Predictions, errors: Array, row: Integer, x: Integer) -> Integer:
    """The mean of the predictions, each weighed by the inverse square of its errors nearby; one weighs 2^16, so none is 0/0.

    `errors` is int64 (predictions, 2, x + margins): this row and the one before.
    """
    near = (nearby(errors, 0, row, x), nearby(errors, 1, row, x), nearby(errors, 2, row, x))
    least = min(near[0], near[1], near[2])
    total = np.int64(0)
    weight = np.int64(0)
    for k in range(PREDICTIONS):
        share = share_of(near[k], least)
        total += share * (predictions[k] - predictions[0])
        weight += share
    return predictions[0] + total // weight


@inlined
def share_of(near: Integer, least: Integer) -> Integer:
    """Return the weight of a prediction by its errors nearby, of which those of the best one are the least."""
    share = ((least + 128) << 8) // (near + 128)
    return share * share


@inlined
def nearby(errors: Array, k: Integer, row: Integer, x: Integer) -> Integer:
    """Return weighted errors of a prediction at the left and upper neighbours."""
    above = 1 - row
    one, two, here, three = place_of(x - 1), place_of(x - 2), place_of(x), place_of(x + 1)
    total = 2 * errors[k, row, one] + errors[k, row, two]
    return total + 2 * errors[k, above, here] + errors[k, above, one] + errors[k, above, three]


@inlined
def adapt(adaptive: Array, near: Array, predictions: Predictions, actual: Integer) -> None:
    """Move the corrections along the gradient of their squared error.

    Inputs are at most _FEATURE_LIMIT, so that the norm is below 2^60 and above 0, and a ratio times an input below 2^60.
    """
    norm = 256 + dot(near, 0, near)
    for k in range(PREDICTIONS - 1):
        ratio = (coarse(actual - predictions[k + 1]) << 28) // norm
        move(adaptive, k * FEATURES, near, ratio, 28 - _ADAPTIVE_BITS + RATES[k])


@inlined
def move(adaptive: Array, row: Integer, near: Array, ratio: Integer, shift: Integer) -> None:
    """Move the weights of one correction, which begin at `row`."""
    for i in range(near.size):
        at = np.uint64(row + i)
        moved = adaptive[at] + ((ratio * near[place_of(i)] + (1 << (shift - 1))) >> shift)
        adaptive[at] = min(max(moved, -(1 << 24)), 1 << 24)
