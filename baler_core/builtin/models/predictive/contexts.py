"""Codes the values of one slice: each one's distance to its prediction, in contexts of errors already known."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from baler_core.arithmetic import Coder
from baler_core.builtin.models.magnitudes import (
    BINS,
    CONTEXTS,
    INPUTS,
    NODES,
    bit_length,
    code_magnitude,
    code_simply,
    first_counters,
    logarithmic,
    new_weights,
)
from baler_core.builtin.models.predictive.predictor import (
    FRACTION,
    PREDICTIONS,
    activity,
    adapt,
    blend,
    class_of,
    gather,
    predict,
)
from baler_core.builtin.models.predictive.series import BEFORE, BESIDE, OWN, Series, close_row, open_row
from baler_core.builtin.models.predictive.stencil import MARGIN, STARTS
from baler_core.compiled import Array, Integer, compiled, inlined
from baler_core.mixing import new_counters

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


class Slice(NamedTuple):
    """One slice on its way, and what changes from value to value.

    Attributes
    ----------
    values, before
        int64: this slice and the one before it, flattened; see `series.Series`.
    errors, errors_before, errors_beside
        int64 (y + 4, x + 4): of this slice, the one before it, and the variable beside.
    stencil, adaptive
        Weights of the linear prediction, by class, with the edges of the classes, and of its corrections.
    starts, offsets
        Features of each source that have a weight, and how far their neighbours are.
    inputs, predictions
        Neighbours of the value, and what they predict.
    places, mixed
        Where its contexts keep their counters, and what they say.
    recent
        int64 (PREDICTIONS, 2, x + 4): errors of each prediction in this row and the one above.
    residuals
        int64 (2, x + 4): what was coded there.
    """

    values: Array
    before: Array
    errors: Array
    errors_before: Array
    errors_beside: Array
    stencil: Array
    adaptive: Array
    starts: Array
    offsets: Array
    inputs: Array
    predictions: Array
    places: Array
    mixed: Array
    recent: Array
    residuals: Array


@inlined
def new_slice(series: Series, sources: Array, variable: Integer) -> Slice:
    """A slice before anything of it is coded; see `series.find_sources`."""
    temporal, nx = 1 if sources[BEFORE] >= 0 else 0, series.errors.shape[2] - 4
    stencils = series.stencils[variable, temporal]
    used, starts = used_places(stencils, sources)
    return Slice(
        series.planes[sources[OWN]],
        series.planes[sources[BEFORE]],
        series.errors[sources[OWN]],
        series.errors[sources[BEFORE]],
        series.errors[sources[BESIDE]],
        chosen_columns(stencils, used),
        series.adaptive[variable, temporal],
        starts,
        series.offsets[used],
        np.zeros(used.size, np.int64),
        np.zeros(PREDICTIONS, np.int64),
        np.zeros(CONTEXTS, np.int64),
        np.zeros(INPUTS, np.int32),
        np.zeros((PREDICTIONS, 2, nx + 4), np.int64),
        np.zeros((2, nx + 4), np.int64),
    )


@compiled
def used_places(stencils: Array, sources: Array) -> tuple[Array, Array]:
    """Features of known sources with a weight in any class, and where those of each source start among them."""
    used, starts, count = np.zeros(stencils.shape[1] - 1, np.int64), np.zeros(5, np.int64), 0
    for s in range(4):
        for i in range(STARTS[s], STARTS[s + 1]):
            if sources[s] >= 0 and np.any(stencils[:, i] != 0):
                used[count] = i
                count += 1
        starts[s + 1] = count
    return used[:count].copy(), starts


@compiled
def chosen_columns(stencils: Array, used: Array) -> Array:
    """The weights of features that are used, then the edges: (classes, used + 1)."""
    out = np.empty((stencils.shape[0], used.size + 1), np.int64)
    for number in range(stencils.shape[0]):
        for i in range(used.size):
            out[number, i] = stencils[number, used[i]]
        out[number, used.size] = stencils[number, stencils.shape[1] - 1]
    return out


@inlined
def own_errors(errors: Array, y: Integer, x: Integer) -> Integer:
    """16 x the weighted mean error of the neighbours already coded; margin 2 above and left, 1 right."""
    total = 4 * errors[y, x - 1] + errors[y, x - 2] + 4 * errors[y - 1, x] + errors[y - 2, x]
    return (total + 2 * (errors[y - 1, x - 1] + errors[y - 1, x + 1])) // 14


@inlined
def other_errors(errors: Array, y: Integer, x: Integer) -> Integer:
    """16 x the weighted mean error about a place of a slice already coded."""
    edge = errors[y, x - 1] + errors[y, x + 1] + errors[y - 1, x] + errors[y + 1, x]
    return (4 * errors[y, x] + edge) // 8


@inlined
def find_places(
    places: Array, own: Array, before: Array, beside: Array, known: tuple[bool, bool], y: Integer, x: Integer
) -> Integer:
    """Where contexts of errors keep their counters; returns the bin of the expected error.

    `own`, `before` and `beside` are the errors of this slice, and of two others that may be `known`.
    """
    local = own_errors(own, y, x)
    ahead = other_errors(before, y, x) if known[0] else np.int64(0)
    aside = other_errors(beside, y, x) if known[1] else np.int64(0)
    bin_number = logarithmic((3 * local + 2 * ahead + 2 * aside) // (3 + 2 * known[0] + 2 * known[1]))
    places[1] = (logarithmic(local) >> 1) * 32 + (logarithmic(ahead) >> 1)
    places[2] = (logarithmic(own[y, x - 1]) >> 1) * 32 + (logarithmic(own[y - 1, x]) >> 1)
    places[4] = (logarithmic((local + ahead) >> 1) >> 1) * 32 + (logarithmic(aside) >> 1)
    return bin_number


@inlined
def add_places(
    places: Array, values: Array, predictions: Array, width: Integer, here: Integer, fraction: Integer,
    bin_number: Integer, level: Integer,
) -> None:  # fmt: skip
    """Where the other contexts keep theirs: of predictions, of texture, and of the height above the lowest value."""
    half = bin_number >> 1
    apart = (abs(predictions[1] - predictions[0]) + abs(predictions[2] - predictions[0])) >> (FRACTION - 4)
    west, north, corner = values[here - 1], values[here - width], values[here - width - 1]
    texture = abs(west - corner) + abs(north - corner) + abs(north - values[here - width + 1])
    places[0] = min(3, abs(fraction) >> 3) * BINS + bin_number
    places[3] = (logarithmic(apart) >> 1) * 32 + half
    places[5] = (logarithmic(texture >> (FRACTION - 3)) >> 1) * 32 + half
    places[6] = min(2 * bit_length(max(0, level) >> FRACTION), 63) * 32 + half
    for i in range(CONTEXTS):
        places[i] = OFFSETS[i] + places[i] * NODES


@compiled
def code_slice(
    coder: Coder, memory: Memory, series: Series, sources: Array, variable: Integer, contexts: Integer
) -> None:
    """Write or read the values of a slice, row by row, with `contexts` of them mixed."""
    ny, nx = series.errors.shape[1] - 4, series.errors.shape[2] - 4
    width = nx + 2 * MARGIN
    here = new_slice(series, sources, variable)
    for y in range(ny):
        row = (y + MARGIN) * width + MARGIN
        open_row(here.values, here.before, sources, row, width, nx, y)
        code_row(coder, memory, series, sources, here, y, contexts)
        close_row(here.values, row, nx)


@compiled
def code_row(
    coder: Coder, memory: Memory, series: Series, sources: Array, here: Slice, y: Integer, contexts: Integer
) -> None:
    """Predict each value of a row, code how far off that is, and learn from it; in holes the prediction stands."""
    # what is used for every value is taken out of its tuple once, which takes as long as coding a bit
    registers, data = coder
    counters, signs, weights = memory
    values, before, errors, ahead, aside, stencils, adaptive, starts, offsets, inputs = here[:10]
    predictions, places, mixed, recent, residuals = here[10:]
    planes, holes = series.planes, series.holes
    low, high, closed, masked = series.limits[0], series.limits[1], series.closed, series.holes.shape[0] > 0
    known = (sources[BEFORE] >= 0, sources[BESIDE] >= 0)
    nx, side, own = errors.shape[1] - 4, y & 1, sources[OWN]
    width = nx + 2 * MARGIN
    for x in range(nx):
        place = (y + MARGIN) * width + MARGIN + x
        wanted = values[place]
        base = before[place] if known[0] else values[place - 1]
        gather(inputs, planes, sources, starts, offsets, place, base)
        stencil = stencils[0]
        if stencils.shape[0] > 1:
            stencil = stencils[class_of(stencils, inputs.size, activity(values, before, known[0], place, width))]
        predict(predictions, inputs, stencil, adaptive, base, low, high)
        mean = blend(predictions, recent, side, x + 2)
        guess = mean if closed else ((mean + _HALF) >> FRACTION) << FRACTION
        values[place] = guess
        if masked and holes[own, y, x]:
            continue
        fraction = (mean - guess) >> (FRACTION - 6)
        chosen = find_places(places, errors, ahead, aside, known, y + 2, x + 2)
        add_places(places, values, predictions, width, place, fraction, chosen, guess - low)
        left = (wanted - guess + _HALF) >> FRACTION
        size = code_magnitude(registers, data, counters, weights, places, mixed, chosen, contexts, abs(left), 0)
        if size:
            sign_place = (((fraction + 32) >> 2) * 8 + min(7, chosen >> 2)) * 9
            sign_place += 3 * sign(residuals[side, x + 1]) + sign(residuals[1 - side, x + 2])
            size = -size if code_simply(registers, data, signs, sign_place, 1 if left < 0 else 0) else size
        actual = guess + (np.int64(size) << FRACTION)
        values[place] = actual
        residuals[side, x + 2] = size
        errors[y + 2, x + 2] = min(abs(actual - mean) >> (FRACTION - 4), _LARGEST_ERROR)
        for k in range(PREDICTIONS):
            recent[k, side, x + 2] = abs(actual - predictions[k])
        adapt(adaptive, inputs, predictions, actual)


@inlined
def sign(number: Integer) -> Integer:
    """0 for zero, 1 for positive, 2 for negative."""
    return 0 if number == 0 else 1 if number > 0 else 2
