"""Hold the state of a chunk while it is coded: its padded slices, the errors so far, and the weights of predictions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from baler_core.builtin.models.fields.predictive import stencil
from baler_core.builtin.models.fields.predictive.predictor import PREDICTIONS
from baler_core.machine.compiled import Array, Integer, compiled

OWN, BEFORE, EARLIER, BESIDE = range(4)


class Series(NamedTuple):
    """All slices of all variables, those of one time one after the other.

    Attributes
    ----------
    planes
        int64 (slices * variables, padded size): values in 1/1024 of a quantisation step, flattened with a margin of 3;
        what is still to be coded (encoder; decoder: zeros) is replaced by what is restored.
    errors
        int64 (slices * variables, y + 4, x + 4): 16 x the size of the errors of what is coded.
    holes
        uint8 (slices * variables, y, x): 1 where nothing is coded and the prediction stands in; no slices if there is none.
    stencils, adaptive
        Weights of the linear prediction, and of its corrections, which change: int64 (variables, 2, classes, COLUMNS)
        and int32 (variables, 2, PREDICTIONS - 1, FEATURES), without and with a slice before.
    starts, offsets
        Features of each source, and how far their neighbours are.
    limits
        Smallest and largest value.
    closed
        Whether restored values are the prediction plus whole steps, wherever that falls, or whole steps themselves.
    weight_bits
        How many bits of the weights of stencils are below 1; at most 22 (see `stencil.Stencils`).
    """

    planes: Array
    errors: Array
    holes: Array
    stencils: Array
    adaptive: Array
    starts: Array
    offsets: Array
    limits: Array
    closed: Integer
    weight_bits: Integer


def new_series(
    values: Array,
    holes: Array | None,
    stencils: stencil.Stencils,
    limits: tuple[int, int],
    *,
    closed: bool,
    dtypes: tuple[type[np.integer], type[np.integer]] = (np.int64, np.int64),
) -> Series:
    """Make a series of which nothing is coded; `values` is int64 (slices, variables, y, x); `dtypes` of planes and errors."""
    slices, variables, ny, nx = values.shape
    margin = stencil.MARGIN
    planes = np.zeros((slices, variables, ny + 2 * margin, nx + 2 * margin), dtypes[0])
    inside(planes)[:] = values
    known = np.zeros((0, ny, nx), np.uint8)
    if holes is not None:
        known = np.ascontiguousarray(holes.reshape(-1, ny, nx), np.uint8)
    return Series(
        planes.reshape(slices * variables, -1),
        np.zeros((slices * variables, ny + 4, nx + 4), dtypes[1]),
        known,
        np.ascontiguousarray(stencils.weights),
        np.zeros((variables, 2, PREDICTIONS - 1, stencil.FEATURES), np.int32),
        stencil.STARTS,
        stencil.linear_offsets(nx + 2 * margin),
        np.array(limits, np.int64),
        int(closed),
        stencils.bits,
    )


def inside(planes: Array) -> Array:
    """Return a view of planes (..., padded y, padded x) without their margins."""
    margin = stencil.MARGIN
    return planes[..., margin : planes.shape[-2] - margin, margin : planes.shape[-1] - margin]


def restored(series: Series, shape: tuple[int, ...]) -> Array:
    """Return the values of a coded series of `shape` (slices, variables, y, x)."""
    margin = 2 * stencil.MARGIN
    return inside(series.planes.reshape(*shape[:2], shape[2] + margin, shape[3] + margin))


@compiled
def find_sources(sources: Array, number: Integer, variable: Integer, variables: Integer, stack: Integer) -> None:
    """Find the planes that a slice is predicted from: itself, the one before, the earlier one, the variable beside; -1 for none.

    All but itself come earlier in the order of coding.

    `stack` is how many slices lie behind each other at one time: within a stack the neighbour counts as the earlier one.
    """
    before = number - stack
    earlier = number - 2 if number > 1 else before
    if stack > 1:
        earlier = number - 1 if number % stack else before
        if before < 0:
            before = earlier = number - 1
    sources[OWN] = number * variables + variable
    sources[BEFORE] = before * variables + variable if before >= 0 else -1
    sources[EARLIER] = earlier * variables + variable if before >= 0 else -1
    sources[BESIDE] = sources[OWN] - 1 if variable else -1


@compiled
def open_slice(values: Array, before: Array, has_before: bool, row: Integer, width: Integer) -> None:
    """Fill the margin above the first row, which begins at `row`: with that row of the slice before, or with 0."""
    nx = width - 2 * stencil.MARGIN
    for back in range(1, stencil.MARGIN + 1):
        for x in range(-stencil.MARGIN, nx + stencil.MARGIN):
            values[row - back * width + x] = before[row + x] if has_before else 0


@compiled
def open_row(values: Array, row: Integer, width: Integer) -> None:
    """Fill the margin left of a row with the first value of the row above."""
    first = values[row - width]
    for x in range(1, stencil.MARGIN + 1):
        values[row - x] = first


@compiled
def close_row(values: Array, row: Integer, nx: Integer) -> None:
    """Fill the margin right of a row with its last value."""
    for x in range(nx, nx + stencil.MARGIN):
        values[row + x] = values[row + nx - 1]


@compiled
def close_plane(values: Array, width: Integer) -> None:
    """Fill all margins of a coded slice with its edge, for the slices that look back at it."""
    height, margin = values.size // width, stencil.MARGIN
    for y in range(margin, height - margin):
        row = y * width
        for x in range(margin):
            values[row + x] = values[row + margin]
            values[row + width - 1 - x] = values[row + width - 1 - margin]
    for y in range(margin):
        for x in range(width):
            values[y * width + x] = values[margin * width + x]
            values[(height - 1 - y) * width + x] = values[(height - 1 - margin) * width + x]
