"""What already coded integers tell about each place of a band, found for whole bands and rows at a time.

Only magnitudes of coded integers enter, so that a decoder finds the same whatever its floating point does.
"""

from __future__ import annotations

import numpy as np

from baler_core.entropy.magnitudes import BINS, logarithmic
from baler_core.machine.compiled import Array, Integer, compiled, inlined

# What the sheet of a band tells of each place before anything of the band is coded; numbers of a place lie side by side.
TOTAL, FIRST, FIRST_BIN, FAMILY_BINS, OTHER_BINS, CLOSE, FAMILY, KNOWN = range(8)
SHEET = 8
# Rows of what is known of the places of a row once those above it are coded.
ABOVE, NORTH, QUIET = range(3)
# Magnitudes and means count up to this, so that all sums, of at most 20 of them, stay within 32 bits.
MOST = 1 << 26
# Hints below these, of 16 per lively coefficient nearby, are of the first families.
_FEW, _SOME = 8, 160


@compiled
def lively(values: Array, box: Array) -> Integer:
    """1 if any integer of a box of a slice differs from zero."""
    for z in range(box[0], box[3]):
        for y in range(box[1], box[4]):
            for x in range(box[2], box[5]):
                if values[z, y, x]:
                    return 1
    return 0


@inlined
def size_of(value: Integer) -> Integer:
    """The magnitude of an integer of 32 bits as far as it counts."""
    return min(abs(np.int64(value)), MOST)


@compiled
def means(values: Array, box: Array, out: Array) -> None:
    """16 x the weighted mean magnitude about each place of a box of a known slice, to the same places of `out`."""
    high, deep = box[4] - box[1] > 1, box[3] - box[0] > 1
    weight = 12 + (4 if high else 0) + (4 if deep else 0)
    scale = (1 << 20) // weight + 1
    for z in range(box[0], box[3]):
        for y in range(box[1], box[4]):
            row = out[z, y]
            for x in range(box[2], box[5]):
                row[x] = 8 * size_of(values[z, y, x])
            for x in range(box[2] + 1, box[5]):
                row[x] += 2 * size_of(values[z, y, x - 1])
                row[x - 1] += 2 * size_of(values[z, y, x])
            if y > box[1]:
                add_row(row, values[z, y - 1], box)
            if y + 1 < box[4]:
                add_row(row, values[z, y + 1], box)
            if z > box[0]:
                add_row(row, values[z - 1, y], box)
            if z + 1 < box[3]:
                add_row(row, values[z + 1, y], box)
            for x in range(box[2], box[5]):
                row[x] = min((16 * np.int64(row[x]) * scale) >> 20, MOST)


@compiled
def add_row(row: Array, values: Array, box: Array) -> None:
    """Take in the neighbours of one side."""
    for x in range(box[2], box[5]):
        row[x] += 2 * size_of(values[x])


@compiled
def add_parent(out: Array, means: Array, band: Array) -> None:
    """The means of the parent band at each place of a band, row after row."""
    shift, first, last = band[14], band[8], band[11] - 1
    ny, nx = band[4] - band[1], band[5] - band[2]
    for z in range(band[3] - band[0]):
        pz = min(band[6] + (z >> band[12]), band[9] - 1)
        for y in range(ny):
            py, at = min(band[7] + (y >> band[13]), band[10] - 1), (z * ny + y) * nx
            for x in range(nx):
                out[at + x] = means[pz, py, min(first + (x >> shift), last)]


@compiled
def add_cousins(out: Array, values: Array, cousins: Array, band: Array) -> None:
    """16 x the sum of magnitudes at the same places of other bands of the level."""
    ny, nx = band[4] - band[1], band[5] - band[2]
    for c in range(cousins.shape[0]):
        first, last = cousins[c, 2], cousins[c, 5] - 1
        for z in range(band[3] - band[0]):
            cz = min(cousins[c, 0] + z, cousins[c, 3] - 1)
            for y in range(ny):
                cy, at = min(cousins[c, 1] + y, cousins[c, 4] - 1), (z * ny + y) * nx
                for x in range(nx):
                    size = size_of(values[cz, cy, min(first + x, last)])
                    out[at + x] = min(out[at + x] + 16 * size, MOST)


@compiled
def fill_sheet(
    sheet: Array, parents: Array, siblings: Array, others: Array, ahead: Array, beside: Array, band: Array, many: bool
) -> None:
    """What is known of each place of a band; what only the contexts beyond the third look at is left out if not `many`.

    Parameters
    ----------
    parents, siblings
        See `add_parent` and `add_cousins`.
    others, ahead, beside
        `contexts.Views.others`, `nearest` and `beside`.
    """
    own_family, hinted, second_weight, place, at = band[16] * BINS, band[25], band[18], 0, 0
    for z in range(band[0], band[3]):
        for y in range(band[1], band[4]):
            for x in range(band[2], band[5]):
                first, second = np.int64(others[0, z, y, x]), np.int64(others[1, z, y, x])
                third, parent, sibling = (
                    np.int64(others[2, z, y, x]),
                    np.int64(parents[place]),
                    np.int64(siblings[place]),
                )
                family_bin = logarithmic(parent) >> 1
                sheet[at + TOTAL] = 2 * first + 2 * third + ((parent * 7) >> 4) + second_weight * second
                sheet[at + FIRST] = first
                sheet[at + FIRST_BIN] = (logarithmic(first) >> 1) * 32 + (logarithmic(parent + sibling) >> 1)
                sheet[at + FAMILY_BINS] = family_bin * 32 + (logarithmic(sibling) >> 1)
                sheet[at + FAMILY] = hinted_family(second) * BINS if hinted else own_family
                sheet[at + KNOWN] = first | second | third | parent | sibling
                if many:
                    sheet[at + OTHER_BINS] = (logarithmic(first + second) >> 1) * 32 + (logarithmic(third) >> 1)
                    sheet[at + CLOSE] = 3 * min(abs(ahead[z, y, x]), 2) + min(abs(beside[z, y, x]), 2)
                place += 1
                at += SHEET


@inlined
def look_above(
    above: Array, sheet: Array, near: Array, at: Integer, here: Integer, pitch: Integer, layer: Integer
) -> None:
    """What the rows above one tell of its places: a weighted sum, small magnitudes packed, lengths of runs of zeros.

    Parameters
    ----------
    above
        int32 (3, x): filled in.
    near
        Magnitudes of the band coded so far, flat, with a margin of 2 zeros.
    at, here
        Where the row begins in the sheet and in `near`.
    pitch, layer
        How far back the row before and the layer before are in `near`; `layer` is 0 if there is but one.
    """
    run = 0
    for x in range(above.shape[1] - 1, -1, -1):
        place = here + x
        north: Integer = np.int64(near[place - pitch])
        diagonal: Integer = np.int64(near[place - pitch - 1]) + near[place - pitch + 1]
        total = 4 * north + near[place - 2 * pitch] + 2 * diagonal
        # without layers the same reads stay within `near`, and do not count
        front, deep = place - layer, np.int64(layer > 0)
        total += deep * (4 * np.int64(near[front]) + near[place - 2 * layer] + near[front - 1] + near[front + 1])
        total += deep * (np.int64(near[front - pitch]) + near[front + pitch])
        diagonal += deep * near[front]
        above[ABOVE, x] = total
        above[NORTH, x] = 3 * min(north, 3) + min(diagonal, 2)
        run = 0 if total | sheet[at + x * SHEET + KNOWN] else run + 1
        above[QUIET, x] = run


@inlined
def hinted_family(hint: Integer) -> Integer:
    """Which family of counters a place belongs to where a hint tells how lively it is."""
    return 1 * (hint > 0) + (hint >= _FEW) + (hint >= _SOME)
