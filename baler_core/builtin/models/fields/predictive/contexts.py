"""Codes the values of one slice: each one's distance to its prediction, in contexts of errors already known."""

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
from baler_core.builtin.models.fields.predictive.series import BEFORE, BESIDE, OWN, Series, close_row, open_row
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
from baler_core.machine.compiled import Array, Integer, compiled, inlined, with_item

_SHAPES = (4 * BINS, 32 * 32, 32 * 32, 32 * 32, 32 * 32, 32 * 32, 64 * 32)
OFFSETS = np.concatenate([[0], np.cumsum(_SHAPES)]).astype(np.int64) * NODES
_SIGNS = 17 * 8 * 9
_HALF = 1 << (FRACTION - 1)
_LARGEST_ERROR = 1 << 40


class Memory(NamedTuple):
    """What adapts while the slices of one variable are coded.

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


def new_memory() -> Memory:
    """Counters and weights before anything is coded."""
    return Memory(_first_counters().copy(), new_counters(_SIGNS), new_weights())


@functools.cache
def _first_counters() -> Array:
    counters = first_counters(int(OFFSETS[-1]))
    counters.setflags(write=False)
    return counters


@compiled
def find_steps(series: Series, sources: Array, stencils: Array) -> tuple[Array, Array]:
    """How far the neighbours that count are from a value in all planes, flat, and their weights with the edges, flat.

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


class Frame(NamedTuple):
    """How planes and errors, both flat, lie about a slice.

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
def new_frame(series: Series, sources: Array) -> Frame:
    """The frame of a slice; see `series.find_sources`."""
    pitch, size, own = series.errors.shape[2], series.planes.shape[1], sources[OWN]
    area = series.errors.shape[1] * pitch
    before = sources[BEFORE] - own if sources[BEFORE] >= 0 else 0
    beside = sources[BESIDE] - own if sources[BESIDE] >= 0 else 0
    return Frame(pitch - 4 + 2 * MARGIN, pitch, before * size if before else -1, before * area, beside * area)


@inlined
def own_errors(errors: Array, here: Integer, width: Integer) -> Integer:
    """16 x the weighted mean error of the neighbours already coded; margin 2 above and left, 1 right."""
    total = 4 * errors[here - 1] + errors[here - 2] + 4 * errors[here - width] + errors[here - 2 * width]
    return (total + 2 * (errors[here - width - 1] + errors[here - width + 1])) // 14


@inlined
def other_errors(errors: Array, here: Integer, width: Integer) -> Integer:
    """16 x the weighted mean error about a place of a slice already coded."""
    edge = errors[here - 1] + errors[here + 1] + errors[here - width] + errors[here + width]
    return (4 * errors[here] + edge) // 8


@inlined
def find_places(
    planes: Array, errors: Array, predictions: Predictions, place: Integer, here: Integer, frame: Frame,
    fraction: Integer, level: Integer, contexts: Places,
) -> tuple[Integer, Places]:  # fmt: skip
    """The bin of the expected error, and where contexts keep their counters: each number is below its entry in _SHAPES.

    Errors are from 0 to _LARGEST_ERROR, and predictions and values below 2^42 (see `code_slice`), so that sums stay in 64
    bits and are never negative; the fraction is from -32 to 31. The contexts are of errors, of predictions, of texture, and of the height above the lowest value.

    Parameters
    ----------
    place, here
        Where the value is in the planes, and its error in the errors, both flat.
    fraction, level
        Of the prediction: what is beyond whole steps, and the height.
    contexts
        As many numbers as contexts are mixed.
    """
    width, pitch = frame.width, frame.pitch
    local = own_errors(errors, here, pitch)
    ahead = other_errors(errors, here + frame.ahead, pitch) * (frame.ahead != 0)
    aside = other_errors(errors, here + frame.aside, pitch) * (frame.aside != 0)
    total = 3 * local + 2 * ahead + 2 * aside
    # divisors that the compiler knows take a multiplication
    mean = total // 7 if frame.ahead and frame.aside else total // 5 if frame.ahead or frame.aside else total // 3
    expected = logarithmic(mean)
    half = expected >> 1
    apart = (abs(predictions[1] - predictions[0]) + abs(predictions[2] - predictions[0])) >> (FRACTION - 4)
    west, north, corner = planes[place - 1], planes[place - width], planes[place - width - 1]
    texture = abs(west - corner) + abs(north - corner) + abs(north - planes[place - width + 1])
    found = (
        min(3, abs(fraction) >> 3) * BINS + expected,
        (logarithmic(local) >> 1) * 32 + (logarithmic(ahead) >> 1),
        (logarithmic(errors[here - 1]) >> 1) * 32 + (logarithmic(errors[here - pitch]) >> 1),
        (logarithmic(apart) >> 1) * 32 + half,
        (logarithmic((local + ahead) >> 1) >> 1) * 32 + (logarithmic(aside) >> 1),
        (logarithmic(texture >> (FRACTION - 3)) >> 1) * 32 + half,
        min(2 * bit_length(max(0, level) >> FRACTION), 63) * 32 + half,
    )
    places = contexts
    for i in range(len(contexts)):
        places = with_item(places, i, OFFSETS[i] + found[i] * NODES)
    return expected, places


@compiled
def code_slice(
    coder: Coder, memory: Memory, series: Series, sources: Array, variable: Integer, contexts: Places
) -> None:
    """Predict each value of a slice, code how far off that is, and learn from it; in holes the prediction stands.

    One loop over arrays that are out of their tuples: else references would be counted for every value.

    Whatever stencils and magnitudes a stream holds, predictions are clamped to its limits, which are below 2^34 (see
    `field.LARGEST`), and a restored value lies less than 2^31 steps of 2^10 from one. Stencils may have sums wrap around
    before they are clamped. Planes have margins of MARGIN, errors of 2, which all neighbours stay within; the sources of
    a slice are slices before it, or -1.

    Parameters
    ----------
    contexts
        As many numbers as contexts are mixed.
    """
    registers, data = coder
    counters, signs, weights = memory
    planes, errors, holes = series.planes.reshape(-1), series.errors.reshape(-1), series.holes.reshape(-1)
    own, temporal, masked = sources[OWN], 1 if sources[BEFORE] >= 0 else 0, series.holes.shape[0] > 0
    stencils, adaptive = series.stencils[variable, temporal], series.adaptive[variable, temporal].reshape(-1)
    classes, (steps, linear) = stencils.shape[0], find_steps(series, sources, stencils)
    columns, inputs, near = steps.size + 1, np.zeros(steps.size, np.int64), np.zeros(steps.size, np.int32)
    frame, limits, closed = new_frame(series, sources), (series.limits[0], series.limits[1]), series.closed
    ny, nx = series.errors.shape[1] - 4, series.errors.shape[2] - 4
    recent, residuals = np.zeros((PREDICTIONS, 2, nx + 4), np.int64), np.zeros((2, nx + 4), np.int64)
    values, before = series.planes[own], series.planes[max(sources[BEFORE], 0)]
    for y in range(ny):
        side, hole = y & 1, (own * ny + y) * nx
        start, first = (y + MARGIN) * frame.width + MARGIN, own * values.size
        there = own * (ny + 4) * frame.pitch + (y + 2) * frame.pitch + 2
        open_row(values, before, sources, start, frame.width, nx, y)
        for x in range(nx):
            place, here = first + start + x, there + x
            wanted, base, row = planes[place], planes[place + frame.back], 0
            if classes > 1:
                found = activity(planes, place, frame.width, frame.back, temporal)
                row = class_of(linear, columns, classes, found) * columns
            gather(inputs, planes, steps, place, base)
            predictions = predict(inputs, near, linear, row, adaptive, base, limits)
            mean = blend(predictions, recent, side, x + 2)
            guess = mean if closed else ((mean + _HALF) >> FRACTION) << FRACTION
            planes[place] = guess
            if masked and holes[hole + x]:
                continue
            fraction = (mean - guess) >> (FRACTION - 6)
            chosen, places = find_places(
                planes, errors, predictions, place, here, frame, fraction, guess - limits[0], contexts
            )
            left = (wanted - guess + _HALF) >> FRACTION
            size = code_magnitude(registers, data, counters, weights, places, chosen, abs(left), 0)
            if size:
                sign_place = (((fraction + 32) >> 2) * 8 + min(7, chosen >> 2)) * 9
                sign_place += 3 * sign(residuals[side, x + 1]) + sign(residuals[1 - side, x + 2])
                size = -size if code_simply(registers, data, signs, sign_place, 1 if left < 0 else 0) else size
            actual = guess + (np.int64(size) << FRACTION)
            planes[place] = actual
            residuals[side, x + 2] = size
            errors[here] = min(abs(actual - mean) >> (FRACTION - 4), _LARGEST_ERROR)
            for k in range(PREDICTIONS):
                recent[k, side, x + 2] = abs(actual - predictions[k])
            adapt(adaptive, near, predictions, actual)
        close_row(values, start, nx)


@inlined
def sign(number: Integer) -> Integer:
    """0 for zero, 1 for positive, 2 for negative."""
    return np.int64(number > 0) + 2 * np.int64(number < 0)
