"""Quantise coefficients with a uniform step, rounded down where a larger integer costs more than it is worth.

Rate-distortion optimised quantisation: of two neighbouring integers the one with the smaller squared error plus cost is
taken, where the cost in bits is that of a geometric distribution with the mean magnitude of the neighbours.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from baler_core.builtin.models.fields.transform.wavelet import Band
from baler_core.machine.compiled import Array, Integer, compiled, inlined

# Squared error, in squares of steps, that saving a bit is worth: an integer is rounded up beyond a half and half of that
# for each bit. The mean magnitude that is expected beside zeros, and how much of the neighbours' mean magnitude is.
_PER_BIT, _LEAST, _SHARE = np.float32(0.05), np.float32(0.04), np.float32(0.9)
_HALF, _ONE = np.float32(0.5), np.float32(1.0)
# -log2(1 - u) = u (A + B u + C u^2) / (1 + D u + E u^2) within 0.0023, for u up to 1 / (1 + _LEAST).
_A, _B, _C = np.float32(1.45834687), np.float32(-1.78848221), np.float32(0.39399172)
_D, _E = np.float32(-1.68188524), np.float32(0.69034331)
LARGEST = 2.0**30
"""Integers are at most this large, and so are corrections; what would be larger, cannot be transformed."""


def quantise(coefficients: np.ndarray, step: float, bands: list[Band]) -> np.ndarray:
    """int32, same shape: (slices, variables, z, y, x); neighbours count within a band and in the slices next to it."""
    boxes = [[first for first, _ in band.box] + [end for _, end in band.box] for band in bands]
    integers = np.empty(coefficients.shape, np.int32)
    _round(np.ascontiguousarray(coefficients), 1 / step, np.array(boxes, np.int64), integers)
    return integers


# What is no number becomes 0 or a limit: it is an integer of 32 bits in any case.
@compiled
def _round(coefficients: Array, scale: float, boxes: Array, integers: Array) -> None:
    """Round band by band and slice by slice, in loops that become vector instructions.

    The magnitudes of three slices of a band are kept, with margins of zeros, and a fourth that is zero throughout: it stands
    for what is before the first and behind the last.
    """
    slices, variables, nz, ny, nx = integers.shape
    flat, out = coefficients.reshape(-1), integers.reshape(-1)
    for b in range(boxes.shape[0]):
        box = boxes[b]
        shape = (box[3] - box[0], box[4] - box[1], box[5] - box[2])
        first = (box[0] * ny + box[1]) * nx + box[2]
        weights, sums = np.empty(shape[2], np.float32), np.empty(shape[2], np.float32)
        for x in range(shape[2]):
            weights[x] = weight_at(x, shape[2])
        steps = ((shape[1] + 4) * (shape[2] + 4) if shape[0] > 1 else 0, shape[2] + 4)
        size = (shape[0] + 3) * steps[0] + (shape[1] + 4) * steps[1]
        near = np.zeros(4 * size, np.float32)
        for variable in range(variables):
            for number in range(-1, slices):
                begin, apart = first + variable * nz * ny * nx, variables * nz * ny * nx
                if number + 1 < slices:
                    place = (number + 1) % 3 * size
                    measure(near, place, flat, begin + (number + 1) * apart, scale, shape, steps, (ny * nx, nx))
                if number < 0:
                    continue
                before = (number - 1) % 3 * size if number else 3 * size
                after = (number + 1) % 3 * size if number + 1 < slices else 3 * size
                beside = _ONE * np.float32(number > 0) + _ONE * np.float32(number + 1 < slices)
                for z in range(shape[0]):
                    for y in range(shape[1]):
                        here = begin + number * apart + (z * ny + y) * nx
                        within = (z + 2) * steps[0] + (y + 2) * steps[1] + 2
                        places = (number % 3 * size + within, before + within, after + within)
                        if any_magnitude(near, places[0], shape[2]):
                            sum_around(sums, near, places, steps)
                            rest = weight_at(y, shape[1]) + weight_at(z, shape[0]) + beside
                            round_row(out, flat, here, scale, (sums, weights), rest)
                        else:
                            out[here : here + shape[2]] = 0


@inlined
def any_magnitude(near: Array, first: Integer, width: Integer) -> Any:
    """Return whether anything in a row that begins at `first` is half a step or more: else all of it is rounded to 0."""
    found, start = np.int32(0), np.uint64(first)
    for x in range(np.uint64(width)):
        found |= np.int32(near[start + x] > 0)
    return found


@inlined
def weight_at(place: Integer, count: Integer) -> Any:
    """Return the weights of the neighbours along an axis of `count` places, up to two places away; never 0."""
    total = np.float32(1e-9)
    for d in (-2, -1, 1, 2):
        if 0 <= place + d < count:
            total += _ONE if abs(d) == 1 else _HALF
    return total


@inlined
def measure(
    near: Array, place: Integer, flat: Array, first: Integer, scale: float,
    shape: tuple[Integer, Integer, Integer], steps: tuple[Integer, Integer], apart: tuple[Integer, Integer],
) -> None:  # fmt: skip
    """Store magnitudes of a band in whole steps, between the margins; `steps` and `apart` lie between planes and rows."""
    for z in range(shape[0]):
        for y in range(shape[1]):
            to = np.uint64(place + (z + 2) * steps[0] + (y + 2) * steps[1] + 2)
            source = np.uint64(first + z * apart[0] + y * apart[1])
            for x in range(np.uint64(shape[2])):
                near[to + x] = np.float32(np.rint(min(abs(flat[source + x]) * scale, LARGEST)))


@inlined
def sum_around(
    sums: Array, near: Array, places: tuple[Integer, Integer, Integer], steps: tuple[Integer, Integer]
) -> None:
    """Set sums to the magnitudes around each place of a row: in the band, and in the slices before and after."""
    here, before, after = np.uint64(places[0]), np.uint64(places[1]), np.uint64(places[2])
    plane, row = np.uint64(steps[0]), np.uint64(steps[1])
    one, two = np.uint64(1), np.uint64(2)
    north, south = here - row, here + row
    far, farther = north - row, south + row
    for x in range(np.uint64(sums.size)):
        total = near[here + x - one] + near[here + x + one] + _HALF * (near[here + x - two] + near[here + x + two])
        total = total + _HALF * near[far + x] + near[north + x] + near[south + x] + _HALF * near[farther + x]
        sums[x] = total + near[before + x] + near[after + x]
    if plane:
        up, down = here - plane, here + plane
        above, below = up - plane, down + plane
        for x in range(np.uint64(sums.size)):
            sums[x] += _HALF * near[above + x] + near[up + x] + near[down + x] + _HALF * near[below + x]


@inlined
def round_row(out: Array, flat: Array, first: Integer, scale: float, summed: tuple[Array, Array], rest: Any) -> None:
    """Round a row.

    Parameters
    ----------
    summed, rest
        Magnitudes of neighbours and their weights along the row, and the weight of all others.
    """
    start, (sums, weights) = np.uint64(first), summed
    for x in range(np.uint64(sums.size)):
        value = flat[start + x]
        size = min(abs(value) * scale, LARGEST)
        whole = np.int32(size)
        # of the two integers about a geometric distribution, the share of the smaller one
        u = _ONE / (_ONE + _LEAST + _SHARE * sums[x] / (weights[x] + rest))
        bits = u * (_A + u * (_B + u * _C)) / (_ONE + u * (_D + u * _E)) + np.float32(whole == 0)
        whole += np.int32(np.float32(size - whole) > _HALF + _PER_BIT * bits)
        out[start + x] = whole if value > 0 else -whole
