"""Take the bits of floats apart into numbers of cells and rests, and put them together: loops over one value after the other.

All of it is done in integers: floats are magnitudes m * 2^e, of which the bits hold m and e.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from baler_core.entropy.magnitudes import bit_length
from baler_core.machine.compiled import Array, Integer, compiled, inlined

# The width of what is left of cells next to 0.
NEAR = 255
MOST_WIDTH = 62


class Geometry(NamedTuple):
    """Cells and floats, in numbers; see `float_cells.FloatCells`.

    Attributes
    ----------
    even
        1 if cells are of one size, 0 if they hold as many floats each.
    mantissa, bias
        Bits of the mantissa, and what exponents are stored with.
    size, zeros, lowest
        As in `FloatCells`; `lowest` is at least that of the smallest float.
    """

    even: int
    mantissa: int
    bias: int
    size: int
    zeros: int
    lowest: int


@inlined
def magnitude_of(number: Integer) -> Integer:
    """Return the number of a cell without its sign."""
    return ~number if number < 0 else number


@inlined
def shifted(number: Integer, shift: Integer) -> Integer:
    """Return a number of at most 63 bits times a power of two, which may be negative; shifts beyond 62 leave nothing."""
    if shift >= 0:
        return number << min(shift, np.int64(MOST_WIDTH))
    return np.int64(0) if shift < -MOST_WIDTH else number >> -shift


@inlined
def width_of(magnitude: Integer, geometry: Geometry) -> Integer:
    """Return how many bits tell which of its cell a float is, from 0 to MOST_WIDTH; NEAR next to 0."""
    if geometry.even == 0:
        return np.int64(geometry.size)
    if magnitude == 0:
        return np.int64(NEAR)
    unit = bit_length(magnitude) + geometry.size - (geometry.mantissa + 1 - geometry.zeros)
    return min(max(geometry.size - max(unit, geometry.lowest), 0), MOST_WIDTH)


@inlined
def split(code: Integer, geometry: Geometry) -> tuple[Integer, Integer]:
    """Return the integer that a float's bits without sign hold, and the power of two that it is multiplied by."""
    exponent, whole = code >> geometry.mantissa, code & ((1 << geometry.mantissa) - 1)
    if exponent == 0:
        return whole, 1 - geometry.bias - geometry.mantissa
    return whole | (1 << geometry.mantissa), exponent - geometry.bias - geometry.mantissa


@compiled
def number_cells(numbers: Array, bits: Array, geometry: Geometry, sign: Integer) -> None:
    """Find the cells of floats, given as int64 of their bits, of which that number `sign` is the sign."""
    for i in range(bits.size):
        code = bits[i] & ((np.int64(1) << sign) - 1)
        if geometry.even:
            whole, power = split(code, geometry)
            found = shifted(whole, power - geometry.size)
        else:
            found = code >> min(geometry.zeros + geometry.size, 63)
        numbers[i] = ~found if (bits[i] >> sign) & 1 else found


@compiled
def take_rests(rests: Array, widths: Array, near: Array, bits: Array, numbers: Array, geometry: Geometry) -> Integer:
    """Store the rests of floats, and their widths; rests next to 0 in `near`. Returns how many of the former there are.

    Rests are XOR the one before if both are of one cell. Each value makes one rest, for which there is room.
    """
    count = beside = last = before = np.int64(0)
    for i in range(bits.size):
        magnitude = magnitude_of(numbers[i])
        width = width_of(magnitude, geometry)
        # numbers are negative where the sign is set
        code = bits[i] & 0x7FFFFFFFFFFFFFFF
        if geometry.mantissa < 24:
            code &= 0x7FFFFFFF
        if width == NEAR:
            near[beside] = code >> geometry.zeros
            beside += 1
            continue
        if geometry.even:
            whole, power = split(code, geometry)
            inside = whole - shifted(magnitude, geometry.size - power)
            rest = shifted(inside, power - geometry.size + width)
        else:
            rest = (code >> geometry.zeros) & ((np.int64(1) << width) - 1)
        same = count > 0 and last == numbers[i]
        rests[count] = np.uint64(rest ^ before if same else rest)
        widths[count] = width
        last, before = numbers[i], rest
        count += 1
    return count


@compiled
def find_widths(widths: Array, numbers: Array, geometry: Geometry) -> Integer:
    """Store the widths of rests that are not next to 0; returns how many."""
    count = np.int64(0)
    for i in range(numbers.size):
        width = width_of(magnitude_of(numbers[i]), geometry)
        if width != NEAR:
            widths[count] = width
            count += 1
    return count


@compiled
def join_rests(bits: Array, numbers: Array, rests: Array, near: Array, geometry: Geometry, sign: Integer) -> None:
    """Put floats together as int64 of their bits, the inverse of `take_rests`.

    `rests` and `near` are as many as `find_widths` found, and did not. Numbers, and rests next to 0, may be anything in a
    damaged file: what is made of them is kept to the bits of a float.
    """
    count = beside = last = before = np.int64(0)
    for i in range(numbers.size):
        magnitude = magnitude_of(numbers[i])
        width = width_of(magnitude, geometry)
        if width == NEAR:
            code = near[beside] << geometry.zeros
            beside += 1
        else:
            rest = np.int64(rests[count])
            if count > 0 and last == numbers[i]:
                rest ^= before
            last, before = numbers[i], rest
            count += 1
            if geometry.even:
                code = joined(shifted(magnitude, width) | rest, geometry.size - width, geometry)
            else:
                code = (shifted(magnitude, width) | rest) << geometry.zeros
        code &= (np.int64(1) << sign) - 1
        bits[i] = code | (np.int64(1) << sign) if numbers[i] < 0 else code


@inlined
def joined(whole: Integer, power: Integer, geometry: Geometry) -> Integer:
    """Return the bits of the float whole * 2^power, which is exact unless a file is damaged."""
    whole = max(whole, np.int64(1))
    smallest = 1 - geometry.bias - geometry.mantissa
    # the power of two of the last bit of the float: below that of the smallest there is none
    last = max(bit_length(whole) + power - geometry.mantissa - 1, smallest)
    mantissa = shifted(whole, power - last)
    field = last - smallest + (mantissa >> geometry.mantissa)
    return (min(max(field, 0), 2 * geometry.bias + 1) << geometry.mantissa) | (
        mantissa & ((1 << geometry.mantissa) - 1)
    )
