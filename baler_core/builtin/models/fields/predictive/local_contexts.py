"""Code the values of one slice with signed contexts, by a fitted stencil and what is fitted locally beside it."""

from __future__ import annotations

import numpy as np

from baler_core.builtin.models.fields.predictive.contexts import SeriesStatistics, find_steps, slice_geometry
from baler_core.builtin.models.fields.predictive.local_fit import (
    BLOCK,
    close_block,
    correct,
    find_local_steps,
    new_sums,
    open_block,
    rows_of,
    solve,
    trust_of,
)
from baler_core.builtin.models.fields.predictive.predictor import (
    FRACTION,
    activity,
    class_of,
    dot,
    gather,
    nearby,
    share_of,
)
from baler_core.builtin.models.fields.predictive.series import BEFORE, OWN, Series, close_row, open_row, open_slice
from baler_core.builtin.models.fields.predictive.signed_contexts import ValueFeatures, find_signed_places
from baler_core.builtin.models.fields.predictive.stencil import MARGIN
from baler_core.entropy.arithmetic import Coder
from baler_core.entropy.signed import SLOTS, code_signed
from baler_core.machine.compiled import Array, Integer, compiled, inlined, place_of

_HALF = 1 << (FRACTION - 1)
_COARSE = FRACTION - 4
_LARGEST_ERROR = 1 << 40


@inlined
def blend_two(plain: Integer, moved: Integer, errors: Array, row: Integer, x: Integer) -> Integer:
    """Return the mean of two predictions, weighed as by `predictor.blend`."""
    first, second = nearby(errors, 0, row, x), nearby(errors, 1, row, x)
    least = min(first, second)
    one, two = share_of(first, least), share_of(second, least)
    return plain + two * (moved - plain) // (one + two)


@compiled
def code_local_slice(
    coder: Coder, statistics: SeriesStatistics, series: Series, sources: Array, variable: Integer, slots: Array
) -> None:
    """Predict each value of a slice, code how far off that is, and learn from it; in holes the prediction stands.

    As `signed_contexts.code_signed_slice`, but that one prediction from what is fitted to each block of columns takes the
    place of the corrections.
    """
    (registers, data), (counters, middles, weights) = coder, statistics
    planes, errors, holes = series.planes.reshape(-1), series.errors.reshape(-1), series.holes.reshape(-1)
    own, temporal, masked = sources[OWN], 1 if sources[BEFORE] >= 0 else 0, series.holes.shape[0] > 0
    stencils = series.stencils[variable, temporal]
    steps, linear = find_steps(series, sources, stencils)
    classes, columns, inputs = stencils.shape[0], steps.size + 1, np.zeros(steps.size, np.int64)
    geometry, closed = slice_geometry(series, sources), series.closed
    low, high, bits = series.limits[0], series.limits[1], series.weight_bits
    width, pitch = geometry.width, geometry.pitch
    ny, nx = series.errors.shape[1] - 4, series.errors.shape[2] - 4
    recent, distances = np.zeros((2, 2, nx + 4), np.int64), np.zeros((2, nx + 4), np.int64)
    places, values = np.zeros(SLOTS, np.int64), series.planes[own]
    near = find_local_steps(sources, width, values.size, geometry.back)
    rows = rows_of(near.size)
    sums, matrix, local = new_sums(nx, rows), np.zeros(rows * (rows + 1), np.float64), np.zeros(rows, np.float64)
    features, trusts = np.zeros(BLOCK * (rows + 1), np.float64), np.zeros(BLOCK, np.float64)
    open_slice(values, series.planes[max(sources[BEFORE], 0)], temporal > 0, MARGIN * width + MARGIN, width)
    for y in range(ny):
        side, hole, start = y & 1, (own * ny + y) * nx, (y + MARGIN) * width + MARGIN
        open_row(values, start, width)
        for x in range(nx):
            place, here = own * values.size + start + x, (own * (ny + 4) + y + 2) * pitch + 2 + x
            wanted, base, row, column = planes[place_of(place)], planes[place_of(place + geometry.back)], 0, x % BLOCK
            if column == 0:
                if x:
                    close_block(sums, x // BLOCK - 1, features, trusts)
                open_block(matrix, sums, x // BLOCK)
                solve(matrix, local, near.size)
                trusts[:] = 0.0
            if classes > 1:
                found = activity(planes, place, width, geometry.back, temporal)
                row = class_of(linear, columns, classes, found) * columns
            gather(inputs, planes, steps, place, base)
            plain = min(max(base + (dot(linear, row, inputs) >> bits), low), high)
            change = correct(features, column * (rows + 1), planes, near, local, place, base)
            moved = min(max(plain + change, low), high)
            mean = blend_two(plain, moved, recent, side, x + 2)
            guess = mean if closed else ((mean + _HALF) >> FRACTION) << FRACTION
            planes[place_of(place)] = guess
            if masked and holes[place_of(hole + x)]:
                continue
            value = ValueFeatures(
                place, here, guess, (mean - guess) >> (FRACTION - 6), max(0, guess - low) >> FRACTION,
                distances[side, place_of(x + 1)], distances[1 - side, place_of(x + 2)], distances[1 - side, place_of(x + 3)],
            )  # fmt: skip
            by_error, by_shape, expected = find_signed_places(
                places, planes, errors, geometry, (plain, moved, plain), value
            )
            distance = code_signed(
                registers, data, counters, weights, middles, (places, slots), (by_error, by_shape),
                (wanted - guess + _HALF) >> FRACTION, expected,
            )  # fmt: skip
            actual = guess + (distance << FRACTION)
            planes[place_of(place)] = actual
            distances[side, place_of(x + 2)] = distance
            errors[place_of(here)] = min(abs(actual - mean) >> _COARSE, _LARGEST_ERROR)
            recent[0, side, place_of(x + 2)], recent[1, side, place_of(x + 2)] = (
                abs(actual - plain),
                abs(actual - moved),
            )
            features[column * (rows + 1) + rows], trusts[place_of(column)] = float(actual - plain), trust_of(expected)
        close_block(sums, (nx - 1) // BLOCK, features, trusts)
        close_row(values, start, nx)
