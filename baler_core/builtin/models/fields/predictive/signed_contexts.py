"""Code the values of one slice with signed contexts: on which side of the prediction the neighbours lie, and how far."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from baler_core.builtin.models.fields.predictive.contexts import (
    SeriesStatistics,
    SliceGeometry,
    expect_error,
    find_steps,
    slice_geometry,
    texture,
)
from baler_core.builtin.models.fields.predictive.predictor import (
    FRACTION,
    PREDICTIONS,
    Predictions,
    activity,
    adapt,
    blend,
    class_of,
    gather,
    predict,
)
from baler_core.builtin.models.fields.predictive.series import (
    BEFORE,
    OWN,
    Series,
    close_row,
    open_row,
    open_slice,
)
from baler_core.builtin.models.fields.predictive.stencil import MARGIN
from baler_core.entropy.arithmetic import Coder
from baler_core.entropy.magnitudes import BINS, bit_length, logarithmic
from baler_core.entropy.mixing import new_counters
from baler_core.entropy.signed import (
    MIDDLES,
    NODES,
    SLOTS,
    code_signed,
    first_signed_counters,
    new_signed_weights,
)
from baler_core.machine.compiled import Array, Integer, compiled, inlined, place_of

_LINES = 8
# Rows of counters of each context; those of few contexts come first.
_SHAPES = (_LINES * BINS, 1024, 1024, 1024, 49 * 32, 729, 16 * 49, 1024, 1024, 1024, 2048, 343, 686, 343, 1024)
OFFSETS = np.concatenate([[0], np.cumsum(_SHAPES)]).astype(np.int64) * NODES
_HALF = 1 << (FRACTION - 1)
_COARSE = FRACTION - 4
_LARGEST_ERROR = 1 << 40


def new_signed_statistics() -> SeriesStatistics:
    """Make counters and weights that have seen nothing; the place of signs is taken by the middles of bins."""
    return SeriesStatistics(_first_counters().copy(), new_counters(MIDDLES), new_signed_weights())


@functools.cache
def _first_counters() -> Array:
    counters = first_signed_counters(int(OFFSETS[-1]), _LINES)
    counters.setflags(write=False)
    return counters


@inlined
def seven(difference: Integer, size: Integer) -> Integer:
    """Sort a difference, in units of a size, into seven classes, of which the fourth is about 0: 0 .. 6."""
    far = 8 * abs(difference)
    k = np.int64(far >= 3 * size) + np.int64(far >= 10 * size) + np.int64(far >= 22 * size)
    return 3 + k if difference > 0 else 3 - k


@inlined
def nine(difference: Integer, size: Integer) -> Integer:
    """Sort a difference, in units of a size, into nine classes, of which the fifth is about 0: 0 .. 8."""
    far = 8 * abs(difference)
    k = np.int64(far >= 2 * size) + np.int64(far >= 6 * size) + np.int64(far >= 13 * size) + np.int64(far >= 30 * size)
    return 4 + k if difference > 0 else 4 - k


@inlined
def pair(first: Integer, second: Integer) -> Integer:
    """Sort two numbers by their magnitudes: 0 .. 1023."""
    return (logarithmic(first) >> 1) * 32 + (logarithmic(second) >> 1)


class ValueFeatures(NamedTuple):
    """What is known of a value before it is coded, beside the slice around it.

    Attributes
    ----------
    place, here
        Where it is in the planes, and its error in the errors, both flat.
    guess, fraction, height
        What the distance is counted from; what the prediction is beyond it, from -32 to 31; whole steps above the lowest value.
    west, north, east
        Distances that were coded there, in steps.
    """

    place: Integer
    here: Integer
    guess: Integer
    fraction: Integer
    height: Integer
    west: Integer
    north: Integer
    east: Integer


@inlined
def find_signed_places(
    places: Array, planes: Array, errors: Array, geometry: SliceGeometry, predictions: Predictions, value: ValueFeatures
) -> tuple[Integer, Integer, Integer]:
    """Find where contexts keep their counters; return the mixers by expected error and by shape, and the expected error.

    Predictions and values are below 2^42 (see `code_signed_slice`), errors at most _LARGEST_ERROR: differences of them in
    1/16 of a step stay in 64 bits. Each number is below its entry in _SHAPES: see `seven`, `nine`, `pair`.
    """
    place, here, guess = value.place, value.here, value.guess
    width, pitch = geometry.width, geometry.pitch
    local, ahead, aside, mean = expect_error(errors, here, geometry)
    expected, size = logarithmic(mean), mean + 6
    half, line = expected >> 1, min((value.fraction + 32) >> 3, _LINES - 1)
    apart = (abs(predictions[1] - predictions[0]) + abs(predictions[2] - predictions[0])) >> _COARSE
    near = texture(planes, place, width) >> (FRACTION - 3)
    far_west, far_north = (
        planes[place_of(place - 2)] - planes[place_of(place - 1)],
        planes[place_of(place - 2 * width)] - planes[place_of(place - width)],
    )
    west, north = (planes[place_of(place - 1)] - guess) >> _COARSE, (planes[place_of(place - width)] - guess) >> _COARSE
    corner, east = (
        (planes[place_of(place - width - 1)] - guess) >> _COARSE,
        (planes[place_of(place - width + 1)] - guess) >> _COARSE,
    )
    to_west, to_north = seven(west, size), seven(north, size)
    top, low = max(max(west, north), max(corner, east)), min(min(west, north), min(corner, east))
    plain, moved = seven((predictions[0] - guess) >> _COARSE, size), seven((predictions[1] - guess) >> _COARSE, size)
    beside, above = errors[place_of(here - 1)], errors[place_of(here - pitch)]
    height = bit_length(value.height)
    found = (
        line * BINS + expected,
        pair(local, ahead),
        pair(beside, above),
        (logarithmic(near) >> 1) * 32 + half,
        (plain * 7 + moved) * 32 + half,
        nine(west, size) * 81 + nine(north, size) * 9 + nine(corner, size),
        min(height, 15) * 49 + to_west * 7 + to_north,
        pair(beside + above, errors[place_of(here - pitch + 1)] + errors[place_of(here - pitch - 1)]),
        (logarithmic(apart) >> 1) * 32 + half,
        pair((local + ahead) >> 1, aside),
        min(2 * height, 63) * 32 + half,
        to_west * 49 + to_north * 7 + seven(east, size),
        (seven(top, size) * 49 + seven(low, size) * 7 + seven(far_west >> _COARSE, size)) * 2 + np.int64(far_north > 0),
        seven(value.west << 4, size) * 49 + seven(value.north << 4, size) * 7 + seven(value.east << 4, size),
        min(value.height, 1023),
    )
    for i in range(len(found)):
        places[i] = OFFSETS[i] + found[i] * NODES
    return line * BINS + expected, to_west * 7 + to_north, mean


@compiled
def code_signed_slice(
    coder: Coder, statistics: SeriesStatistics, series: Series, sources: Array, variable: Integer, slots: Array
) -> None:
    """Predict each value of a slice, code how far off that is, and learn from it; in holes the prediction stands.

    As `contexts.code_slice`, whose notes on limits and places hold here too; a number that is read is below 2^31. Of the
    contexts, all are found, and as many mixed as `slots` are for (see `signed.new_slots`).
    """
    (registers, data), (counters, middles, weights) = coder, statistics
    planes, errors, holes = series.planes.reshape(-1), series.errors.reshape(-1), series.holes.reshape(-1)
    own, temporal, masked = sources[OWN], 1 if sources[BEFORE] >= 0 else 0, series.holes.shape[0] > 0
    stencils, adaptive = series.stencils[variable, temporal], series.adaptive[variable, temporal].reshape(-1)
    classes, (steps, linear) = stencils.shape[0], find_steps(series, sources, stencils)
    columns, inputs, near = steps.size + 1, np.zeros(steps.size, np.int64), np.zeros(steps.size, np.int32)
    geometry, closed = slice_geometry(series, sources), series.closed
    limits = series.limits[0], series.limits[1], series.weight_bits
    width, pitch = geometry.width, geometry.pitch
    ny, nx = series.errors.shape[1] - 4, series.errors.shape[2] - 4
    recent, distances = np.zeros((PREDICTIONS, 2, nx + 4), np.int64), np.zeros((2, nx + 4), np.int64)
    places = np.zeros(SLOTS, np.int64)
    values = series.planes[own]
    open_slice(values, series.planes[max(sources[BEFORE], 0)], temporal > 0, MARGIN * width + MARGIN, width)
    for y in range(ny):
        side, hole, start = y & 1, (own * ny + y) * nx, (y + MARGIN) * width + MARGIN
        open_row(values, start, width)
        for x in range(nx):
            place, here = own * values.size + start + x, (own * (ny + 4) + y + 2) * pitch + 2 + x
            wanted, base, row = planes[place_of(place)], planes[place_of(place + geometry.back)], 0
            if classes > 1:
                found = activity(planes, place, width, geometry.back, temporal)
                row = class_of(linear, columns, classes, found) * columns
            gather(inputs, planes, steps, place, base)
            predictions = predict(inputs, near, linear, row, adaptive, base, limits)
            mean = blend(predictions, recent, side, x + 2)
            guess = mean if closed else ((mean + _HALF) >> FRACTION) << FRACTION
            planes[place_of(place)] = guess
            if masked and holes[place_of(hole + x)]:
                continue
            value = ValueFeatures(
                place, here, guess, (mean - guess) >> (FRACTION - 6), max(0, guess - limits[0]) >> FRACTION,
                distances[side, place_of(x + 1)], distances[1 - side, place_of(x + 2)], distances[1 - side, place_of(x + 3)],
            )  # fmt: skip
            by_error, by_shape, expected = find_signed_places(places, planes, errors, geometry, predictions, value)
            distance = code_signed(
                registers, data, counters, weights, middles, (places, slots), (by_error, by_shape),
                (wanted - guess + _HALF) >> FRACTION, expected,
            )  # fmt: skip
            actual = guess + (distance << FRACTION)
            planes[place_of(place)] = actual
            distances[side, place_of(x + 2)] = distance
            errors[place_of(here)] = min(abs(actual - mean) >> _COARSE, _LARGEST_ERROR)
            for k in range(PREDICTIONS):
                recent[k, side, place_of(x + 2)] = abs(actual - predictions[k])
            adapt(adaptive, near, predictions, actual)
        close_row(values, start, nx)
