"""Make learned modes orthonormal and add up what each contributes, in one stated order, so that all machines find the same bits.

Libraries of linear algebra order their sums by the processor at hand, and would restore values that differ in their
last bits. Places come from the shapes of the arrays alone.
"""

from __future__ import annotations

import math

import numpy as np

from baler_core.entropy.lanes import LANES, SUMS, sum_products
from baler_core.machine.compiled import Array, compiled, inlined, place_of

# So many times `LANES` neighbouring points are summed up side by side, within the processor's cache.
_STRIP = 16


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
    """Subtract from each row its share of each row before, one after the other, and scale it to length 1; in place.

    A row that is done is subtracted from all that follow. Rows stand side by side then, so that what is done to each of
    them place after place, in its own order, is done to several at once.
    """
    count, places = rows.shape
    sides, shares = np.ascontiguousarray(rows.T), np.empty(count)
    for number in range(count):
        total = 0.0
        for place in range(places):
            total += sides[place, number] * sides[place, number]
        length = math.sqrt(total)
        for place in range(places):
            sides[place, number] = sides[place, number] / length if length > 0 else 0.0
        later = shares[number + 1 :]
        later[:] = 0.0
        for place in range(places):
            add_scaled_row(later, sides[place, number + 1 :], sides[place, number])
        for place in range(places):
            subtract_scaled_row(sides[place, number + 1 :], later, sides[place, number])
    rows[:] = sides.T


@inlined
def add_scaled_row(sums: Array, row: Array, factor: float) -> None:
    """Add a row times a factor to sums."""
    for place in range(sums.size):
        sums[place] += factor * row[place]


@inlined
def subtract_scaled_row(row: Array, shares: Array, factor: float) -> None:
    """Subtract shares times a factor from a row."""
    for place in range(row.size):
        row[place] -= shares[place] * factor


@compiled
def add_rows(factors: Array, rows: Array, sums: Array) -> None:
    """Add up all rows times their factors, in their order, for each sum.

    Strips of rows are copied together: rows that are a power of two apart get in each other's way in the cache. `SUMS`
    sums of `LANES` points are made at a time, in registers.
    """
    (count, points), whole, flat = rows.shape, factors.shape[0] // SUMS * SUMS, sums.reshape(-1)
    weights = np.zeros((whole + SUMS) * count)
    weights[: factors.size] = factors.reshape(-1)
    strip, few = np.zeros((_STRIP, count * LANES)), np.empty(SUMS * LANES)
    for first in range(0, points, _STRIP * LANES):
        end = min(points, first + _STRIP * LANES)
        for mode in range(count):
            row = rows[mode]
            for block in range((end - first) // LANES):
                at, here = place_of(mode * LANES), place_of(first + block * LANES)
                for lane in range(np.uint64(LANES)):
                    strip[block, at + lane] = row[here + lane]
            for place in range(first + (end - first) // LANES * LANES, end):
                strip[(place - first) // LANES, mode * LANES + (place - first) % LANES] = row[place]
        for place in range(first, end, LANES):
            values, width = strip[(place - first) // LANES], min(LANES, end - place)
            done = whole if width == LANES else 0
            for number in range(0, done, SUMS):
                sum_products(flat, number * points + place, points, weights, number * count, values, count)
            for number in range(done, factors.shape[0], SUMS):
                sum_products(few, 0, LANES, weights, number * count, values, count)
                for which in range(min(SUMS, factors.shape[0] - number)):
                    there = (number + which) * points + place
                    flat[there : there + width] = few[which * LANES : which * LANES + width]
