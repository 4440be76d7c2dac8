"""Codes one slice in a fraction of the time: the learned stencil alone, one context, whole rows prepared at once."""

from __future__ import annotations

import numpy as np

from baler_core.builtin.models.magnitudes import BINS, INPUTS, NODES, code_magnitude, code_simply, logarithmic
from baler_core.builtin.models.predictive.contexts import close_row, open_row
from baler_core.builtin.models.predictive.predictor import FRACTION
from baler_core.builtin.models.predictive.stencil import MARGIN, WEIGHT_BITS
from baler_core.compiled import Array, Integer, compiled, inlined

_HALF = 1 << (FRACTION - 1)
# Scales that stand for divisions by 14, and by 3, 5 or 7.
_FOURTEENTH = (1 << 20) // 14 + 1
_UNITS = 1 << 20
_LARGEST_ERROR = np.int64(1 << 24)


@compiled
def sum_other_rows(
    sums: Array, sources: Array, known: Array, stencil: Array, starts: Array, offsets: Array, row: Integer
) -> None:
    """What neighbours outside the row add to each prediction of a row."""
    sums[:] = 0
    for s in range(4):
        if known[s] == 0:
            continue
        source = sources[s]
        for i in range(starts[s], starts[s + 1]):
            if s == 0 and -MARGIN <= offsets[i] < 0:
                continue
            weight, first = stencil[i], row + offsets[i]
            neighbours = source[first : first + sums.size]
            for x in range(sums.size):
                sums[x] += weight * neighbours[x]


@compiled
def expect_errors(expected: Array, above: Array, errors: Array, known: Array, y: Integer) -> Integer:
    """What errors of other rows say about a row; returns the scale that stands for dividing by all weights."""
    north, far = errors[0, y - 1], errors[0, y - 2]
    for x in range(expected.size):
        above[x] = 4 * north[x + 2] + far[x + 2] + 2 * (north[x + 1] + north[x + 3])
        expected[x] = 0
    weight = 3
    for other in range(1, 3):
        if known[2 * other - 1]:
            weight += 2
            for x in range(expected.size):
                edge = errors[other, y, x + 1] + errors[other, y, x + 3]
                edge += errors[other, y - 1, x + 2] + errors[other, y + 1, x + 2]
                expected[x] += (4 * errors[other, y, x + 2] + edge) >> 2
    return _UNITS // weight + 1


@inlined
def same_row(values: Array, here: Integer, stencil: Array, offsets: Array, near: Array) -> Integer:
    """What neighbours in the row add to a prediction."""
    total = np.int64(0)
    for k in range(near.size):
        total += stencil[near[k]] * values[here + offsets[near[k]]]
    return total


@compiled
def code_slice_quickly(
    registers: Array,
    data: Array,
    counters: Array,
    signs: Array,
    weights: Array,
    shape: Array,
    sources: Array,
    known: Array,
    holes: Array,
    errors: Array,
    stencil: Array,
    starts: Array,
    offsets: Array,
    limits: Array,
    closed: Integer,
) -> None:
    """As `contexts.code_slice`, which describes the parameters."""
    ny, nx = shape[0], shape[1]
    width = nx + 2 * MARGIN
    values = sources[0]
    near = np.array([i for i in range(starts[1]) if -MARGIN <= offsets[i] < 0])
    sums, above, expected = np.zeros(nx, np.int64), np.zeros(nx, np.int64), np.zeros(nx, np.int64)
    places, inputs = np.zeros(1, np.int64), np.zeros(INPUTS, np.int32)
    whole = np.int64(0)
    for s in range(4):
        if known[s]:
            whole += stencil[starts[s] : starts[s + 1]].sum()
    for y in range(ny):
        row = (y + MARGIN) * width + MARGIN
        open_row(values, row, width, nx, y, known[1], sources[1])
        sum_other_rows(sums, sources, known, stencil, starts, offsets, row)
        scale = expect_errors(expected, above, errors, known, y + 2)
        west = far = np.int64(0)
        for x in range(nx):
            here = row + x
            wanted = values[here]
            base = sources[1, here] if known[1] else values[here - 1]
            total = sums[x] + same_row(values, here, stencil, offsets, near) - whole * base
            mean = min(max(base + (total >> WEIGHT_BITS), limits[0]), limits[1])
            guess = mean if closed else ((mean + _HALF) >> FRACTION) << FRACTION
            values[here] = guess
            error = np.int64(0)
            if holes[y, x] == 0:
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
                errors[0, y + 2, x + 2] = error
            far, west = west, error
        close_row(values, row, nx)
