"""Sum up the integers already coded around each place of a band, for whole bands and rows at a time.

Only magnitudes of coded integers enter, so that a decoder finds the same whatever its floating point does.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from baler_core.builtin.models.fields.transform import band_fields as field
from baler_core.entropy.magnitudes import BINS, logarithmic
from baler_core.machine.compiled import Array, Integer, compiled, inlined, place_of

# Numbers that the sheet of a band holds for each place, side by side, before anything of the band is coded.
TOTAL, FIRST, FIRST_BIN, PARENT_BINS, OTHER_BINS, CLOSE, CONTEXT_SET, KNOWN = range(8)
SHEET = 8
# Rows of what is known of the places of a row once those above it are coded.
ABOVE, NORTH, ZERO_RUN = range(3)
# Magnitudes and means count up to this, so that all sums, of at most 20 of them, stay within 32 bits.
MOST = 1 << 26
# Hints below these, of 16 per nonzero coefficient nearby, choose the first context sets.
_FEW, _SOME = 8, 160


@compiled
def any_nonzero(values: Array, box: Array) -> Integer:
    """Return 1 if any integer of a box of a slice differs from zero."""
    for z in range(box[field.FIRST_Z], box[field.END_Z]):
        for y in range(box[field.FIRST_Y], box[field.END_Y]):
            for x in range(place_of(box[field.FIRST_X]), place_of(box[field.END_X])):
                if values[z, y, x]:
                    return 1
    return 0


@inlined
def size_of(value: Integer) -> Integer:
    """Return the magnitude of an integer of 32 bits as far as it counts."""
    return min(abs(np.int64(value)), MOST)


@compiled
def means(values: Array, box: Array, out: Array) -> None:
    """Store 16 x the weighted mean magnitude about each place of a box of a coded slice in the same places of `out`."""
    high, deep = box[field.END_Y] - box[field.FIRST_Y] > 1, box[field.END_Z] - box[field.FIRST_Z] > 1
    weight = 12 + (4 if high else 0) + (4 if deep else 0)
    scale = (1 << 20) // weight + 1
    for z in range(box[field.FIRST_Z], box[field.END_Z]):
        for y in range(box[field.FIRST_Y], box[field.END_Y]):
            row, first, end, one = out[z, y], place_of(box[field.FIRST_X]), place_of(box[field.END_X]), place_of(1)
            for x in range(first, end):
                row[x] = 8 * size_of(values[z, y, x])
            for x in range(first + one, end):
                row[x] += 2 * size_of(values[z, y, x - one])
            for x in range(first + one, end):
                row[x - one] += 2 * size_of(values[z, y, x])
            if y > box[field.FIRST_Y]:
                add_row(row, values[z, y - 1], box)
            if y + 1 < box[field.END_Y]:
                add_row(row, values[z, y + 1], box)
            if z > box[field.FIRST_Z]:
                add_row(row, values[z - 1, y], box)
            if z + 1 < box[field.END_Z]:
                add_row(row, values[z + 1, y], box)
            for x in range(first, end):
                row[x] = min((16 * np.int64(row[x]) * scale) >> 20, MOST)


@compiled
def add_row(row: Array, values: Array, box: Array) -> None:
    """Add the neighbours on one side."""
    for x in range(place_of(box[field.FIRST_X]), place_of(box[field.END_X])):
        row[x] += 2 * size_of(values[x])


@compiled
def add_parent(out: Array, means: Array, band: Array) -> None:
    """Store the means of the parent band at each place of a band, row after row."""
    shift, first, last = band[field.SHIFT_X], band[field.PARENT_X], band[field.PARENT_END_X] - 1
    ny, nx = band[field.END_Y] - band[field.FIRST_Y], band[field.END_X] - band[field.FIRST_X]
    for z in range(band[field.END_Z] - band[field.FIRST_Z]):
        pz = min(band[field.PARENT_Z] + (z >> band[field.SHIFT_Z]), band[field.PARENT_END_Z] - 1)
        for y in range(ny):
            py, at = (
                min(band[field.PARENT_Y] + (y >> band[field.SHIFT_Y]), band[field.PARENT_END_Y] - 1),
                (z * ny + y) * nx,
            )
            for x in range(nx):
                out[place_of(at + x)] = means[pz, py, place_of(min(first + (x >> shift), last))]


@compiled
def add_siblings(out: Array, values: Array, boxes: Array, band: Array) -> None:
    """Add 16 x the magnitudes at the same places of `boxes`, other bands of the level."""
    ny, nx = band[field.END_Y] - band[field.FIRST_Y], band[field.END_X] - band[field.FIRST_X]
    for c in range(boxes.shape[0]):
        first, last = boxes[c, field.FIRST_X], boxes[c, field.END_X] - 1
        for z in range(band[field.END_Z] - band[field.FIRST_Z]):
            cz = min(boxes[c, field.FIRST_Z] + z, boxes[c, field.END_Z] - 1)
            for y in range(ny):
                cy, at = min(boxes[c, field.FIRST_Y] + y, boxes[c, field.END_Y] - 1), (z * ny + y) * nx
                for x in range(nx):
                    size, to = size_of(values[cz, cy, place_of(min(first + x, last))]), place_of(at + x)
                    out[to] = min(out[to] + 16 * size, MOST)


class OtherSlices(NamedTuple):
    """The slices that resemble one, all int32.

    Attributes
    ----------
    means
        (3, z, y, x): means of the nearest, the second nearest (or a hint), and the variable before.
    nearest, beside
        (z, y, x): integers of the nearest slice and of the variable before.
    """

    means: Array
    nearest: Array
    beside: Array


@compiled
def fill_sheet(sheet: Array, parents: Array, siblings: Array, others: OtherSlices, band: Array, many: bool) -> None:
    """Fill in what is known of each place of a band; unless `many`, without what only contexts beyond the third use.

    Parameters
    ----------
    parents, siblings
        See `add_parent` and `add_siblings`.
    """
    means, ahead, beside = others
    own_set, hinted, place, at = band[field.CONTEXT_SET] * BINS, band[field.HINTED], 0, 0
    for z in range(band[field.FIRST_Z], band[field.END_Z]):
        for y in range(band[field.FIRST_Y], band[field.END_Y]):
            for x in range(place_of(band[field.FIRST_X]), place_of(band[field.END_X])):
                first, second = np.int64(means[0, z, y, x]), np.int64(means[1, z, y, x])
                third: Integer = np.int64(means[2, z, y, x])
                parent, sibling = np.int64(parents[place_of(place)]), np.int64(siblings[place_of(place)])
                total = 2 * first + 2 * third + ((parent * 7) >> 4)
                sheet[place_of(at + TOTAL)] = total + band[field.HAS_SECOND] * second
                sheet[place_of(at + FIRST)] = first
                sheet[place_of(at + FIRST_BIN)] = (logarithmic(first) >> 1) * 32 + (logarithmic(parent + sibling) >> 1)
                sheet[place_of(at + PARENT_BINS)] = (logarithmic(parent) >> 1) * 32 + (logarithmic(sibling) >> 1)
                sheet[place_of(at + CONTEXT_SET)] = hinted_context_set(second) * BINS if hinted else own_set
                sheet[place_of(at + KNOWN)] = first | second | third | parent | sibling
                if many:
                    sheet[place_of(at + OTHER_BINS)] = (logarithmic(first + second) >> 1) * 32 + (
                        logarithmic(third) >> 1
                    )
                    sheet[place_of(at + CLOSE)] = 3 * min(abs(ahead[z, y, x]), 2) + min(abs(beside[z, y, x]), 2)
                place += 1
                at += SHEET


@inlined
def look_above(
    above: Array, sheet: Array, near: Array, at: Integer, here: Integer, back: tuple[Integer, Integer]
) -> None:
    """Sum up the rows above one: a weighted sum, small magnitudes packed, lengths of runs of zeros.

    Parameters
    ----------
    above
        int32 (3, x): filled in.
    near
        Magnitudes of the band coded so far, flat, with a margin of 2 zeros.
    at, here
        Where the row begins in the sheet and in `near`.
    back
        How far back the row before and the layer before are in `near`; the latter is 0 if there is but one.
    """
    (pitch, layer), run = back, 0
    for x in range(above.shape[1] - 1, -1, -1):
        place = here + x
        north: Integer = np.int64(near[place_of(place - pitch)])
        diagonal: Integer = np.int64(near[place_of(place - pitch - 1)]) + near[place_of(place - pitch + 1)]
        total = 4 * north + near[place_of(place - 2 * pitch)] + 2 * diagonal
        # without layers the same reads stay within `near`, and do not count
        front, deep = place - layer, np.int64(layer > 0)
        total += deep * (
            4 * np.int64(near[place_of(front)])
            + near[place_of(place - 2 * layer)]
            + near[place_of(front - 1)]
            + near[place_of(front + 1)]
        )
        total += deep * (np.int64(near[place_of(front - pitch)]) + near[place_of(front + pitch)])
        diagonal += deep * near[place_of(front)]
        above[ABOVE, place_of(x)] = total
        above[NORTH, place_of(x)] = 3 * min(north, 3) + min(diagonal, 2)
        run = 0 if total | sheet[place_of(at + x * SHEET + KNOWN)] else run + 1
        above[ZERO_RUN, place_of(x)] = run


@inlined
def hinted_context_set(hint: Integer) -> Integer:
    """Choose the context set of a place by its hint."""
    return 1 * (hint > 0) + (hint >= _FEW) + (hint >= _SOME)
