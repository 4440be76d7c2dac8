"""Make learned modes orthonormal and add up what each contributes, in one stated order, so that all machines find the same bits.

Libraries of linear algebra order their sums by the processor at hand, and would restore values that differ in their
last bits. Places come from the shapes of the arrays alone.
"""

from __future__ import annotations

import math

import numpy as np

from baler_core.machine.compiled import Array, Integer, compiled, inlined

# So many neighbouring points are summed up side by side, within the processor's cache.
_STRIP = 128


def orthonormal(rows: np.ndarray) -> np.ndarray:
    """Return float64 of the same shape (modes, places): rows made orthonormal, the first ones first (Gram-Schmidt).

    A row that depends on those before it becomes 0, or whatever rounding leaves of it, at length 1.
    """
    found = np.array(rows, np.float64, order="C")
    make_orthonormal(found)
    return found


def combined(factors: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the sums of rows (modes, points), each times its factor: float64 (sums, points).

    Parameters
    ----------
    factors
        float64 (sums, modes).
    """
    sums = np.empty((len(factors), rows.shape[1]))
    add_rows(np.ascontiguousarray(factors), np.ascontiguousarray(rows), sums)
    return sums


@compiled
def make_orthonormal(rows: Array) -> None:
    """Subtract from each row its share of each row before, one after the other, and scale it to length 1; in place."""
    for number in range(rows.shape[0]):
        row = rows[number]
        for earlier in range(number):
            other, share = rows[earlier], 0.0
            for place in range(row.size):
                share += other[place] * row[place]
            for place in range(row.size):
                row[place] -= share * other[place]
        total = 0.0
        for place in range(row.size):
            total += row[place] * row[place]
        length = math.sqrt(total)
        for place in range(row.size):
            row[place] = row[place] / length if length > 0 else 0.0


@compiled
def add_rows(factors: Array, rows: Array, sums: Array) -> None:
    """Add up all rows times their factors, in their order, for each sum.

    Strips of rows are copied together: rows that are a power of two apart get in each other's way in the cache. Two sums
    are made at a time, and four rows added to them one after the other: so they are loaded and stored less often.
    """
    count, fours = factors.shape[1], factors.shape[1] // 4 * 4
    for first in range(0, rows.shape[1], _STRIP):
        end = min(first + _STRIP, rows.shape[1])
        strip = np.ascontiguousarray(rows[:, first:end])
        one, two = np.empty(end - first), np.empty(end - first)
        for number in range(0, factors.shape[0], 2):
            other = min(number + 1, factors.shape[0] - 1)
            one[:], two[:] = 0.0, 0.0
            for mode in range(0, fours, 4):
                add_four(one, two, strip, mode, (factors[number], factors[other]))
            for mode in range(fours, count):
                for place in range(one.size):
                    one[place] += factors[number, mode] * strip[mode, place]
                    two[place] += factors[other, mode] * strip[mode, place]
            sums[number, first:end], sums[other, first:end] = one, two


@inlined
def add_four(one: Array, two: Array, strip: Array, mode: Integer, factors: tuple[Array, Array]) -> None:
    """Add four rows, from `mode` on, times their factors to two sums: the first one first."""
    first, second = factors
    a, b, c, d = first[mode], first[mode + 1], first[mode + 2], first[mode + 3]
    e, f, g, h = second[mode], second[mode + 1], second[mode + 2], second[mode + 3]
    for place in range(one.size):
        total = one[place] + a * strip[mode, place]
        other = two[place] + e * strip[mode, place]
        total, other = total + b * strip[mode + 1, place], other + f * strip[mode + 1, place]
        total, other = total + c * strip[mode + 2, place], other + g * strip[mode + 2, place]
        one[place] = total + d * strip[mode + 3, place]
        two[place] = other + h * strip[mode + 3, place]
