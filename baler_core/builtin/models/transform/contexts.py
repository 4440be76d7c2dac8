"""Codes the integers of one band: each coefficient's bits with probabilities from the coefficients already known.

What is known: neighbours in the band, the same place in up to three reference slices (earlier modes or frames, another
variable), in the parent band and in the bands of the same level. Only magnitudes of coded integers enter, so that a
decoder finds the same probabilities whatever its floating point does.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from baler_core.builtin.models.magnitudes import (
    BINS,
    CONTEXTS,
    INPUTS,
    NODES,
    code_magnitude,
    code_simply,
    first_counters,
    logarithmic,
    new_weights,
)
from baler_core.compiled import Array, Integer, compiled
from baler_core.mixing import new_counters

_SHAPES = (4 * BINS, 32 * 32, 32 * 32, 4 * 4 * 3 * 3 * 3, 32 * 32, 64 * 32, 32 * 32)
OFFSETS = np.concatenate([[0], np.cumsum(_SHAPES)]).astype(np.int64) * NODES
_SIGNS = 3**5
# Fields of the description of a band that `code_band` takes.
BAND_FIELDS = 18


class Memory(NamedTuple):
    """What adapts while bands are coded: one per independently decodable part.

    Attributes
    ----------
    counters, signs, empty
        uint32 adaptive probabilities of magnitudes, of signs, and of whole bands being zero.
    weights
        int64 weights of the two mixers, chosen by node and by expected magnitude.
    """

    counters: Array
    signs: Array
    empty: Array
    weights: Array


def new_memory() -> Memory:
    """Counters and weights before anything is coded."""
    return Memory(_first_counters().copy(), new_counters(_SIGNS * 4), new_counters(64 * 8), new_weights())


@functools.cache
def _first_counters() -> Array:
    counters = first_counters(int(OFFSETS[-1]) + 64)
    counters.setflags(write=False)
    return counters


@compiled
def means(values: Array, box: Array, out: Array) -> None:
    """16 x the weighted mean magnitude about each place of a box of a known slice, into the start of `out`."""
    deep, high = box[3] - box[0] > 1, box[4] - box[1] > 1
    weight = 12 + (4 if high else 0) + (4 if deep else 0)
    for z in range(box[0], box[3]):
        for y in range(box[1], box[4]):
            for x in range(box[2], box[5]):
                edge = np.int64(0)
                if x > box[2]:
                    edge += abs(np.int64(values[z, y, x - 1]))
                if x + 1 < box[5]:
                    edge += abs(np.int64(values[z, y, x + 1]))
                if y > box[1]:
                    edge += abs(np.int64(values[z, y - 1, x]))
                if y + 1 < box[4]:
                    edge += abs(np.int64(values[z, y + 1, x]))
                if z > box[0]:
                    edge += abs(np.int64(values[z - 1, y, x]))
                if z + 1 < box[3]:
                    edge += abs(np.int64(values[z + 1, y, x]))
                total = 16 * (8 * abs(np.int64(values[z, y, x])) + 2 * edge)
                out[z - box[0], y - box[1], x - box[2]] = min(total // weight, 1 << 30)


@compiled
def spread(coarse: Array, band: Array, out: Array) -> None:
    """The means of the parent band at each place of a band."""
    for z in range(band[3] - band[0]):
        for y in range(band[4] - band[1]):
            for x in range(band[5] - band[2]):
                pz = min(z >> band[12], coarse.shape[0] - 1)
                py = min(y >> band[13], coarse.shape[1] - 1)
                px = min(x >> band[14], coarse.shape[2] - 1)
                out[z, y, x] = coarse[pz, py, px]


@compiled
def add_cousins(values: Array, band: Array, cousins: Array, out: Array) -> None:
    """16 x the sum of magnitudes at the same place of other bands of the level."""
    for z in range(band[3] - band[0]):
        for y in range(band[4] - band[1]):
            for x in range(band[5] - band[2]):
                total = np.int64(0)
                for c in range(cousins.shape[0]):
                    cz = min(cousins[c, 0] + z, cousins[c, 3] - 1)
                    cy = min(cousins[c, 1] + y, cousins[c, 4] - 1)
                    cx = min(cousins[c, 2] + x, cousins[c, 5] - 1)
                    total += abs(np.int64(values[cz, cy, cx]))
                out[z, y, x] = min(total * 16, 1 << 30)


@compiled
def behind(near: Array, z: Integer, y: Integer, x: Integer, high: Integer, deep: Integer) -> Integer:
    """16 x the weighted mean magnitude of the neighbours already coded; `near` has a margin of 2 zeros."""
    total = 4 * near[z, y, x - 1] + 2 * near[z, y, x - 2]
    weight = 6
    if high:
        total += 4 * near[z, y - 1, x] + near[z, y - 2, x] + 2 * (near[z, y - 1, x - 1] + near[z, y - 1, x + 1])
        weight += 9
    if deep:
        total += 4 * near[z - 1, y, x] + near[z - 2, y, x] + near[z - 1, y - 1, x] + near[z - 1, y + 1, x]
        total += near[z - 1, y, x - 1] + near[z - 1, y, x + 1]
        weight += 9
    return (16 * total) // weight


@compiled
def sign_of(values: Array, z: Integer, y: Integer, x: Integer, box: Array) -> Integer:
    """0, 1 or 2 for a zero (or nothing), positive or negative neighbour."""
    if z < box[0] or y < box[1] or x < box[2]:
        return 0
    value = values[z, y, x]
    return 0 if value == 0 else 1 if value > 0 else 2


@compiled
def code_sign(
    registers: Array,
    data: Array,
    signs: Array,
    values: Array,
    references: Array,
    known: Array,
    box: Array,
    family: Integer,
    z: Integer,
    y: Integer,
    x: Integer,
    negative: Integer,
) -> Integer:
    """The sign of one coefficient, in the context of the signs about it."""
    place = sign_of(values, z, y, x - 1, box) * 3 + sign_of(values, z, y - 1, x, box)
    place = place * 3 + sign_of(values, z - 1, y, x, box)
    place = place * 3 + (sign_of(references[0], z, y, x, box) if known[0] else 0)
    place = place * 3 + (sign_of(references[2], z, y, x, box) if known[2] else 0)
    return code_simply(registers, data, signs, place * 4 + family, negative)


@compiled
def find_places(
    places: Array,
    known: Array,
    band: Array,
    local: Integer,
    west: Integer,
    north: Integer,
    diagonal: Integer,
    ahead: Integer,
    beside: Integer,
    first: Integer,
    second: Integer,
    third: Integer,
    parent: Integer,
    sibling: Integer,
    bin_number: Integer,
) -> None:
    """Where each context keeps its counters."""
    near = min(west, 3) * 4 + min(north, 3)
    near = ((near * 3 + min(diagonal, 2)) * 3 + min(ahead, 2)) * 3 + min(beside, 2)
    places[0] = band[16] * BINS + bin_number
    places[1] = (logarithmic(local) >> 1) * 32 + (logarithmic(first) >> 1)
    places[2] = (logarithmic(parent) >> 1) * 32 + (logarithmic(sibling) >> 1)
    places[3] = near
    places[4] = (logarithmic(first + second) >> 1) * 32 + (logarithmic(third) >> 1)
    places[5] = band[17] * 32 + (bin_number >> 1)
    places[6] = (logarithmic(local + first) >> 1) * 32 + (logarithmic(parent + sibling) >> 1)
    for i in range(CONTEXTS):
        places[i] = OFFSETS[i] + places[i] * NODES


@compiled
def code_band(
    registers: Array,
    data: Array,
    counters: Array,
    signs: Array,
    weights: Array,
    values: Array,
    references: Array,
    known: Array,
    band: Array,
    cousins: Array,
    mixed: Integer,
) -> None:
    """Write or read all integers of a band, in order of z, y, x.

    Parameters
    ----------
    values
        int32 (z, y, x), the whole slice; the band's part is read (encoder) or filled in (decoder).
    references, known
        int32 (3, z, y, x), other slices already coded, and which of the three there are: 0 absent, 1 alike in size, 2 as
        a context only.
    band
        Box of the band (6), box of its parent (6), shift from band to parent places (3), whether there is a parent,
        family (0 .. 3), place context (0 .. 63).
    cousins
        int64 (n, 6): boxes of bands of the same level already coded.
    mixed
        Whether contexts are mixed, or only the expected magnitude tells.
    """
    box = band[:6]
    family = band[16]
    nz, ny, nx = box[3] - box[0], box[4] - box[1], box[5] - box[2]
    high, deep = 1 if ny > 1 else 0, 1 if nz > 1 else 0
    near = np.zeros((nz + 2 * 2 * deep, ny + 4, nx + 4), np.int64)
    about = np.zeros((5, nz, ny, nx), np.int64)
    for r in range(3):
        if known[r]:
            means(references[r], box, about[r])
    if band[15]:
        parent_box = band[6:12]
        coarse = np.zeros(
            (parent_box[3] - parent_box[0], parent_box[4] - parent_box[1], parent_box[5] - parent_box[2]), np.int64
        )
        means(values, parent_box, coarse)
        spread(coarse, band, about[3])
    if cousins.shape[0]:
        add_cousins(values, band, cousins, about[4])
    places = np.zeros(CONTEXTS, np.int64)
    inputs = np.zeros(INPUTS, np.int64)
    weight = 2 + high + deep + 2 * (known[0] > 0) + (known[1] == 1) + 2 * (known[2] > 0) + band[15]
    lone = OFFSETS[CONTEXTS] + band[17]
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                za, ya, xa = z + box[0], y + box[1], x + box[2]
                zn, yn, xn = z + 2 * deep, y + 2, x + 2
                local = behind(near, zn, yn, xn, high, deep)
                first, second, third = about[0, z, y, x], about[1, z, y, x], about[2, z, y, x]
                parent, sibling = about[3, z, y, x], about[4, z, y, x]
                value = np.int64(values[za, ya, xa])
                alone = local + first + second + third + parent + sibling == 0
                if alone and code_simply(registers, data, counters, lone, 1 if value else 0) == 0:
                    values[za, ya, xa] = 0
                    continue
                total = local * (2 + high + deep) + 2 * first + 2 * third + ((parent * 7) >> 4)
                if known[1] == 1:
                    total += second
                bin_number = logarithmic(total // weight)
                north = near[zn, yn - 1, xn] if high else near[zn, yn, xn - 2]
                diagonal = near[zn, yn - 1, xn - 1] + near[zn, yn - 1, xn + 1]
                if deep:
                    diagonal += near[zn - 1, yn, xn]
                ahead = abs(np.int64(references[0, za, ya, xa])) if known[0] else 0
                beside = abs(np.int64(references[2, za, ya, xa])) if known[2] else 0
                find_places(
                    places,
                    known,
                    band,
                    local,
                    near[zn, yn, xn - 1],
                    north,
                    diagonal,
                    ahead,
                    beside,
                    first,
                    second,
                    third,
                    parent,
                    sibling,
                    bin_number,
                )
                magnitude = code_magnitude(
                    registers,
                    data,
                    counters,
                    weights,
                    places,
                    inputs,
                    family * BINS + bin_number,
                    mixed,
                    abs(value),
                    1 if alone else 0,
                )
                near[zn, yn, xn] = magnitude
                if magnitude:
                    negative = code_sign(
                        registers,
                        data,
                        signs,
                        values,
                        references,
                        known,
                        box,
                        family,
                        za,
                        ya,
                        xa,
                        1 if value < 0 else 0,
                    )
                    values[za, ya, xa] = -magnitude if negative else magnitude
                else:
                    values[za, ya, xa] = 0
