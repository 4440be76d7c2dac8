"""Codes the integers of one band: each coefficient's bits with probabilities from the coefficients already known.

What is known: neighbours in the band, the same place in up to three other slices (earlier modes or frames, another
variable), in the parent band and in the bands of the same level (see `surroundings`).
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from baler_core.arithmetic import Coder
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
from baler_core.builtin.models.transform.surroundings import (
    ABOVE,
    CLOSE,
    FAMILY,
    FAMILY_BINS,
    FIRST,
    FIRST_BIN,
    OTHER_BINS,
    QUIET,
    SHEET_ROWS,
    TOTAL,
    add_above,
    add_cousins,
    fill_bins,
    fill_close,
    find_quiet,
    hinted_family,
    spread,
)
from baler_core.compiled import Array, Integer, compiled, inlined
from baler_core.mixing import new_counters

_SHAPES = (4 * BINS, 32 * 32, 32 * 32, 32 * 32, 64 * 32, 4 * 4 * 3 * 3 * 3, 32 * 32)
OFFSETS = np.concatenate([[0], np.cumsum(_SHAPES)]).astype(np.int64) * NODES
_SIGNS = 3**5
# Counters of lone places come before those of magnitudes.
LONE = 64
# Places in the counters of bands and runs of zeros: whole bands first, then runs.
RUNS = 64
SHORTEST_RUN, LONGEST_RUN = 8, 64
LARGEST = 1 << 22
# Fields of the description of a band: its box (6), the box of its parent (6), shift from band to parent places (3),
# whether there is a parent, family (0 .. 3), place context (0 .. 63), weight of the second slice, whether rows have
# rows above them, the weight of its own row and two scales that stand for divisions, kind, number of cousins, and
# whether hints take the place of the second slice.
BAND_FIELDS = 26


class Memory(NamedTuple):
    """What adapts while bands are coded: one per independently decodable part.

    Attributes
    ----------
    counters, signs, empty
        uint32 adaptive probabilities of magnitudes, of signs, and of bands and runs being zero.
    weights
        int32 weights of the two mixers, chosen by node and by expected magnitude.
    """

    counters: Array
    signs: Array
    empty: Array
    weights: Array


def new_memory() -> Memory:
    """Counters and weights before anything is coded."""
    counters = np.concatenate([new_counters(LONE), _first_counters()])
    return Memory(counters, new_counters(_SIGNS * 4), new_counters(RUNS * 5), new_weights())


@functools.cache
def _first_counters() -> Array:
    counters = first_counters(int(OFFSETS[-1]))
    counters.setflags(write=False)
    return counters


class Views(NamedTuple):
    """One slice of one variable, and what tells about it: all int32.

    Attributes
    ----------
    values
        (z, y, x): read (encoder), or filled in (decoder: zeros at first).
    own
        Same shape: means of its magnitudes in the bands already coded.
    nearest, beside
        Same shape: the slice most like this one, and that of the variable before; zeros where there is none.
    others
        (3, z, y, x): means of the nearest, the second nearest (or a hint), and the variable before.
    """

    values: Array
    own: Array
    nearest: Array
    beside: Array
    others: Array


class Rows(NamedTuple):
    """What is known of the places of a row of a band; see `survey`.

    Attributes
    ----------
    sheet
        int32 (SHEET_ROWS, x).
    near
        int32 (z, y, x) with margins of 2: magnitudes of this band coded so far.
    kin
        int32 (2, x): of the parent band, and of other bands of the level.
    places, inputs
        Where the contexts of a place keep their counters, and what they say.
    """

    sheet: Array
    near: Array
    kin: Array
    places: Array
    inputs: Array


@inlined
def new_rows(band: Array) -> Rows:
    """Room for the rows of a band."""
    nz, ny, nx = band[3] - band[0], band[4] - band[1], band[5] - band[2]
    return Rows(
        np.zeros((SHEET_ROWS, nx), np.int32),
        np.zeros((nz + 4 if nz > 1 else nz, ny + 4, nx + 4), np.int32),
        np.zeros((2, nx), np.int32),
        np.zeros(CONTEXTS, np.int64),
        np.zeros(INPUTS, np.int32),
    )


@inlined
def sign_of(values: Array, z: Integer, y: Integer, x: Integer, box: Array) -> Integer:
    """0, 1 or 2 for a zero (or nothing), positive or negative neighbour."""
    if z < box[0] or y < box[1] or x < box[2]:
        return 0
    value = values[z, y, x]
    return 0 if value == 0 else 1 if value > 0 else 2


@inlined
def sign_place(
    values: Array, nearest: Array, beside: Array, band: Array, z: Integer, y: Integer, x: Integer
) -> Integer:
    """Where the counter of a sign is, by the signs about it."""
    place = sign_of(values, z, y, x - 1, band) * 3 + sign_of(values, z, y - 1, x, band)
    place = place * 3 + sign_of(values, z - 1, y, x, band)
    place = place * 3 + sign_of(nearest, z, y, x, band)
    place = place * 3 + sign_of(beside, z, y, x, band)
    return place * 4 + band[16]


@compiled
def survey(rows: Rows, views: Views, band: Array, cousins: Array, z: Integer, y: Integer) -> None:
    """Fill in all that is known of a row (z, y) of a band before its first place is coded."""
    sheet, near, kin, _, _ = rows
    high, deep = 1 if band[4] - band[1] > 1 else 0, 1 if band[3] - band[0] > 1 else 0
    sheet[ABOVE] = 0
    kin[:] = 0
    add_above(near, z + 2 * deep, y + 2, high, deep, sheet[ABOVE])
    if band[15]:
        spread(views.own, band, z, y, kin[0])
    add_cousins(views.values, cousins, cousins.shape[0], z, y, kin[1])
    za, ya, first, end = z + band[0], y + band[1], band[2], band[5]
    sheet[FIRST] = views.others[0, za, ya, first:end]
    second, third = views.others[1, za, ya, first:end], views.others[2, za, ya, first:end]
    find_quiet(sheet, second, third, kin[0], kin[1])
    for x in range(sheet.shape[1]):
        sheet[TOTAL, x] = 2 * sheet[FIRST, x] + 2 * third[x] + ((kin[0, x] * 7) >> 4) + band[18] * second[x]
    sheet[FAMILY] = band[16] * BINS
    if band[25]:
        for x in range(sheet.shape[1]):
            sheet[FAMILY, x] = hinted_family(second[x]) * BINS
    fill_bins(sheet, second, third, kin[0], kin[1])
    ahead, side = views.nearest[za, ya, first:end], views.beside[za, ya, first:end]
    fill_close(sheet, near, ahead, side, z + 2 * deep, y + 2, high, deep)


@inlined
def find_places(
    places: Array, sheet: Array, x: Integer, local: Integer, west: Integer, far: Integer, chosen: Integer, band: Array
) -> None:
    """Where each context keeps its counters; `chosen` is the family and bin of the expected magnitude."""
    places[0] = chosen
    places[1] = (logarithmic(local) >> 1) * 32 + (sheet[FIRST_BIN, x] >> 5)
    places[2] = sheet[FAMILY_BINS, x]
    places[3] = sheet[OTHER_BINS, x]
    places[4] = band[17] * 32 + ((chosen & (BINS - 1)) >> 1)
    places[5] = min(west, 3) * 108 + sheet[CLOSE, x] + (27 * min(far, 3) if band[19] == 0 else 0)
    places[6] = (logarithmic(local + sheet[FIRST, x]) >> 1) * 32 + (sheet[FIRST_BIN, x] & 31)
    for i in range(CONTEXTS):
        places[i] = LONE + OFFSETS[i] + places[i] * NODES


@inlined
def code_run(registers: Array, data: Array, empty: Array, row: Array, place: Integer) -> Integer:
    """Whether a stretch of a row whose surroundings are all zero is so itself: 1 if not."""
    wanted = 0
    for x in range(row.size):
        if row[x]:
            wanted = 1
    return code_simply(registers, data, empty, RUNS + place * 4 + bit_length(row.size) - 4, wanted)


@compiled
def code_row(
    coder: Coder, memory: Memory, views: Views, rows: Rows, band: Array, z: Integer, y: Integer, mixed: Integer
) -> None:
    """Write or read the integers of a row (z, y) of a band; their magnitudes go to `near`."""
    registers, data = coder
    counters, signs, empty, weights = memory
    values, nearest, beside = views.values, views.nearest, views.beside
    sheet, near, _, places, inputs = rows
    around = near[z + 2 if near.shape[0] > 1 else z, y + 2]
    za, ya, first = z + band[0], y + band[1], band[2]
    row, lone = values[za, ya], band[17]
    x, resume = 0, 0
    while x < sheet.shape[1]:
        west, far = np.int64(around[x + 1]), np.int64(around[x])
        quiet = sheet[QUIET, x] if west + far == 0 else 0
        if quiet >= SHORTEST_RUN and x >= resume:
            length = min(quiet, LONGEST_RUN)
            resume = x + length
            if code_run(registers, data, empty, row[first + x : first + resume], lone) == 0:
                x = resume
                continue
        value = np.int64(row[first + x])
        if quiet and code_simply(registers, data, counters, lone, 1 if value else 0) == 0:
            x += 1
            continue
        local = ((sheet[ABOVE, x] + 4 * west + 2 * far) * band[20]) >> 16
        chosen = sheet[FAMILY, x] + logarithmic(((sheet[TOTAL, x] + local * band[21]) * band[22]) >> 16)
        find_places(places, sheet, x, local, west, far, chosen, band)
        size = code_magnitude(
            registers, data, counters, weights, places, inputs, chosen, mixed, abs(value), 1 if quiet else 0
        )
        around[x + 2] = min(size, LARGEST)
        if size:
            place = sign_place(values, nearest, beside, band, za, ya, first + x)
            negative = code_simply(registers, data, signs, place, 1 if value < 0 else 0)
            row[first + x] = -size if negative else size
        else:
            row[first + x] = 0
        x += 1
