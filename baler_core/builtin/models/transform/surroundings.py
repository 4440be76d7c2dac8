"""What already coded integers tell about each place of a band, found for whole bands and rows at a time.

Only magnitudes of coded integers enter, so that a decoder finds the same whatever its floating point does.
"""

from __future__ import annotations

import numpy as np

from baler_core.builtin.models.magnitudes import logarithmic
from baler_core.compiled import Array, Integer, compiled, inlined

# Rows of the sheet of a row of a band: what is known of each place before its left neighbours are.
ABOVE, TOTAL, FIRST, FIRST_BIN, FAMILY_BINS, OTHER_BINS, CLOSE, QUIET, FAMILY = range(9)
SHEET_ROWS = 9
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
                row[x] = 8 * abs(np.int64(values[z, y, x]))
            for x in range(box[2] + 1, box[5]):
                row[x] += 2 * abs(np.int64(values[z, y, x - 1]))
                row[x - 1] += 2 * abs(np.int64(values[z, y, x]))
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
        row[x] += 2 * abs(np.int64(values[x]))


@compiled
def spread(coarse: Array, band: Array, z: Integer, y: Integer, out: Array) -> None:
    """The means of the parent band at each place of a row of a band."""
    pz = min(band[6] + (z >> band[12]), band[9] - 1)
    py = min(band[7] + (y >> band[13]), band[10] - 1)
    row = coarse[pz, py]
    shift, first, last = band[14], band[8], band[11] - 1
    for x in range(out.size):
        out[x] = row[min(first + (x >> shift), last)]


@compiled
def add_cousins(values: Array, cousins: Array, count: Integer, z: Integer, y: Integer, out: Array) -> None:
    """16 x the sum of magnitudes at the same places of other bands of the level."""
    for c in range(count):
        cz, cy = min(cousins[c, 0] + z, cousins[c, 3] - 1), min(cousins[c, 1] + y, cousins[c, 4] - 1)
        row = values[cz, cy]
        first, last = cousins[c, 2], cousins[c, 5] - 1
        for x in range(out.size):
            out[x] = min(out[x] + 16 * abs(np.int64(row[min(first + x, last)])), MOST)


@compiled
def add_above(near: Array, z: Integer, y: Integer, high: Integer, deep: Integer, out: Array) -> None:
    """Weighted sum of the coded neighbours that lie in other rows; `near` has a margin of 2 zeros."""
    if high:
        north, far = near[z, y - 1], near[z, y - 2]
        for x in range(out.size):
            out[x] += 4 * north[x + 2] + far[x + 2] + 2 * (north[x + 1] + north[x + 3])
    if deep:
        front, far = near[z - 1, y], near[z - 2, y]
        up, down = near[z - 1, y - 1], near[z - 1, y + 1]
        for x in range(out.size):
            out[x] += 4 * front[x + 2] + far[x + 2] + up[x + 2] + down[x + 2] + front[x + 1] + front[x + 3]


@compiled
def fill_close(
    sheet: Array, near: Array, ahead: Array, beside: Array, z: Integer, y: Integer, high: Integer, deep: Integer
) -> None:
    """Small magnitudes next to each place, packed: of the north, the diagonals, and the same place of two slices."""
    north = near[z, y - 1]
    for x in range(sheet.shape[1]):
        diagonal = north[x + 1] + north[x + 3] if high else 0
        if deep:
            diagonal += near[z - 1, y, x + 2]
        close = min(north[x + 2], 3) * 3 if high else 0
        close = ((close + min(diagonal, 2)) * 3 + min(abs(ahead[x]), 2)) * 3 + min(abs(beside[x]), 2)
        sheet[CLOSE, x] = close


@compiled
def fill_bins(sheet: Array, second: Array, third: Array, parent: Array, sibling: Array) -> None:
    """Logarithmic bins of what is known, packed in pairs."""
    for x in range(sheet.shape[1]):
        first = np.int64(sheet[FIRST, x])
        kin = (logarithmic(parent[x]) >> 1) * 32 + (logarithmic(sibling[x]) >> 1)
        other = (logarithmic(first + second[x]) >> 1) * 32 + (logarithmic(third[x]) >> 1)
        sheet[FIRST_BIN, x] = (logarithmic(first) >> 1) * 32 + (logarithmic(np.int64(parent[x]) + sibling[x]) >> 1)
        sheet[FAMILY_BINS, x] = kin
        sheet[OTHER_BINS, x] = other


@compiled
def find_quiet(sheet: Array, second: Array, third: Array, parent: Array, sibling: Array) -> None:
    """How many places from each on have nothing but zeros about them in what is known."""
    run = 0
    for x in range(sheet.shape[1] - 1, -1, -1):
        known = sheet[ABOVE, x] | sheet[FIRST, x] | second[x] | third[x] | parent[x] | sibling[x]
        run = 0 if known else run + 1
        sheet[QUIET, x] = run


@inlined
def hinted_family(hint: Integer) -> Integer:
    """Which family of counters a place belongs to where a hint tells how lively it is."""
    return 1 * (hint > 0) + (hint >= _FEW) + (hint >= _SOME)
