"""Code the values of one slice with mixed contexts: the distance of each to its prediction, in contexts of earlier errors."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

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
    BESIDE,
    OWN,
    Series,
    close_row,
    open_row,
    open_slice,
)
from baler_core.builtin.models.fields.predictive.stencil import MARGIN, STARTS
from baler_core.entropy.arithmetic import Coder
from baler_core.entropy.magnitudes import (
    BINS,
    NODES,
    Places,
    bit_length,
    code_magnitude,
    code_simply,
    first_counters,
    logarithmic,
    new_weights,
)
from baler_core.entropy.mixing import new_counters
from baler_core.machine.compiled import Array, Integer, compiled, inlined, place_of, with_item

_SHAPES = (4 * BINS, 32 * 32, 32 * 32, 32 * 32, 32 * 32, 32 * 32, 64 * 32)
OFFSETS = np.concatenate([[0], np.cumsum(_SHAPES)]).astype(np.int64) * NODES
_SIGNS = 17 * 8 * 9
_HALF = 1 << (FRACTION - 1)
_LARGEST_ERROR = 1 << 40


class SeriesStatistics(NamedTuple):
    """Adaptive statistics of the slices of one variable.

    Attributes
    ----------
    counters, signs
        uint32 adaptive probabilities of magnitudes and signs.
    weights
        int32 weights of the mixers.
    """

    counters: Array
    signs: Array
    weights: Array


def new_statistics() -> SeriesStatistics:
    """Make counters and weights that have seen nothing."""
    return SeriesStatistics(_first_counters().copy(), new_counters(_SIGNS), new_weights())


@functools.cache
def _first_counters() -> Array:
    counters = first_counters(int(OFFSETS[-1]))
    counters.setflags(write=False)
    return counters


@compiled
def find_steps(series: Series, sources: Array, stencils: Array) -> tuple[Array, Array]:
    """Find how far the neighbours that count are from a value in all planes, flat, and their weights with the edges, flat.

    Neighbours count that lie in known sources and have a weight in any class.
    """
    size, columns = series.planes.shape[1], stencils.shape[1]
    steps, used = np.zeros(columns - 1, np.int64), np.zeros(columns, np.int64)
    count = 0
    for s in range(4):
        for i in range(STARTS[s], STARTS[s + 1]):
            if sources[s] >= 0 and np.any(stencils[:, i] != 0):
                steps[count] = (sources[s] - sources[OWN]) * size + series.offsets[i]
                used[count] = i
                count += 1
    used[count] = columns - 1
    weights = np.empty(stencils.shape[0] * (count + 1), np.int64)
    for number in range(stencils.shape[0]):
        for i in range(count + 1):
            weights[number * (count + 1) + i] = stencils[number, used[i]]
    return steps[:count].copy(), weights


class SliceGeometry(NamedTuple):
    """Distances in the planes and errors about a slice, both flat.

    Attributes
    ----------
    width, pitch
        From row to row, of planes and of errors.
    back
        From a value to the one in the slice before; if there is none, to the left neighbour.
    ahead, aside
        From an error to that in the slice before and of the variable beside; 0 if there is none.
    """

    width: Integer
    pitch: Integer
    back: Integer
    ahead: Integer
    aside: Integer


@compiled
def slice_geometry(series: Series, sources: Array) -> SliceGeometry:
    """Describe a slice; see `series.find_sources`."""
    pitch, size, own = series.errors.shape[2], series.planes.shape[1], sources[OWN]
    area = series.errors.shape[1] * pitch
    before = sources[BEFORE] - own if sources[BEFORE] >= 0 else 0
    beside = sources[BESIDE] - own if sources[BESIDE] >= 0 else 0
    return SliceGeometry(pitch - 4 + 2 * MARGIN, pitch, before * size if before else -1, before * area, beside * area)


@inlined
def own_errors(errors: Array, here: Integer, width: Integer) -> Integer:
    """Return 16 x the weighted mean error of the neighbours already coded; margin 2 above and left, 1 right."""
    total = (
        4 * errors[place_of(here - 1)]
        + errors[place_of(here - 2)]
        + 4 * errors[place_of(here - width)]
        + errors[place_of(here - 2 * width)]
    )
    return (total + 2 * (errors[place_of(here - width - 1)] + errors[place_of(here - width + 1)])) // 14


@inlined
def other_errors(errors: Array, here: Integer, width: Integer) -> Integer:
    """Return 16 x the weighted mean error about a place of a slice already coded."""
    edge = (
        errors[place_of(here - 1)]
        + errors[place_of(here + 1)]
        + errors[place_of(here - width)]
        + errors[place_of(here + width)]
    )
    return (4 * errors[place_of(here)] + edge) // 8


@inlined
def expect_error(errors: Array, here: Integer, geometry: SliceGeometry) -> tuple[Integer, Integer, Integer, Integer]:
    """Return 16 x the mean errors nearby, in the slice before and in that beside, and the error that is expected.

    Errors are from 0 to _LARGEST_ERROR, so that sums stay in 64 bits and are never negative.
    """
    pitch = geometry.pitch
    local = own_errors(errors, here, pitch)
    ahead = other_errors(errors, here + geometry.ahead, pitch) * (geometry.ahead != 0)
    aside = other_errors(errors, here + geometry.aside, pitch) * (geometry.aside != 0)
    total = 3 * local + 2 * ahead + 2 * aside
    # divisors that the compiler knows take a multiplication
    if geometry.ahead and geometry.aside:
        return local, ahead, aside, total // 7
    return local, ahead, aside, total // 5 if geometry.ahead or geometry.aside else total // 3


@inlined
def texture(planes: Array, place: Integer, width: Integer) -> Integer:
    """Return how much the neighbours above and to the left differ, in 1/1024 of a step."""
    west, north, corner = (
        planes[place_of(place - 1)],
        planes[place_of(place - width)],
        planes[place_of(place - width - 1)],
    )
    return abs(west - corner) + abs(north - corner) + abs(north - planes[place_of(place - width + 1)])


@inlined
def find_places(
    errors: Array, here: Integer, geometry: SliceGeometry, predictions: Predictions,
    features: tuple[Integer, Integer, Integer], contexts: Places,
) -> tuple[Integer, Places]:  # fmt: skip
    """Find the bin of the expected error, and where contexts keep their counters: each number is below its entry in _SHAPES.

    Predictions and values are below 2^42 (see `code_slice`). The contexts are of errors, of predictions, of texture, and of
    the height above the lowest value.

    Parameters
    ----------
    here
        Where the error of the value is in the errors, flat.
    features
        `texture`; what the prediction is beyond whole steps, from -32 to 31; its height above the lowest value.
    """
    near, fraction, level = features
    local, ahead, aside, mean = expect_error(errors, here, geometry)
    expected = logarithmic(mean)
    half = expected >> 1
    apart = (abs(predictions[1] - predictions[0]) + abs(predictions[2] - predictions[0])) >> (FRACTION - 4)
    found = (
        min(3, abs(fraction) >> 3) * BINS + expected,
        (logarithmic(local) >> 1) * 32 + (logarithmic(ahead) >> 1),
        (logarithmic(errors[place_of(here - 1)]) >> 1) * 32
        + (logarithmic(errors[place_of(here - geometry.pitch)]) >> 1),
        (logarithmic(apart) >> 1) * 32 + half,
        (logarithmic((local + ahead) >> 1) >> 1) * 32 + (logarithmic(aside) >> 1),
        (logarithmic(near >> (FRACTION - 3)) >> 1) * 32 + half,
        min(2 * bit_length(max(0, level) >> FRACTION), 63) * 32 + half,
    )
    places = contexts
    for i in range(len(contexts)):
        places = with_item(places, i, OFFSETS[i] + found[i] * NODES)
    return expected, places


@inlined
def sign_place(fraction: Integer, chosen: Integer, left: Integer, above: Integer) -> Integer:
    """Find the counter of a sign by the fraction, the bin of the expected error and the residuals to the left and above."""
    return (((fraction + 32) >> 2) * 8 + min(7, chosen >> 2)) * 9 + 3 * sign(left) + sign(above)


@compiled
def code_slice(
    coder: Coder, statistics: SeriesStatistics, series: Series, sources: Array, variable: Integer, contexts: Places
) -> None:
    """Predict each value of a slice, code how far off that is, and learn from it; in holes the prediction stands.

    One loop over arrays that are out of their tuples: else references would be counted for every value.

    Whatever stencils and magnitudes a stream holds, predictions are clamped to its limits, which are below 2^40 (see
    `field.LARGEST`), and a restored value lies less than 2^31 steps of 2^10 from one. Stencils may have sums wrap around
    before they are clamped. Planes have margins of MARGIN, errors of 2, which all neighbours stay within; the sources of
    a slice are slices before it, or -1.
    """
    (registers, data), (counters, signs, weights) = coder, statistics
    planes, errors, holes = series.planes.reshape(-1), series.errors.reshape(-1), series.holes.reshape(-1)
    own, temporal, masked = sources[OWN], 1 if sources[BEFORE] >= 0 else 0, series.holes.shape[0] > 0
    stencils, adaptive = series.stencils[variable, temporal], series.adaptive[variable, temporal].reshape(-1)
    classes, (steps, linear) = stencils.shape[0], find_steps(series, sources, stencils)
    columns, inputs, near = steps.size + 1, np.zeros(steps.size, np.int64), np.zeros(steps.size, np.int32)
    geometry, limits, closed = (
        slice_geometry(series, sources),
        (series.limits[0], series.limits[1], series.weight_bits),
        series.closed,
    )
    width, pitch = geometry.width, geometry.pitch
    ny, nx = series.errors.shape[1] - 4, series.errors.shape[2] - 4
    recent, residuals = np.zeros((PREDICTIONS, 2, nx + 4), np.int64), np.zeros((2, nx + 4), np.int64)
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
            fraction = (mean - guess) >> (FRACTION - 6)
            features = texture(planes, place, width), fraction, guess - limits[0]
            chosen, places = find_places(errors, here, geometry, predictions, features, contexts)
            left = (wanted - guess + _HALF) >> FRACTION
            size = code_magnitude(registers, data, counters, weights, places, chosen, abs(left), 0)
            if size:
                sign_at = sign_place(
                    fraction, chosen, residuals[side, place_of(x + 1)], residuals[1 - side, place_of(x + 2)]
                )
                size = -size if code_simply(registers, data, signs, sign_at, 1 if left < 0 else 0) else size
            actual = guess + (np.int64(size) << FRACTION)
            planes[place_of(place)] = actual
            residuals[side, place_of(x + 2)] = size
            errors[place_of(here)] = min(abs(actual - mean) >> (FRACTION - 4), _LARGEST_ERROR)
            for k in range(PREDICTIONS):
                recent[k, side, place_of(x + 2)] = abs(actual - predictions[k])
            adapt(adaptive, near, predictions, actual)
        close_row(values, start, nx)


@inlined
def sign(number: Integer) -> Integer:
    """Return 0 for zero, 1 for positive, 2 for negative."""
    return np.int64(number > 0) + 2 * np.int64(number < 0)
