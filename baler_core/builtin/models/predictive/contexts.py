"""Codes the integers of one slice: each value's distance to its prediction, in contexts of errors already known."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

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
    adapt,
    blend,
    gather,
    predict,
)
from baler_core.builtin.models.predictive.stencil import MARGIN
from baler_core.compiled import Array, Integer, compiled, inlined
from baler_core.mixing import new_counters

_SHAPES = (4 * BINS, 32 * 32, 32 * 32, 32 * 32, 32 * 32, 32 * 32, 64 * 32)
OFFSETS = np.concatenate([[0], np.cumsum(_SHAPES)]).astype(np.int64) * NODES
_SIGNS = 17 * 8 * 9
_HALF = 1 << (FRACTION - 1)


class Memory(NamedTuple):
    """What adapts while slices are coded.

    Attributes
    ----------
    counters, signs
        uint32 adaptive probabilities of magnitudes and signs.
    weights
        int64 weights of the mixers.
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
    places: Array,
    errors: Array,
    known: Array,
    y: Integer,
    x: Integer,
    fraction: Integer,
    apart: Integer,
    texture: Integer,
    level: Integer,
) -> Integer:
    """Where each context keeps its counters; returns the bin of the expected error."""
    local = own_errors(errors[0], y, x)
    total, weight = 3 * local, 3
    before = beside = np.int64(0)
    if known[1]:
        before = other_errors(errors[1], y, x)
        total += 2 * before
        weight += 2
    if known[3]:
        beside = other_errors(errors[2], y, x)
        total += 2 * beside
        weight += 2
    bin_number = logarithmic(total // weight)
    half = bin_number >> 1
    places[0] = min(3, abs(fraction) >> 3) * BINS + bin_number
    places[1] = (logarithmic(local) >> 1) * 32 + (logarithmic(before) >> 1)
    places[2] = (logarithmic(errors[0, y, x - 1]) >> 1) * 32 + (logarithmic(errors[0, y - 1, x]) >> 1)
    places[3] = (logarithmic(apart) >> 1) * 32 + half
    places[4] = (logarithmic((local + before) >> 1) >> 1) * 32 + (logarithmic(beside) >> 1)
    places[5] = (logarithmic(texture) >> 1) * 32 + half
    places[6] = min(level, 63) * 32 + half
    for i in range(CONTEXTS):
        places[i] = OFFSETS[i] + places[i] * NODES
    return bin_number


@compiled
def code_slice(
    registers: Array,
    data: Array,
    counters: Array,
    signs: Array,
    mixers: Array,
    shape: Array,
    sources: Array,
    known: Array,
    holes: Array,
    errors: Array,
    stencil: Array,
    adaptive: Array,
    starts: Array,
    offsets: Array,
    limits: Array,
    closed: Integer,
    contexts: Integer,
) -> None:
    """Write or read the values of a slice, row by row; all of them in 1/1024 of a quantisation step.

    Parameters
    ----------
    shape
        y and x.
    sources
        int64 (4, padded size): this slice (read, and replaced by what is restored), two before it, and the variable
        beside, flattened with a margin of 3.
    known
        int64 (5,): which of them there are; the last is scratch.
    holes
        uint8 (y, x): 1 where nothing is coded and the prediction stands in.
    errors
        int64 (3, y + 4, x + 4): 16 x the size of the errors of this slice (filled in), the one before, and the variable
        beside.
    stencil, adaptive
        Weights of the linear prediction and of its corrections (which change).
    starts, offsets
        Features of each source, and how far their neighbours are.
    limits
        Smallest and largest value.
    closed
        Whether restored values are the prediction plus whole steps, wherever that falls, or whole steps themselves.
    contexts
        How many contexts are mixed.
    """
    ny, nx = shape[0], shape[1]
    width = nx + 2 * MARGIN
    values = sources[0]
    inputs = np.zeros(offsets.size, np.int64)
    mixed = np.zeros(INPUTS, np.int32)
    places = np.zeros(CONTEXTS, np.int64)
    predictions = np.zeros(PREDICTIONS, np.int64)
    recent = np.zeros((PREDICTIONS, 2, nx + 4), np.int64)
    residuals = np.zeros((2, nx + 4), np.int64)
    for y in range(ny):
        row = (y + MARGIN) * width + MARGIN
        side = y & 1
        open_row(values, row, width, nx, y, known[1], sources[1])
        for x in range(nx):
            here = row + x
            known[4] = here
            wanted = values[here]
            base = sources[1, here] if known[1] else values[here - 1]
            gather(inputs, sources, known, starts, offsets, base)
            predict(predictions, inputs, stencil, adaptive, base, limits[0], limits[1])
            mean = blend(predictions, recent, side, x + 2)
            guess = mean if closed else ((mean + _HALF) >> FRACTION) << FRACTION
            values[here] = guess
            if holes[y, x]:
                continue
            apart = (abs(predictions[1] - predictions[0]) + abs(predictions[2] - predictions[0])) >> (FRACTION - 4)
            west, north, corner = values[here - 1], values[here - width], values[here - width - 1]
            texture = (abs(west - corner) + abs(north - corner) + abs(north - values[here - width + 1])) >> (
                FRACTION - 3
            )
            level = 2 * bit_length(max(0, guess - limits[0]) >> FRACTION)
            fraction = (mean - guess) >> (FRACTION - 6)
            chosen = find_places(places, errors, known, y + 2, x + 2, fraction, apart, texture, level)
            left = (wanted - guess + _HALF) >> FRACTION
            size = code_magnitude(registers, data, counters, mixers, places, mixed, chosen, contexts, abs(left), 0)
            if size:
                place = ((fraction + 32) >> 2) * 8 + min(7, chosen >> 2)
                place = place * 9 + 3 * sign(residuals[side, x + 1]) + sign(residuals[1 - side, x + 2])
                left = -size if code_simply(registers, data, signs, place, 1 if left < 0 else 0) else size
            else:
                left = np.int64(0)
            actual = guess + (left << FRACTION)
            values[here] = actual
            residuals[side, x + 2] = left
            errors[0, y + 2, x + 2] = min(abs(actual - mean) >> (FRACTION - 4), 1 << 40)
            for k in range(PREDICTIONS):
                recent[k, side, x + 2] = abs(actual - predictions[k])
            adapt(adaptive, inputs, predictions, actual)
        close_row(values, row, nx)


@inlined
def sign(number: Integer) -> Integer:
    """0 for zero, 1 for positive, 2 for negative."""
    return 0 if number == 0 else 1 if number > 0 else 2


@compiled
def open_row(
    values: Array, row: Integer, width: Integer, nx: Integer, y: Integer, temporal: Integer, before: Array
) -> None:
    """Margins that neighbours may touch before a row is coded: those above the first row, and left of each."""
    if y == 0:
        for back in range(1, MARGIN + 1):
            for x in range(-MARGIN, nx + MARGIN):
                values[row - back * width + x] = before[row + x] if temporal else 0
    first = values[row - width]
    for x in range(1, MARGIN + 1):
        values[row - x] = first


@compiled
def close_row(values: Array, row: Integer, nx: Integer) -> None:
    """The margin right of a row repeats its last value."""
    for x in range(nx, nx + MARGIN):
        values[row + x] = values[row + nx - 1]
