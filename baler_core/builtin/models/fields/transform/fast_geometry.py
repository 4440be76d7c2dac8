"""Locate a band in flat arrays, and prepare the sums that its rows are coded by."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from baler_core.builtin.models.fields.transform import band_fields as field
from baler_core.builtin.models.fields.transform.fast_neighbourhood import (
    ParentRow,
    RowPlaces,
    add_above,
    add_front,
    add_parent,
    fill_near,
    smooth,
    start_sums,
)
from baler_core.machine.compiled import Array, Integer, compiled, inlined, place_of


class BandGeometry(NamedTuple):
    """A band of one slice of one variable in flat arrays.

    Attributes
    ----------
    nz, ny, nx
        Its size.
    first, row, plane
        Where it begins in its slice, and how far rows and planes of a slice are apart.
    corner, width, depth
        The same in the magnitudes of the band (`FieldArrays.near`), which have margins; a depth of 0 for a single plane.
    own, nearest, second, beside
        Where the slice, and those linked with it, begin in `FieldArrays.around`; `nearest` in `FieldArrays.values`, too.
    parent, last_z, last_y, count
        Where the parent band begins in its slice, its last plane and row, and the length of its rows; 0 if none.
    own_weight, other_weight
        Weight of magnitudes in the band and of those elsewhere, in 1/256.
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
def band_geometry(
    band: Array, shape: Array, own: Integer, nearest: Integer, second: Integer, beside: Integer
) -> BandGeometry:
    """Locate a band (see `band_fields`) in slices of `shape` (z, y, x)."""
    nz, ny = band[field.END_Z] - band[field.FIRST_Z], band[field.END_Y] - band[field.FIRST_Y]
    nx = band[field.END_X] - band[field.FIRST_X]
    row, plane, width = shape[2], shape[1] * shape[2], nx + 1
    depth = (ny + 2) * width if nz > 1 else 0
    scale = band[field.TOTAL_SCALE]
    return BandGeometry(
        nz, ny, nx,
        band[field.FIRST_Z] * plane + band[field.FIRST_Y] * row + band[field.FIRST_X], row, plane,
        2 * depth + 2 * width + 1, width, depth,
        own, nearest, second, beside,
        band[field.PARENT_Z] * plane + band[field.PARENT_Y] * row + band[field.PARENT_X],
        band[field.PARENT_END_Z] - band[field.PARENT_Z] - 1, band[field.PARENT_END_Y] - band[field.PARENT_Y] - 1,
        (band[field.PARENT_END_X] - band[field.PARENT_X]) * band[field.HAS_PARENT],
        (((band[field.OWN_SCALE] * band[field.OWN_WEIGHT]) >> 8) * scale) >> 16, (scale + 128) >> 8,
    )  # fmt: skip


@inlined
def row_places(geometry: BandGeometry, z: Integer, y: Integer) -> RowPlaces:
    """Locate a row of a band."""
    return RowPlaces(
        place_of((z * geometry.ny + y) * geometry.nx),
        place_of(geometry.corner + z * geometry.depth + y * geometry.width),
        place_of(geometry.own + geometry.first + z * geometry.plane + y * geometry.row),
        place_of(geometry.nx),
    )


@compiled
def clear_near(near: Array, geometry: BandGeometry) -> None:
    """Set the magnitudes of a band, which are those of another one, to 0."""
    near[: (geometry.nz + 2) * geometry.depth + (geometry.ny + 3) * geometry.width + 1] = 0


@compiled
def fill_all_near(near: Array, values: Array, geometry: BandGeometry) -> None:
    """Store the magnitudes of a whole band."""
    for z in range(geometry.nz):
        for y in range(geometry.ny):
            fill_near(near, values, row_places(geometry, z, y))


@compiled
def fill_base(base: Array, around: Array, geometry: BandGeometry, halved: Array) -> None:
    """Sum up what other slices and the parent band contribute to all places of a band.

    Parameters
    ----------
    halved
        By which power of two places of the parent band are fewer, along z, y and x.
    """
    for z in range(geometry.nz):
        for y in range(geometry.ny):
            row, step = row_places(geometry, z, y), geometry.first + z * geometry.plane + y * geometry.row
            nearest, second = place_of(geometry.nearest + step), place_of(geometry.second + step)
            others = (nearest, second, place_of(geometry.beside + step))
            start_sums(base, around, row, others, geometry.other_weight)
            if geometry.count:
                pz, py = min(z >> halved[0], geometry.last_z), min(y >> halved[1], geometry.last_y)
                first = geometry.own + geometry.parent + pz * geometry.plane + py * geometry.row
                parent = ParentRow(place_of(first), place_of(geometry.count), halved[2])
                add_parent(base, around, row, parent, geometry.other_weight)


@inlined
def prepare_row(base: Array, near: Array, geometry: BandGeometry, z: Integer, y: Integer) -> RowPlaces:
    """Add what the rows and planes before a row contribute to its sums, and locate it."""
    row = row_places(geometry, z, y)
    if y > 0:
        add_above(base, near, row, place_of(geometry.width), geometry.own_weight)
    if z > 0:
        add_front(base, near, row, (place_of(geometry.depth), place_of(geometry.width)), geometry.own_weight)
    return row


@compiled
def smooth_all(near: Array, around: Array, geometry: BandGeometry) -> None:
    """Store the means of a coded band, for bands and slices that look back at it."""
    axes = np.int64(geometry.nz > 1) + np.int64(geometry.ny > 1)
    steps = (place_of(geometry.depth), place_of(geometry.width))
    for z in range(geometry.nz):
        for y in range(geometry.ny):
            smooth(near, around, row_places(geometry, z, y), steps, axes)
