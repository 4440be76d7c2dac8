"""Codes the integers of one band: each coefficient's bits with probabilities from the coefficients already known.

What is known: neighbours in the band, the same place in up to three other slices (earlier modes or frames, another
variable), in the parent band and in the bands of the same level (see `surroundings`).
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from baler_core.builtin.models.fields.transform.neighbourhood import (
    ABOVE,
    CLOSE,
    FAMILY,
    FAMILY_BINS,
    FIRST,
    FIRST_BIN,
    NORTH,
    OTHER_BINS,
    QUIET,
    SHEET,
    TOTAL,
    add_cousins,
    add_parent,
    fill_sheet,
    look_above,
)
from baler_core.entropy.magnitudes import (
    BINS,
    NODES,
    Places,
    bit_length,
    code_magnitude,
    code_simply,
    first_counters,
    logarithmic,
    new_weights,
)
from baler_core.entropy.mixing import new_counters
from baler_core.machine.compiled import Array, Integer, compiled, inlined, with_item

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


@inlined
def sign_of(values: Array, at: Integer, step: Integer) -> Integer:
    """0, 1 or 2 for a zero, positive or negative neighbour `step` places back; 0 if there is none, which step 0 says."""
    # no branch may read an array: around it, references to the array would be counted each time
    value = np.int64(values[at - step]) * (step > 0)
    return np.int64(value > 0) + 2 * np.int64(value < 0)


@inlined
def sign_place(
    values: Array, nearest: Array, beside: Array, at: Integer, steps: tuple[Integer, Integer, Integer], depth: Integer
) -> Integer:
    """Where the counter of a sign is, by the signs about it; `steps` back are the neighbours in x, y and z."""
    place = sign_of(values, at, steps[0]) * 3 + sign_of(values, at, steps[1])
    place = place * 3 + sign_of(values, at, steps[2])
    place = place * 3 + sign_of(nearest, at + 1, 1)
    place = place * 3 + sign_of(beside, at + 1, 1)
    return place * 4 + depth


@compiled
def survey(views: Views, band: Array, cousins: Array, many: bool) -> Array:
    """The sheet of a band: int32 (places * SHEET,), see `surroundings.fill_sheet`."""
    places = (band[3] - band[0]) * (band[4] - band[1]) * (band[5] - band[2])
    parents, siblings = np.zeros(places, np.int32), np.zeros(places, np.int32)
    sheet = np.zeros(places * SHEET, np.int32)
    if band[15]:
        add_parent(parents, views.own, band)
    add_cousins(siblings, views.values, cousins, band)
    fill_sheet(sheet, parents, siblings, views.others, views.nearest, views.beside, band, many)
    return sheet


@inlined
def find_places(
    sheet: Array, at: Integer, local: Integer, close: Integer, chosen: Integer, chances: Integer, contexts: Places
) -> Places:
    """Where each context keeps its counters: each of the numbers is below its entry in _SHAPES, and none negative.

    Logarithms are below 64, halves of them below 32; the smallest magnitudes, packed, are below 4 * 4 * 3 * 3 * 3.

    Parameters
    ----------
    at
        Where the place is in the sheet.
    local, close
        Expected magnitude by the neighbours in the band, and small ones of them, packed.
    chosen
        The family and bin of the expected magnitude.
    chances
        Context of the slice and the band.
    contexts
        As many numbers as contexts are mixed.
    """
    first, first_bin = sheet[at + FIRST], sheet[at + FIRST_BIN]
    found = (
        chosen,
        (logarithmic(local) >> 1) * 32 + (first_bin >> 5),
        np.int64(sheet[at + FAMILY_BINS]),
        np.int64(sheet[at + OTHER_BINS]),
        chances * 32 + ((chosen & (BINS - 1)) >> 1),
        close + sheet[at + CLOSE],
        (logarithmic(local + first) >> 1) * 32 + (first_bin & 31),
    )
    places = contexts
    for i in range(len(contexts)):
        places = with_item(places, i, LONE + OFFSETS[i] + found[i] * NODES)
    return places


@inlined
def any_of(values: Array, first: Integer, count: Integer) -> Integer:
    """1 if anything in a stretch of a row differs from zero."""
    found = np.int64(0)
    for place in range(first, first + count):
        found |= values[place]
    return np.int64(found != 0)


@compiled
def code_band(
    registers: Array, data: Array, counters: Array, signs: Array, empty: Array, weights: Array,
    values: Array, nearest: Array, beside: Array, shape: tuple[Integer, Integer, Integer],
    sheet: Array, band: Array, contexts: Places,
) -> None:  # fmt: skip
    """Write or read all integers of a band (see `BAND_FIELDS`), in order of z, y, x.

    One loop over arrays that are arguments of their own: of arrays in tuples, or of views of rows, references would be
    counted for every place or row. Bands lie within the slice and follow from its shape; runs end with their row
    (`surroundings.look_above`); `near` is kept below LARGEST, so that sums of 20 of them stay within 32 bits.

    Parameters
    ----------
    values, nearest, beside
        See `Views`; flat, of this `shape`.
    sheet
        See `survey`.
    contexts
        As many numbers as contexts are mixed.
    """
    nz, ny, nx = band[3] - band[0], band[4] - band[1], band[5] - band[2]
    pitch, layer = nx + 4, (nx + 4) * (ny + 4) if nz > 1 else 0
    near, above = np.zeros((nz + 4 if nz > 1 else 1) * (ny + 4) * (nx + 4), np.int32), np.zeros((3, nx), np.int32)
    depth, lone, high, own_scale, own_weight, scale = band[16], band[17], band[19], band[20], band[21], band[22]
    for z in range(nz):
        for y in range(ny):
            start = ((z + band[0]) * shape[1] + y + band[1]) * shape[2] + band[2]
            here, row = 2 * layer + z * layer + (y + 2) * pitch + 2, (z * ny + y) * nx * SHEET
            look_above(above, sheet, near, row, here, pitch, layer)
            x, resume = 0, 0
            while x < nx:
                at, value = row + x * SHEET, np.int64(values[start + x])
                west: Integer = np.int64(near[here + x - 1])
                far: Integer = np.int64(near[here + x - 2])
                quiet = np.int64(above[QUIET, x]) * (west + far == 0)
                if quiet >= SHORTEST_RUN and x >= resume:
                    run = min(quiet, LONGEST_RUN)
                    resume = x + run
                    place = RUNS + lone * 4 + bit_length(run) - 4
                    if code_simply(registers, data, empty, place, any_of(values, start + x, run)) == 0:
                        x = resume
                        continue
                if quiet and code_simply(registers, data, counters, lone, 1 if value else 0) == 0:
                    x += 1
                    continue
                local = ((above[ABOVE, x] + 4 * west + 2 * far) * own_scale) >> 16
                chosen = sheet[at + FAMILY] + logarithmic(((sheet[at + TOTAL] + local * own_weight) * scale) >> 16)
                close = min(west, 3) * 108 + above[NORTH, x] * 9 + (0 if high else 27 * min(far, 3))
                places = find_places(sheet, at, local, close, chosen, lone, contexts)
                size = code_magnitude(registers, data, counters, weights, places, chosen, abs(value), 1 if quiet else 0)
                near[here + x] = min(size, LARGEST)
                if size:
                    steps = (min(x, 1), shape[2] * (y > 0), shape[1] * shape[2] * (z > 0))
                    place = sign_place(values, nearest, beside, start + x, steps, depth)
                    size = -size if code_simply(registers, data, signs, place, 1 if value < 0 else 0) else size
                values[start + x] = size
                x += 1
