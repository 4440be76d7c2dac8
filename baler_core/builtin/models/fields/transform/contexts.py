"""Code the integers of one band with mixed contexts: probabilities of bits come from the integers already coded.

These are neighbours in the band, the same place in up to three other slices (earlier modes or frames, another
variable), in the parent band and in the siblings, the bands of the same level (see `neighbourhood`).
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from baler_core.builtin.models.fields.transform import band_fields as field
from baler_core.builtin.models.fields.transform.neighbourhood import (
    ABOVE,
    CLOSE,
    CONTEXT_SET,
    FIRST,
    FIRST_BIN,
    NORTH,
    OTHER_BINS,
    PARENT_BINS,
    SHEET,
    TOTAL,
    ZERO_RUN,
    OtherSlices,
    add_parent,
    add_siblings,
    fill_sheet,
    look_above,
)
from baler_core.entropy.arithmetic import Coder
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
from baler_core.machine.compiled import Array, Integer, compiled, inlined, place_of, with_item

_SHAPES = (4 * BINS, 32 * 32, 32 * 32, 32 * 32, 64 * 32, 4 * 4 * 3 * 3 * 3, 32 * 32)
OFFSETS = np.concatenate([[0], np.cumsum(_SHAPES)]).astype(np.int64) * NODES
_SIGNS = 3**5
# Counters of single places in runs of zeros, one for each class of bands, come before those of magnitudes.
BAND_CLASSES = 64
# Places in the counters of bands and runs of zeros: whole bands first, then runs.
RUNS = 64
SHORTEST_RUN, LONGEST_RUN = 8, 64
LARGEST = 1 << 22


class BandStatistics(NamedTuple):
    """Adaptive statistics of bands: one set per independently decodable part.

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


def new_statistics() -> BandStatistics:
    """Make counters and weights that have seen nothing."""
    counters = np.concatenate([new_counters(BAND_CLASSES), _first_counters()])
    return BandStatistics(counters, new_counters(_SIGNS * 4), new_counters(RUNS * 5), new_weights())


@functools.cache
def _first_counters() -> Array:
    counters = first_counters(int(OFFSETS[-1]))
    counters.setflags(write=False)
    return counters


class Views(NamedTuple):
    """One slice of one variable, and the slices that resemble it: all int32.

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
    there
        Whether there is a nearest slice, a second nearest one, and a variable before.
    """

    values: Array
    own: Array
    nearest: Array
    beside: Array
    others: Array
    there: tuple[bool, bool, bool]


@inlined
def sign_of(values: Array, at: Integer, step: Integer) -> Integer:
    """Return 0, 1 or 2 for a zero, positive or negative neighbour `step` places back; 0 for step 0."""
    # no branch may read an array: around it, references to the array would be counted each time
    value = np.int64(values[place_of(at - step)]) * (step > 0)
    return np.int64(value > 0) + 2 * np.int64(value < 0)


@inlined
def sign_place(
    values: Array, nearest: Array, beside: Array, at: Integer, steps: tuple[Integer, Integer, Integer], depth: Integer
) -> Integer:
    """Find where the counter of a sign is, by the signs about it; `steps` back are the neighbours in x, y and z."""
    place = sign_of(values, at, steps[0]) * 3 + sign_of(values, at, steps[1])
    place = place * 3 + sign_of(values, at, steps[2])
    place = place * 3 + sign_of(nearest, at + 1, 1)
    place = place * 3 + sign_of(beside, at + 1, 1)
    return place * 4 + depth


@compiled
def band_sheet(views: Views, band: Array, siblings: Array, many: bool, scratch: tuple[Array, Array, Array]) -> Array:
    """Fill in the sheet of a band: int32 (places * SHEET,), see `neighbourhood.fill_sheet`.

    It is the first of three arrays of `scratch`, which are large enough for any band.
    """
    nz, ny = band[field.END_Z] - band[field.FIRST_Z], band[field.END_Y] - band[field.FIRST_Y]
    places = nz * ny * (band[field.END_X] - band[field.FIRST_X])
    sheet, parents, sibling_sums = scratch[0][: places * SHEET], scratch[1][:places], scratch[2][:places]
    parents[:], sibling_sums[:] = 0, 0
    if band[field.HAS_PARENT]:
        add_parent(parents, views.own, band)
    add_siblings(sibling_sums, views.values, siblings, band)
    others = OtherSlices(views.others, views.nearest, views.beside)
    fill_sheet(sheet, parents, sibling_sums, others, band, many)
    return sheet


@inlined
def find_places(
    sheet: Array, at: Integer, local: Integer, close: Integer, chosen: Integer, chances: Integer, contexts: Places
) -> Places:
    """Find where each context keeps its counters: each of the numbers is below its entry in _SHAPES, and none negative.

    Logarithms are below 64, halves of them below 32; the smallest magnitudes, packed, are below 4 * 4 * 3 * 3 * 3.

    Parameters
    ----------
    at
        Where the place is in the sheet.
    local, close
        Expected magnitude by the neighbours in the band, and small ones of them, packed.
    chosen
        The context set and bin of the expected magnitude.
    chances
        Context of the slice and the band.
    """
    first, first_bin = sheet[place_of(at + FIRST)], sheet[place_of(at + FIRST_BIN)]
    found = (
        chosen,
        (logarithmic(local) >> 1) * 32 + (first_bin >> 5),
        np.int64(sheet[place_of(at + PARENT_BINS)]),
        np.int64(sheet[place_of(at + OTHER_BINS)]),
        chances * 32 + ((chosen & (BINS - 1)) >> 1),
        close + sheet[place_of(at + CLOSE)],
        (logarithmic(local + first) >> 1) * 32 + (first_bin & 31),
    )
    places = contexts
    for i in range(len(contexts)):
        places = with_item(places, i, BAND_CLASSES + OFFSETS[i] + found[i] * NODES)
    return places


@inlined
def any_of(values: Array, first: Integer, count: Integer) -> Integer:
    """Return 1 if anything in a stretch of a row differs from zero."""
    found: Integer = np.int64(0)
    for place in range(first, first + count):
        found |= values[place_of(place)]
    return np.int64(found != 0)


@inlined
def expected_by_band(above: Array, x: Integer, west: Integer, far: Integer, scale: Integer) -> Integer:
    """Return 16 x the weighted mean magnitude of the neighbours in the band."""
    return ((above[ABOVE, place_of(x)] + 4 * west + 2 * far) * scale) >> 16


@compiled
def code_band(
    coder: Coder, statistics: BandStatistics, views: Views, sheet: Array, band: Array, contexts: Places
) -> None:
    """Write or read all integers of a band (see `band_fields`), in order of z, y, x.

    One loop over arrays that are out of their tuples: of arrays in tuples, or of views of rows, references would be
    counted for every place or row. Bands lie within the slice and follow from its shape; runs end with their row
    (`neighbourhood.look_above`); `near` is kept below LARGEST, so that sums of 20 of them stay within 32 bits.

    Parameters
    ----------
    sheet
        See `band_sheet`.
    """
    (registers, data), (counters, signs, empty, weights), shape = coder, statistics, views.values.shape
    values, nearest, beside = views.values.reshape(-1), views.nearest.reshape(-1), views.beside.reshape(-1)
    nz, ny = band[field.END_Z] - band[field.FIRST_Z], band[field.END_Y] - band[field.FIRST_Y]
    nx = band[field.END_X] - band[field.FIRST_X]
    pitch, layer = nx + 4, (nx + 4) * (ny + 4) if nz > 1 else 0
    near, above = np.zeros((nz + 4 if nz > 1 else 1) * (ny + 4) * (nx + 4), np.int32), np.zeros((3, nx), np.int32)
    depth, band_class, high = band[field.CONTEXT_SET], band[field.BAND_CLASS], band[field.HAS_ROWS_ABOVE]
    own_scale, own_weight, scale = band[field.OWN_SCALE], band[field.OWN_WEIGHT], band[field.TOTAL_SCALE]
    for line in range(nz * ny):
        z, y = line // ny, line % ny
        start = ((z + band[field.FIRST_Z]) * shape[1] + y + band[field.FIRST_Y]) * shape[2] + band[field.FIRST_X]
        here, row = 2 * layer + z * layer + (y + 2) * pitch + 2, line * nx * SHEET
        look_above(above, sheet, near, row, here, (pitch, layer))
        steps, x, resume = (0, shape[2] * (y > 0), shape[1] * shape[2] * (z > 0)), 0, 0
        while x < nx:
            at, value = row + x * SHEET, np.int64(values[place_of(start + x)])
            west: Integer = np.int64(near[place_of(here + x - 1)])
            far: Integer = np.int64(near[place_of(here + x - 2)])
            zero_run = np.int64(above[ZERO_RUN, place_of(x)]) * (west + far == 0)
            if zero_run >= SHORTEST_RUN and x >= resume:
                run = min(zero_run, LONGEST_RUN)
                resume = x + run
                place = RUNS + band_class * 4 + bit_length(run) - 4
                if code_simply(registers, data, empty, place, any_of(values, start + x, run)) == 0:
                    x = resume
                    continue
            if zero_run and code_simply(registers, data, counters, band_class, 1 if value else 0) == 0:
                x += 1
                continue
            local = expected_by_band(above, x, west, far, own_scale)
            known: Integer = sheet[place_of(at + TOTAL)] + local * own_weight
            chosen = sheet[place_of(at + CONTEXT_SET)] + logarithmic((known * scale) >> 16)
            close = min(west, 3) * 108 + above[NORTH, place_of(x)] * 9 + (0 if high else 27 * min(far, 3))
            places = find_places(sheet, at, local, close, chosen, band_class, contexts)
            least = 1 if zero_run else 0
            size = code_magnitude(registers, data, counters, weights, places, chosen, abs(value), least)
            near[place_of(here + x)] = min(size, LARGEST)
            if size:
                back = (min(x, 1), steps[1], steps[2])
                place = sign_place(values, nearest, beside, start + x, back, depth)
                size = -size if code_simply(registers, data, signs, place, 1 if value < 0 else 0) else size
            values[place_of(start + x)] = size
            x += 1
