"""Quantise coefficients with a uniform step, rounded down where a larger integer costs more than it is worth.

Rate-distortion optimised quantisation: of two neighbouring integers the one with the smaller squared error plus cost is
taken, where the cost in bits is that of a geometric distribution with the mean magnitude of the neighbours.
"""

from __future__ import annotations

import math

import numpy as np

from baler_core.builtin.models.fields.transform.wavelet import Band
from baler_core.machine.compiled import Array, Integer, compiled, inlined

# Squared error, in squares of steps, that saving a bit is worth.
_PER_BIT = 0.1
# The mean magnitude that is expected beside zeros, and how much of the neighbours' mean magnitude is.
_LEAST, _SHARE = 0.04, 0.9
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
    slices, variables = integers.shape[:2]
    for b in range(boxes.shape[0]):
        box = boxes[b]
        for s in range(slices):
            for v in range(variables):
                for z in range(box[0], box[3]):
                    for y in range(box[1], box[4]):
                        for x in range(box[2], box[5]):
                            size = min(abs(coefficients[s, v, z, y, x]) * scale, LARGEST)
                            whole = math.floor(size)
                            if size - whole > 0.5:
                                mean = _LEAST + _SHARE * _mean_about(coefficients, scale, box, s, v, z, y, x)
                                bits = math.log2((1 + mean) / mean) + (1 if whole == 0 else 0)
                                if size - whole > 0.5 + _PER_BIT / 2 * bits:
                                    whole += 1
                            integers[s, v, z, y, x] = whole if coefficients[s, v, z, y, x] > 0 else -whole


@inlined
def _mean_about(
    coefficients: Array, scale: float, box: Array, s: Integer, v: Integer, z: Integer, y: Integer, x: Integer
) -> float:
    """The weighted mean magnitude of neighbours up to two places away, and of the same place in both slices beside."""
    total, weight = 0.0, 1e-9
    for d in (-2, -1, 1, 2):
        share = 1.0 if abs(d) == 1 else 0.5
        if box[2] <= x + d < box[5]:
            total += share * np.rint(abs(coefficients[s, v, z, y, x + d]) * scale)
            weight += share
        if box[1] <= y + d < box[4]:
            total += share * np.rint(abs(coefficients[s, v, z, y + d, x]) * scale)
            weight += share
        if box[0] <= z + d < box[3]:
            total += share * np.rint(abs(coefficients[s, v, z + d, y, x]) * scale)
            weight += share
    for other in (s - 1, s + 1):
        if 0 <= other < coefficients.shape[0]:
            total += np.rint(abs(coefficients[other, v, z, y, x]) * scale)
            weight += 1
    return total / weight
