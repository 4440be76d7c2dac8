"""Sum up the magnitudes and signs around the places of a row before fast coding, in 32-bit integers.

Arrays are flat and their places unsigned, so that loops become vector instructions; limits keep sums below 2^31.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from baler_core.machine.compiled import Array, Integer, compiled, inlined, place_of

# Magnitudes and means count up to these. The largest sum: 5 means by a weight of at most 129 from other slices, 7/16 of one
# from the parent, and 9 and 9 magnitudes by at most 683 from the band itself: below 2^29.
MOST_NEAR, MOST_MEAN = (1 << 14) - 1, 1 << 18
# Weights are multiples of 1/256.
WEIGHT_BITS = 8
# 16 / (12 + 4 per further axis), in 1/16.
_SHARES = np.array([21, 16, 13], np.int32)


class RowPlaces(NamedTuple):
    """Where a row of a band begins in flat arrays, all unsigned.

    Attributes
    ----------
    base
        In the sums of the band.
    near
        In the magnitudes of the band.
    slices
        In the integers and means of all slices.
    length
        Number of places.
    """

    base: Integer
    near: Integer
    slices: Integer
    length: Integer


class ParentRow(NamedTuple):
    """A row of the parent band: where it begins in the means, its length, and whether it has half the places."""

    first: Integer
    length: Integer
    halved: Integer


@compiled
def start_sums(
    base: Array, around: Array, row: RowPlaces, others: tuple[Integer, Integer, Integer], weight: Integer
) -> None:
    """Set sums to what three other slices (nearest, second, beside: where the row begins in each) contribute."""
    at, (nearest, second, beside), weight = row.base, others, np.int32(weight)
    for x in range(row.length):
        both = np.int32(np.int32(around[nearest + x]) + np.int32(around[beside + x]))
        base[at + x] = np.int32(np.int32(np.int32(2 * both) + np.int32(around[second + x])) * weight)


@compiled
def add_parent(base: Array, around: Array, row: RowPlaces, parent: ParentRow, weight: Integer) -> None:
    """Add 7/16 of the means of the parent band, which may have half the places."""
    at, n, weight = row.base, row.length, np.int32(weight)
    first, count = parent.first, parent.length
    if parent.halved:
        pairs = min(n >> np.uint64(1), count)
        for i in range(pairs):
            mean = np.int32(np.int32(np.int32(around[first + i] * 7) >> 4) * weight)
            base[at + 2 * i] += mean
            base[at + 2 * i + np.uint64(1)] += mean
        done = 2 * pairs
    else:
        done = min(n, count)
        for x in range(done):
            base[at + x] += np.int32(np.int32(np.int32(around[first + x] * 7) >> 4) * weight)
    last = np.int32(np.int32(np.int32(around[first + count - np.uint64(1)] * 7) >> 4) * weight)
    for x in range(done, n):
        base[at + x] += last


@compiled
def add_above(base: Array, near: Array, row: RowPlaces, width: Integer, weight: Integer) -> None:
    """Add the magnitudes of the two rows above in the band; rows are `width` apart."""
    at, here, weight = row.base, row.near, np.int32(weight)
    one = np.uint64(1)
    north, far = here - width, here - width - width
    west, east = north - one, north + one
    for x in range(row.length):
        corners = np.int32(near[west + x] + near[east + x])
        found = np.int32(np.int32(4 * near[north + x]) + near[far + x])
        base[at + x] += np.int32(np.int32(found + np.int32(2 * corners)) * weight)


@compiled
def add_front(base: Array, near: Array, row: RowPlaces, steps: tuple[Integer, Integer], weight: Integer) -> None:
    """Add the magnitudes of the two planes in front in the band; planes and rows are `steps` apart."""
    at, here, (plane, width), weight = row.base, row.near, steps, np.int32(weight)
    one = np.uint64(1)
    front, far = here - plane, here - plane - plane
    up, down, west, east = front - width, front + width, front - one, front + one
    for x in range(row.length):
        edge = np.int32(np.int32(near[up + x] + near[down + x]) + np.int32(near[west + x] + near[east + x]))
        found = np.int32(np.int32(4 * near[front + x]) + near[far + x])
        base[at + x] += np.int32(np.int32(found + edge) * weight)


@compiled
def smooth(near: Array, around: Array, row: RowPlaces, steps: tuple[Integer, Integer], axes: Integer) -> None:
    """Store 16 x the weighted mean magnitude about each place of a row, whose neighbours are known or zero."""
    here, there, (plane, width) = row.near, row.slices, steps
    one, share = np.uint64(1), _SHARES[axes]
    north, south, west, east = here - width, here + width, here - one, here + one
    front, back = here - plane, here + plane
    for x in range(row.length):
        edge = np.int32(np.int32(near[north + x] + near[south + x]) + np.int32(near[west + x] + near[east + x]))
        if plane:
            edge = np.int32(edge + np.int32(near[front + x] + near[back + x]))
        total = np.int32(np.int32(8 * near[here + x]) + np.int32(2 * edge))
        around[there + x] = min(np.int32(np.int32(total * share) >> 4), np.int32(MOST_MEAN))


@compiled
def fill_near(near: Array, values: Array, row: RowPlaces) -> None:
    """Store the magnitudes of a row, int32."""
    here, there = row.near, row.slices
    for x in range(row.length):
        near[here + x] = min(np.int32(abs(values[there + x])), np.int32(MOST_NEAR))


def _sign_contexts() -> np.ndarray:
    """Tabulate, for three signs (0, 1 or 2 for none, positive, negative), twice their context, plus 1 if they are inverted.

    Patterns that are each other's inverse share a context.
    """
    found = np.zeros(27, np.int8)
    contexts = 1
    for pattern in range(1, 27):
        signs = pattern // 9, pattern // 3 % 3, pattern % 3
        inverse = [(3 - sign) % 3 for sign in signs]
        other = inverse[0] * 9 + inverse[1] * 3 + inverse[2]
        if other > pattern:
            found[pattern], found[other] = 2 * contexts, 2 * contexts + 1
            contexts += 1
    return found


SIGN_CONTEXTS = 14
_SIGN_CONTEXTS = _sign_contexts()


@inlined
def sign_context(values: Array, here: Integer, row: Integer, ahead: Integer, left: Integer) -> Integer:
    """Return twice the context of a sign, plus 1 if the signs around it are inverted.

    Three signs of three kinds each make one of the 27 patterns.

    Parameters
    ----------
    row
        How far the row above is, or 0 if there is none.
    ahead
        Where the same place of the slice before is, or -1.
    left
        The sign to the left: 0, 1 or 2 for none, positive or negative.
    """
    above = np.int64(values[place_of(here - row)]) if row else np.int64(0)
    before = np.int64(values[place_of(ahead)]) if ahead >= 0 else np.int64(0)
    up = np.int64(above > 0) + 2 * np.int64(above < 0)
    return np.int64(_SIGN_CONTEXTS[(left * 3 + up) * 3 + np.int64(before > 0) + 2 * np.int64(before < 0)])
