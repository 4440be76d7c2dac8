"""Transform slices by the lifting steps of the CDF 9/7 wavelet, in contiguous memory within the processor's cache.

Daubechies and Sweldens, "Factoring wavelet transforms into lifting steps", J. Fourier Anal. Appl. 4, 247 (1998), table
of section 7.7; scaled so that the transform is nearly orthonormal. A line is worked on as its even, then its odd values.

All places come from shapes alone: parts are within the slice (`wavelet.sizes_by_level`), a line that is split has at
least SHORTEST values, and there are as many odd values as even ones, or one less.
"""

from __future__ import annotations

import numpy as np

from baler_core.machine.compiled import Array, Integer, compiled, inlined, place_of

_FIRST, _SECOND, _THIRD, _FOURTH = -1.586134342059924, -0.052980118572961, 0.882911075530934, 0.443506852043971
_GAIN = 1.149604398860241
# So many neighbouring lines are worked on side by side, where they do not lie along the last axis.
_STRIP = 64


@compiled
def split_slices(slices: Array, sizes: Array) -> None:
    """Transform each slice in place.

    Parameters
    ----------
    slices
        float64 (slices, z * y * x), C order.
    sizes
        int64 (levels + 1, 3): the part still to be split before each level, and after the last; the first is (z, y, x).
    """
    scratch = new_scratch(sizes)
    for number in range(slices.shape[0]):
        for level in range(sizes.shape[0] - 1):
            for axis in range(3):
                if sizes[level, axis] != sizes[level + 1, axis]:
                    lift_axis(slices[number], sizes[0], sizes[level], axis, scratch, 1)


@compiled
def join_slices(slices: Array, sizes: Array) -> None:
    """Invert `split_slices`."""
    scratch = new_scratch(sizes)
    for number in range(slices.shape[0]):
        join_slice(slices[number], sizes, scratch)


@compiled
def restore_slices(integers: Array, step: float, slices: Array, sizes: Array) -> None:
    """Store what integers times a step are when joined; each slice is done while it is in the processor's cache.

    Parameters
    ----------
    integers
        int32 (slices, z * y * x).
    """
    scratch = new_scratch(sizes)
    for number in range(slices.shape[0]):
        given, made = integers[number], slices[number]
        for place in range(np.uint64(given.size)):
            made[place] = given[place] * step
        join_slice(made, sizes, scratch)


@inlined
def join_slice(flat: Array, sizes: Array, scratch: Array) -> None:
    """Join one slice in place."""
    for level in range(sizes.shape[0] - 2, -1, -1):
        for axis in range(2, -1, -1):
            if sizes[level, axis] != sizes[level + 1, axis]:
                lift_axis(flat, sizes[0], sizes[level], axis, scratch, 0)


@inlined
def new_scratch(sizes: Array) -> Array:
    """Allocate room for a strip of lines along z or y, or for one line along x."""
    return np.empty((max(sizes[0, 0], sizes[0, 1], sizes[0, 2] // _STRIP + 1), _STRIP))


@compiled
def lift_axis(flat: Array, shape: Array, part: Array, axis: Integer, scratch: Array, splitting: Integer) -> None:
    """Split or join all lines along one axis of the first `part` of a slice."""
    line, step = scratch.ravel(), (shape[1] * shape[2], shape[2])
    if axis == 2:
        for z in range(part[0]):
            for y in range(part[1]):
                first = z * step[0] + y * step[1]
                if splitting:
                    split_line(flat[first : first + part[2]], line)
                else:
                    join_line(flat[first : first + part[2]], line)
        return
    for number in range(part[1 - axis]):
        for first in range(0, part[2], _STRIP):
            width, start = min(_STRIP, part[2] - first), number * step[1 - axis] + first
            if splitting:
                split_strip(flat, start, step[axis], part[axis], width, scratch)
            else:
                join_strip(flat, start, step[axis], part[axis], width, scratch)


@compiled
def split_line(line: Array, scratch: Array) -> None:
    """Split one line in place."""
    odd, even = line.size // 2, (line.size + 1) // 2
    begin, one, two = place_of(even), place_of(1), place_of(2)
    for k in range(place_of(odd)):
        scratch[k] = line[two * k]
        scratch[begin + k] = line[two * k + one]
    scratch[even - 1] = line[2 * even - 2]
    lift_odd_of_line(scratch, even, odd, _FIRST)
    lift_even_of_line(scratch, even, odd, _SECOND)
    lift_odd_of_line(scratch, even, odd, _THIRD)
    lift_even_of_line(scratch, even, odd, _FOURTH)
    for k in range(place_of(even)):
        line[k] = scratch[k] * _GAIN
    for k in range(begin, place_of(even + odd)):
        line[k] = scratch[k] / _GAIN


@compiled
def join_line(line: Array, scratch: Array) -> None:
    """Invert `split_line`."""
    odd, even = line.size // 2, (line.size + 1) // 2
    for k in range(place_of(even)):
        scratch[k] = line[k] / _GAIN
    for k in range(place_of(even), place_of(even + odd)):
        scratch[k] = line[k] * _GAIN
    lift_even_of_line(scratch, even, odd, -_FOURTH)
    lift_odd_of_line(scratch, even, odd, -_THIRD)
    lift_even_of_line(scratch, even, odd, -_SECOND)
    lift_odd_of_line(scratch, even, odd, -_FIRST)
    begin, one, two = place_of(even), place_of(1), place_of(2)
    for k in range(place_of(odd)):
        line[two * k] = scratch[k]
        line[two * k + one] = scratch[begin + k]
    line[2 * even - 2] = scratch[even - 1]


@inlined
def lift_odd_of_line(line: Array, even: Integer, odd: Integer, factor: float) -> None:
    """Add `factor` times both neighbours to the odd values, mirrored at the end."""
    begin, one = place_of(even), place_of(1)
    for k in range(place_of(even - 1)):
        line[begin + k] += factor * (line[k] + line[k + one])
    if odd == even:
        line[even + odd - 1] += 2 * factor * line[even - 1]


@inlined
def lift_even_of_line(line: Array, even: Integer, odd: Integer, factor: float) -> None:
    """Add `factor` times both neighbours to the even values, mirrored at the ends."""
    line[0] += 2 * factor * line[even]
    begin, one = place_of(even), place_of(1)
    for k in range(one, place_of(odd)):
        line[k] += factor * (line[begin + k - one] + line[begin + k])
    if even > odd:
        line[even - 1] += 2 * factor * line[even + odd - 1]


@compiled
def split_strip(flat: Array, start: Integer, apart: Integer, count: Integer, width: Integer, scratch: Array) -> None:
    """Split `width` neighbouring lines of `count` values, which are `apart` in memory."""
    odd, even = count // 2, (count + 1) // 2
    for k in range(count):
        row, place = scratch[k], place_of(start + apart * (2 * k if k < even else 2 * (k - even) + 1))
        for x in range(place_of(width)):
            row[x] = flat[place + x]
    lift_odd_of_strip(scratch, even, odd, width, _FIRST)
    lift_even_of_strip(scratch, even, odd, width, _SECOND)
    lift_odd_of_strip(scratch, even, odd, width, _THIRD)
    lift_even_of_strip(scratch, even, odd, width, _FOURTH)
    for k in range(count):
        row, place = scratch[k], place_of(start + apart * k)
        if k < even:
            for x in range(place_of(width)):
                flat[place + x] = row[x] * _GAIN
        else:
            for x in range(place_of(width)):
                flat[place + x] = row[x] / _GAIN


@compiled
def join_strip(flat: Array, start: Integer, apart: Integer, count: Integer, width: Integer, scratch: Array) -> None:
    """Invert `split_strip`."""
    odd, even = count // 2, (count + 1) // 2
    for k in range(count):
        row, place = scratch[k], place_of(start + apart * k)
        if k < even:
            for x in range(place_of(width)):
                row[x] = flat[place + x] / _GAIN
        else:
            for x in range(place_of(width)):
                row[x] = flat[place + x] * _GAIN
    lift_even_of_strip(scratch, even, odd, width, -_FOURTH)
    lift_odd_of_strip(scratch, even, odd, width, -_THIRD)
    lift_even_of_strip(scratch, even, odd, width, -_SECOND)
    lift_odd_of_strip(scratch, even, odd, width, -_FIRST)
    for k in range(count):
        row, place = scratch[k], place_of(start + apart * (2 * k if k < even else 2 * (k - even) + 1))
        for x in range(place_of(width)):
            flat[place + x] = row[x]


@compiled
def lift_odd_of_strip(strip: Array, even: Integer, odd: Integer, width: Integer, factor: float) -> None:
    """Lift the odd values of lines side by side, as `lift_odd_of_line`."""
    for k in range(even - 1):
        add_scaled(strip[even + k], strip[k], strip[k + 1], factor, width)
    if odd == even:
        add_scaled(strip[even + odd - 1], strip[even - 1], strip[even - 1], factor, width)


@compiled
def lift_even_of_strip(strip: Array, even: Integer, odd: Integer, width: Integer, factor: float) -> None:
    """Lift the even values of lines side by side, as `lift_even_of_line`."""
    add_scaled(strip[0], strip[even], strip[even], factor, width)
    for k in range(1, odd):
        add_scaled(strip[k], strip[even + k - 1], strip[even + k], factor, width)
    if even > odd:
        add_scaled(strip[even - 1], strip[even + odd - 1], strip[even + odd - 1], factor, width)


@inlined
def add_scaled(row: Array, one: Array, other: Array, factor: float, width: Integer) -> None:
    """Add `factor` times the sum of two other rows to a row."""
    for x in range(place_of(width)):
        row[x] += factor * (one[x] + other[x])
