"""What is known about the places of a row of a band before the row is coded quickly: sums of magnitudes, in 32 bits.

Arrays are flat and their places unsigned, so that loops become vector instructions; limits keep sums below 2^31.
"""

from __future__ import annotations

import numpy as np

from baler_core.machine.compiled import Array, Integer, compiled, inlined

# Magnitudes and means count up to these. The largest sum: 5 means by a weight of at most 129 from other slices, 7/16 of one
# from the parent, and 9 and 9 magnitudes by at most 683 from the band itself: below 2^29.
MOST_NEAR, MOST_MEAN = (1 << 14) - 1, 1 << 18
# Weights are multiples of 1/256.
WEIGHT_BITS = 8
# 16 / (12 + 4 per further axis), in 1/16.
_SHARES = np.array([21, 16, 13], np.int32)


@inlined
def place_of(number: Integer) -> Integer:
    """A place in a flat array: an unsigned number needs no check against counting from the end."""
    return np.uint64(number)


@compiled
def begin(
    base: Array,
    at: Integer,
    around: Array,
    nearest: Integer,
    second: Integer,
    beside: Integer,
    n: Integer,
    weight: Integer,
) -> None:
    """What three other slices say."""
    weight = np.int32(weight)
    for x in range(n):
        both = np.int32(np.int32(around[nearest + x]) + np.int32(around[beside + x]))
        base[at + x] = np.int32(np.int32(np.int32(2 * both) + np.int32(around[second + x])) * weight)


@compiled
def add_parent(
    base: Array,
    at: Integer,
    around: Array,
    first: Integer,
    count: Integer,
    halved: Integer,
    n: Integer,
    weight: Integer,
) -> None:
    """7/16 of what the parent band says, which may have half the places."""
    weight = np.int32(weight)
    if halved:
        pairs = min(n >> np.uint64(1), count)
        for i in range(pairs):
            parent = np.int32(np.int32(np.int32(around[first + i] * 7) >> 4) * weight)
            base[at + 2 * i] += parent
            base[at + 2 * i + np.uint64(1)] += parent
        done = 2 * pairs
    else:
        done = min(n, count)
        for x in range(done):
            base[at + x] += np.int32(np.int32(np.int32(around[first + x] * 7) >> 4) * weight)
    last = np.int32(np.int32(np.int32(around[first + count - np.uint64(1)] * 7) >> 4) * weight)
    for x in range(done, n):
        base[at + x] += last


@compiled
def add_above(
    base: Array, at: Integer, near: Array, here: Integer, width: Integer, n: Integer, weight: Integer
) -> None:
    """What the rows above in the band say."""
    weight = np.int32(weight)
    one = np.uint64(1)
    north, far = here - width, here - width - width
    west, east = north - one, north + one
    for x in range(n):
        corners = np.int32(near[west + x] + near[east + x])
        found = np.int32(np.int32(4 * near[north + x]) + near[far + x])
        base[at + x] += np.int32(np.int32(found + np.int32(2 * corners)) * weight)


@compiled
def add_front(
    base: Array, at: Integer, near: Array, here: Integer, plane: Integer, width: Integer, n: Integer, weight: Integer
) -> None:
    """What the planes in front in the band say."""
    weight = np.int32(weight)
    one = np.uint64(1)
    front, far = here - plane, here - plane - plane
    up, down, west, east = front - width, front + width, front - one, front + one
    for x in range(n):
        edge = np.int32(np.int32(near[up + x] + near[down + x]) + np.int32(near[west + x] + near[east + x]))
        found = np.int32(np.int32(4 * near[front + x]) + near[far + x])
        base[at + x] += np.int32(np.int32(found + edge) * weight)


@compiled
def smooth(
    near: Array, here: Integer, width: Integer, plane: Integer, around: Array, there: Integer, n: Integer, axes: Integer
) -> None:
    """16 x the weighted mean magnitude about each place of a row, whose neighbours are known or zero."""
    one, share = np.uint64(1), _SHARES[axes]
    north, south, west, east = here - width, here + width, here - one, here + one
    front, back = here - plane, here + plane
    for x in range(n):
        edge = np.int32(np.int32(near[north + x] + near[south + x]) + np.int32(near[west + x] + near[east + x]))
        if plane:
            edge = np.int32(edge + np.int32(near[front + x] + near[back + x]))
        total = np.int32(np.int32(8 * near[here + x]) + np.int32(2 * edge))
        around[there + x] = min(np.int32(np.int32(total * share) >> 4), np.int32(MOST_MEAN))


@compiled
def fill_near(near: Array, here: Integer, values: Array, there: Integer, n: Integer) -> None:
    """Magnitudes of a row."""
    for x in range(n):
        near[here + x] = min(np.int32(abs(values[there + x])), np.int32(MOST_NEAR))
