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


def dequantise(integers: np.ndarray, step: float) -> np.ndarray:
    """Return float64, same shape, C order."""
    return np.multiply(integers, step, order="C")


# What is no number becomes 0 or a limit: it is an integer of 32 bits in any case.
@compiled
def _round(coefficients: Array, scale: float, boxes: Array, integers: Array) -> None:
    """Round row by row, each after its neighbours' magnitudes were summed up, in loops that become vector instructions."""
    slices, variables, nz, ny, nx = integers.shape
    flat, out, near = coefficients.reshape(-1), integers.reshape(-1), np.empty(integers.size, np.float32)
    measure(near, flat, scale)
    line, apart = np.empty(nx + 4, np.float32), variables * nz * ny * nx
    for b in range(boxes.shape[0]):
        box = boxes[b]
        width = box[5] - box[2]
        sums, weights = np.empty(width, np.float32), np.empty(width, np.float32)
        for x in range(width):
            weights[x] = weight_at(x, width)
        for row in range(slices * variables * (box[3] - box[0]) * (box[4] - box[1])):
            y, above = row % (box[4] - box[1]), row // (box[4] - box[1])
            z, plane = above % (box[3] - box[0]), above // (box[3] - box[0])
            first = (plane * nz + box[0] + z) * ny * nx + (box[1] + y) * nx + box[2]
            if not any_magnitude(near, first, width):
                out[first : first + width] = 0
                continue
            sum_along(sums, near, first, line)
            rest = weight_at(y, box[4] - box[1]) + weight_at(z, box[3] - box[0])
            for d in (-2, -1, 1, 2):
                share = _ONE if abs(d) == 1 else _HALF
                if 0 <= y + d < box[4] - box[1]:
                    add_magnitudes(sums, near, first + d * nx, share)
                if 0 <= z + d < box[3] - box[0]:
                    add_magnitudes(sums, near, first + d * ny * nx, share)
            if plane >= variables:
                add_magnitudes(sums, near, first - apart, _ONE)
                rest += _ONE
            if plane < (slices - 1) * variables:
                add_magnitudes(sums, near, first + apart, _ONE)
                rest += _ONE
            round_row(out, flat, first, scale, (sums, weights), rest)


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
def measure(near: Array, flat: Array, scale: float) -> None:
    """Store magnitudes in whole steps."""
    for place in range(np.uint64(flat.size)):
        near[place] = np.float32(np.rint(min(abs(flat[place]) * scale, LARGEST)))


@inlined
def sum_along(sums: Array, near: Array, first: Integer, line: Array) -> None:
    """Set sums to the magnitudes beside each place of a row that begins at `first`."""
    start, two = np.uint64(first), np.uint64(2)
    line[:2], line[sums.size + 2 : sums.size + 4] = 0, 0
    for x in range(np.uint64(sums.size)):
        line[x + two] = near[start + x]
    for x in range(np.uint64(sums.size)):
        close = line[x + np.uint64(1)] + line[x + np.uint64(3)]
        sums[x] = close + _HALF * (line[x] + line[x + np.uint64(4)])


@inlined
def add_magnitudes(sums: Array, near: Array, first: Integer, share: Any) -> None:
    """Add the magnitudes of another row, which begins at `first`."""
    start = np.uint64(first)
    for x in range(np.uint64(sums.size)):
        sums[x] += share * near[start + x]


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
