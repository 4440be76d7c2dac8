"""Prepare the rows of a slice for fast coding: sums of predictions and expected errors from coded rows and slices.

Arrays are flat and their places unsigned, so that loops become vector instructions; limits keep errors in 32 bits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from baler_core.builtin.models.fields.predictive.series import BEFORE, OWN, Series
from baler_core.builtin.models.fields.predictive.stencil import MARGIN
from baler_core.machine.compiled import Array, Integer, compiled

# Weights of errors are multiples of 1/1024; errors count up to a limit, in sixteenths of a step.
ERROR_BITS = 10
MOST_ERROR = 1 << 18
_TOGETHER = 4


class LinearTerms(NamedTuple):
    """The terms that predictions of a slice are sums of.

    Attributes
    ----------
    steps
        int64: how far neighbours outside the row lie from a value, in all planes taken as one flat array.
    weights
        int32, their weights, as in the stencil.
    near
        int64 (MARGIN,): weights of the neighbours to the left, the nearest first.
    """

    steps: Array
    weights: Array
    near: Array


@compiled
def find_weights(series: Series, sources: Array, variable: Integer) -> LinearTerms:
    """List the terms; what is left of a whole goes to the base, the value before or else to the left.

    There are at most as many steps as the stencil has weights, the base, and what fills up the last group of four.
    """
    temporal = 1 if sources[BEFORE] >= 0 else 0
    stencil, size = series.stencils[variable, temporal, 0], series.planes.shape[1]
    steps, weights = np.zeros(stencil.size + _TOGETHER, np.int64), np.zeros(stencil.size + _TOGETHER, np.int32)
    near, count, whole = np.zeros(MARGIN, np.int64), 1, np.int64(1) << series.weight_bits
    base = (sources[BEFORE] - sources[OWN]) * size
    steps[0] = base
    for s in range(4):
        if sources[s] < 0:
            continue
        for i in range(series.starts[s], series.starts[s + 1]):
            if stencil[i] == 0:
                continue
            whole -= stencil[i]
            step = (sources[s] - sources[OWN]) * size + series.offsets[i]
            if s == OWN and -MARGIN <= step < 0:
                near[-1 - step] = stencil[i]
            elif temporal and step == base:
                weights[0] += stencil[i]
            else:
                steps[count], weights[count] = step, stencil[i]
                count += 1
    if temporal:
        weights[0] += whole
    else:
        near[0] += whole
        steps[0] = steps[1]
    count += -count % _TOGETHER
    return LinearTerms(steps[:count], weights[:count], near)


@compiled
def sum_other_rows(sums: Array, planes: Array, here: Integer, steps: Array, weights: Array) -> None:
    """Sum up what neighbours outside the row add to each prediction of a row that begins at `here`; see `LinearTerms`."""
    sums[:] = 0
    for k in range(0, steps.size, _TOGETHER):
        a, b = np.uint64(here + steps[k]), np.uint64(here + steps[k + 1])
        c, d = np.uint64(here + steps[k + 2]), np.uint64(here + steps[k + 3])
        for_a, for_b = np.int64(weights[k]), np.int64(weights[k + 1])
        for_c, for_d = np.int64(weights[k + 2]), np.int64(weights[k + 3])
        for x in range(np.uint64(sums.size)):
            first = for_a * planes[a + x] + for_b * planes[b + x]
            sums[x] += first + for_c * planes[c + x] + for_d * planes[d + x]


@compiled
def expect_errors(
    expected: Array, errors: Array, places: tuple[Integer, Integer, Integer], width: Integer, weight: Integer
) -> None:
    """Expect the errors of a row from those of other rows: int32, in 1/1024, below 2^30.

    Parameters
    ----------
    errors
        int32, flat; rows are `width` apart.
    places
        Where the row begins in its own slice, in the one before, and in that of the variable beside; 0 for none.
    weight
        Of errors in its own slice.
    """
    (own, before, beside), share, one = places, np.int32(weight), np.uint64(1)
    north, far = np.uint64(own - width), np.uint64(own - 2 * width)
    west, east = north - one, north + one
    for x in range(np.uint64(expected.size)):
        corners = np.int32(errors[west + x] + errors[east + x])
        found = np.int32(np.int32(4 * errors[north + x]) + errors[far + x])
        expected[x] = np.int32(np.int32(found + np.int32(2 * corners)) * share)
    if before:
        add_expected(expected, errors, np.uint64(before), np.uint64(width), 14 * weight // 3)
    if beside:
        add_expected(expected, errors, np.uint64(beside), np.uint64(width), 14 * weight // 3)


@compiled
def add_expected(expected: Array, errors: Array, there: Integer, width: Integer, weight: Integer) -> None:
    """Add the errors about each place of a row of another slice."""
    share, one = np.int32(weight), np.uint64(1)
    west, east, north, south = there - one, there + one, there - width, there + width
    for x in range(np.uint64(expected.size)):
        edge = np.int32(np.int32(errors[west + x] + errors[east + x]) + np.int32(errors[north + x] + errors[south + x]))
        found = np.int32(np.int32(np.int32(4 * errors[there + x]) + edge) >> 2)
        expected[x] += np.int32(found * share)
