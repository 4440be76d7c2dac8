"""What is known while a chunk is coded: its slices, padded, their errors so far, and how values are predicted."""

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


def new_series(
    values: Array,
    holes: Array | None,
    weights: Array,
    limits: tuple[int, int],
    *,
    closed: bool,
    dtypes: tuple[type[np.integer], type[np.integer]] = (np.int64, np.int64),
) -> Series:
    """A series before anything is coded; `values` is int64 (slices, variables, y, x); `dtypes` of planes and errors."""
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
        weights,
        np.zeros((variables, 2, PREDICTIONS - 1, stencil.FEATURES), np.int32),
        stencil.STARTS,
        stencil.linear_offsets(nx + 2 * margin),
        np.array(limits, np.int64),
        int(closed),
    )


def inside(planes: Array) -> Array:
    """A view of planes (..., padded y, padded x) without their margins."""
    margin = stencil.MARGIN
    return planes[..., margin : planes.shape[-2] - margin, margin : planes.shape[-1] - margin]


def restored(series: Series, shape: tuple[int, ...]) -> Array:
    """The values of a coded series of `shape` (slices, variables, y, x)."""
    margin = 2 * stencil.MARGIN
    return inside(series.planes.reshape(*shape[:2], shape[2] + margin, shape[3] + margin))


@compiled
def find_sources(sources: Array, number: Integer, variable: Integer, variables: Integer, stack: Integer) -> None:
    """The planes that tell about a slice: itself, the one before, the earlier one, the variable beside; -1 for none.

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
def open_row(
    values: Array, before: Array, sources: Array, row: Integer, width: Integer, nx: Integer, y: Integer
) -> None:
    """Margins that neighbours may touch before a row is coded: those above the first row, and left of each."""
    if y == 0:
        for back in range(1, stencil.MARGIN + 1):
            for x in range(-stencil.MARGIN, nx + stencil.MARGIN):
                values[row - back * width + x] = before[row + x] if sources[BEFORE] >= 0 else 0
    first = values[row - width]
    for x in range(1, stencil.MARGIN + 1):
        values[row - x] = first


@compiled
def close_row(values: Array, row: Integer, nx: Integer) -> None:
    """The margin right of a row repeats its last value."""
    for x in range(nx, nx + stencil.MARGIN):
        values[row + x] = values[row + nx - 1]


@compiled
def close_plane(values: Array, width: Integer) -> None:
    """All margins of a coded slice repeat its edge, for the slices that look back at it."""
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
