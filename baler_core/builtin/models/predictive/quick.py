"""Codes one slice in a fraction of the time: the learned stencil alone, one context, whole rows prepared at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from baler_core.arithmetic import Coder
from baler_core.builtin.models.magnitudes import BINS, INPUTS, NODES, code_magnitude, code_simply, logarithmic
from baler_core.builtin.models.predictive.contexts import Memory
from baler_core.builtin.models.predictive.predictor import FRACTION
from baler_core.builtin.models.predictive.series import BEFORE, BESIDE, OWN, Series, close_row, open_row
from baler_core.builtin.models.predictive.stencil import MARGIN, WEIGHT_BITS
from baler_core.compiled import Array, Integer, compiled, inlined

_HALF = 1 << (FRACTION - 1)
# Scales that stand for divisions by 14, and by 3, 5 or 7.
_FOURTEENTH = (1 << 20) // 14 + 1
_UNITS = 1 << 20
_LARGEST_ERROR = np.int64(1 << 24)


@compiled
def sum_other_rows(sums: Array, series: Series, sources: Array, stencil: Array, row: Integer) -> None:
    """What neighbours outside the row add to each prediction of a row."""
    sums[:] = 0
    for s in range(4):
        if sources[s] < 0:
            continue
        for i in range(series.starts[s], series.starts[s + 1]):
            if stencil[i] == 0 or (s == 0 and -MARGIN <= series.offsets[i] < 0):
                continue
            weight, first = stencil[i], row + series.offsets[i]
            neighbours = series.planes[sources[s], first : first + sums.size]
            for x in range(sums.size):
                sums[x] += weight * neighbours[x]


@compiled
def expect_errors(expected: Array, above: Array, errors: Array, sources: Array, y: Integer) -> Integer:
    """What errors of other rows say about a row; returns the scale that stands for dividing by all weights."""
    north, far = errors[sources[OWN], y - 1], errors[sources[OWN], y - 2]
    for x in range(expected.size):
        above[x] = 4 * north[x + 2] + far[x + 2] + 2 * (north[x + 1] + north[x + 3])
        expected[x] = 0
    weight = 3
    for source in (sources[BEFORE], sources[BESIDE]):
        if source >= 0:
            weight += 2
            there, over, under = errors[source, y], errors[source, y - 1], errors[source, y + 1]
            for x in range(expected.size):
                edge = there[x + 1] + there[x + 3] + over[x + 2] + under[x + 2]
                expected[x] += (4 * there[x + 2] + edge) >> 2
    return _UNITS // weight + 1


@inlined
def same_row(values: Array, here: Integer, stencil: Array, offsets: Array, near: Array) -> Integer:
    """What neighbours in the row add to a prediction."""
    total = np.int64(0)
    for k in range(near.size):
        total += stencil[near[k]] * values[here + offsets[near[k]]]
    return total


class Row(NamedTuple):
    """One row, of which all has been prepared that does not depend on the row itself.

    Attributes
    ----------
    values, before
        int64: its slice and the one before that, flattened.
    temporal
        Whether there is one before.
    errors
        int64 (x + 4,): filled in.
    holes
        uint8 (x,), or nothing if there are none.
    sums
        What neighbours outside the row add to each prediction.
    above, expected, scale
        What errors of other rows say.
    places, inputs
        Where the context of a value keeps its counters, and room that is not used without mixing.
    """

    values: Array
    before: Array
    temporal: Integer
    errors: Array
    holes: Array
    sums: Array
    above: Array
    expected: Array
    scale: Integer
    places: Array
    inputs: Array


@compiled
def code_slice_quickly(coder: Coder, memory: Memory, series: Series, sources: Array, variable: Integer) -> None:
    """As `contexts.code_slice`, without mixing."""
    ny, nx = series.errors.shape[1] - 4, series.errors.shape[2] - 4
    width, temporal = nx + 2 * MARGIN, 1 if sources[BEFORE] >= 0 else 0
    values, before = series.planes[sources[OWN]], series.planes[sources[BEFORE]]
    stencil = series.stencils[variable, temporal, 0]
    near = np.array([i for i in range(series.starts[1]) if -MARGIN <= series.offsets[i] < 0 and stencil[i] != 0])
    sums, above, expected = np.zeros(nx, np.int64), np.zeros(nx, np.int64), np.zeros(nx, np.int64)
    holes = np.zeros(0, np.uint8)
    places, inputs = np.zeros(1, np.int64), np.zeros(INPUTS, np.int32)
    whole = np.int64(0)
    for s in range(4):
        if sources[s] >= 0:
            whole += stencil[series.starts[s] : series.starts[s + 1]].sum()
    for y in range(ny):
        first = (y + MARGIN) * width + MARGIN
        open_row(values, before, sources, first, width, nx, y)
        sum_other_rows(sums, series, sources, stencil, first)
        scale = expect_errors(expected, above, series.errors, sources, y + 2)
        if series.holes.shape[0]:
            holes = series.holes[sources[OWN], y]
        errors = series.errors[sources[OWN], y + 2]
        row = Row(values, before, temporal, errors, holes, sums, above, expected, scale, places, inputs)
        code_row(coder, memory, series, row, stencil, near, first, whole)
        close_row(values, first, nx)


@compiled
def code_row(
    coder: Coder,
    memory: Memory,
    series: Series,
    row: Row,
    stencil: Array,
    near: Array,
    first: Integer,
    whole: Integer,
) -> None:
    """Write or read a row; `whole` is the sum of all weights of the stencil."""
    registers, data = coder
    counters, signs, weights = memory
    values, before, temporal, errors, holes, sums, above, expected, scale, places, inputs = row
    low, high, closed, offsets = series.limits[0], series.limits[1], series.closed, series.offsets
    west = far = np.int64(0)
    for x in range(sums.size):
        here = first + x
        wanted = values[here]
        base = before[here] if temporal else values[here - 1]
        total = sums[x] + same_row(values, here, stencil, offsets, near) - whole * base
        mean = min(max(base + (total >> WEIGHT_BITS), low), high)
        guess = mean if closed else ((mean + _HALF) >> FRACTION) << FRACTION
        values[here] = guess
        error = np.int64(0)
        if holes.size == 0 or holes[x] == 0:
            local = ((above[x] + 4 * west + far) * _FOURTEENTH) >> 20
            fraction = (mean - guess) >> (FRACTION - 6)
            bin_number = logarithmic(((3 * local + expected[x]) * scale) >> 20)
            places[0] = (min(3, abs(fraction) >> 3) * BINS + bin_number) * NODES
            left = (wanted - guess + _HALF) >> FRACTION
            size = code_magnitude(registers, data, counters, weights, places, inputs, 0, 0, abs(left), 0)
            if size:
                place = (((fraction + 32) >> 2) * 8 + min(7, bin_number >> 2)) * 9
                size = -size if code_simply(registers, data, signs, place, 1 if left < 0 else 0) else size
            actual = guess + (np.int64(size) << FRACTION)
            values[here] = actual
            error = min(abs(actual - mean) >> (FRACTION - 4), _LARGEST_ERROR)
            errors[x + 2] = error
        far, west = west, error
