"""Where a band lies in flat arrays, and what is known of a row of it before the row is coded quickly."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from baler_core.builtin.models.fields.transform.fast_neighbourhood import (
    add_parent,
    begin,
    fill_near,
    place_of,
    smooth,
)
from baler_core.machine.compiled import Array, Integer, compiled, inlined


class Frame(NamedTuple):
    """A band of one slice of one variable.

    Attributes
    ----------
    nz, ny, nx
        Its size.
    first, row, plane
        Where it begins in its slice, and how far rows and planes of a slice are apart.
    corner, width, depth
        The same of the magnitudes nearby: see `Places.near`; a depth of 0 for a single plane.
    own, nearest, second, beside
        Where the slice, and those that tell about it, begin in `Places.around`; `nearest` in `Places.values`, too.
    parent, last_z, last_y, count
        Where the parent band begins in its slice, its last plane and row, and the length of its rows; 0 if none.
    own_weight, other_weight
        Of magnitudes in the band, and of those elsewhere.
    """

    nz: Integer
    ny: Integer
    nx: Integer
    first: Integer
    row: Integer
    plane: Integer
    corner: Integer
    width: Integer
    depth: Integer
    own: Integer
    nearest: Integer
    second: Integer
    beside: Integer
    parent: Integer
    last_z: Integer
    last_y: Integer
    count: Integer
    own_weight: Integer
    other_weight: Integer


@inlined
def new_frame(band: Array, shape: Array, own: Integer, nearest: Integer, second: Integer, beside: Integer) -> Frame:
    """Where a band lies in slices of `shape` (z, y, x); see `contexts.BAND_FIELDS`."""
    nz, ny, nx = band[3] - band[0], band[4] - band[1], band[5] - band[2]
    row, plane, width = shape[2], shape[1] * shape[2], nx + 1
    depth = (ny + 2) * width if nz > 1 else 0
    return Frame(
        nz, ny, nx,
        band[0] * plane + band[1] * row + band[2], row, plane,
        2 * depth + 2 * width + 1, width, depth,
        own, nearest, second, beside,
        band[6] * plane + band[7] * row + band[8], band[9] - band[6] - 1, band[10] - band[7] - 1,
        (band[11] - band[8]) * band[15],
        (((band[20] * band[21]) >> 8) * band[22]) >> 16, (band[22] + 128) >> 8,
    )  # fmt: skip


@compiled
def clear_near(near: Array, frame: Frame) -> None:
    """Forget the magnitudes of another band."""
    near[: (frame.nz + 2) * frame.depth + (frame.ny + 3) * frame.width + 1] = 0


@compiled
def fill_all_near(near: Array, values: Array, frame: Frame) -> None:
    """Magnitudes of a whole band."""
    n = place_of(frame.nx)
    for z in range(frame.nz):
        for y in range(frame.ny):
            there = frame.own + frame.first + z * frame.plane + y * frame.row
            fill_near(near, place_of(frame.corner + z * frame.depth + y * frame.width), values, place_of(there), n)


@compiled
def fill_base(base: Array, around: Array, frame: Frame, halved: Array) -> None:
    """What other slices and the parent band say of all places of a band.

    `halved` says by which power of two places of the parent band are fewer, along z, y and x.
    """
    n, count = place_of(frame.nx), place_of(frame.count)
    for z in range(frame.nz):
        for y in range(frame.ny):
            step = frame.first + z * frame.plane + y * frame.row
            at, ahead = place_of((z * frame.ny + y) * frame.nx), place_of(frame.nearest + step)
            begin(
                base,
                at,
                around,
                ahead,
                place_of(frame.second + step),
                place_of(frame.beside + step),
                n,
                frame.other_weight,
            )
            if frame.count:
                pz, py = min(z >> halved[0], frame.last_z), min(y >> halved[1], frame.last_y)
                first = place_of(frame.own + frame.parent + pz * frame.plane + py * frame.row)
                add_parent(base, at, around, first, count, halved[2], n, frame.other_weight)


@compiled
def smooth_all(near: Array, around: Array, frame: Frame) -> None:
    """Means of a coded band, for bands and slices that look back at it."""
    axes = np.int64(frame.nz > 1) + np.int64(frame.ny > 1)
    width, depth, n = place_of(frame.width), place_of(frame.depth), place_of(frame.nx)
    for z in range(frame.nz):
        for y in range(frame.ny):
            here = place_of(frame.corner + z * frame.depth + y * frame.width)
            there = place_of(frame.own + frame.first + z * frame.plane + y * frame.row)
            smooth(near, here, width, depth, around, there, n, axes)
