"""Coefficients to integers with a uniform step, rounded down where a larger integer costs more than it is worth; and back.

Rate-distortion optimised quantisation: of two neighbouring integers the one with the smaller squared error plus cost is
taken, where the cost in bits is that of a geometric distribution with the mean magnitude of the neighbours.
"""

from __future__ import annotations

import math

import numpy as np

from baler_core.builtin.models.transform.wavelet import Band
from baler_core.compiled import Array, Integer, compiled, inlined

# Squared error, in steps, that saving a bit is worth.
_PER_BIT = 0.1
# The mean magnitude that is expected beside zeros, and how much of the neighbours' mean magnitude is.
_LEAST, _SHARE = 0.04, 0.9
_LARGEST = 2.0**30


def quantise(coefficients: np.ndarray, step: float, bands: list[Band]) -> np.ndarray:
    """int32, same shape: (slices, variables, z, y, x); neighbours count within a band and in the slices next to it."""
    scaled = np.ascontiguousarray(coefficients / step)
    nearest = np.clip(np.rint(scaled), -_LARGEST, _LARGEST).astype(np.int32)
    out = nearest.copy()
    boxes = [[first for first, _ in band.box] + [end for _, end in band.box] for band in bands]
    round_down(scaled, nearest, out, np.array(boxes, np.int64))
    return out


def dequantise(integers: np.ndarray, step: float) -> np.ndarray:
    """float64, same shape."""
    return integers * step


@compiled
def round_down(scaled: Array, nearest: Array, out: Array, boxes: Array) -> None:
    """Make magnitudes in `out` smaller by one where they were rounded up and that does not pay."""
    slices, variables = scaled.shape[:2]
    for b in range(boxes.shape[0]):
        box = boxes[b]
        for s in range(slices):
            for v in range(variables):
                for z in range(box[0], box[3]):
                    for y in range(box[1], box[4]):
                        for x in range(box[2], box[5]):
                            whole = np.int64(abs(nearest[s, v, z, y, x]))
                            lost = abs(scaled[s, v, z, y, x]) - (whole - 1)
                            if whole == 0 or lost > 1:
                                continue
                            mean = _LEAST + _SHARE * mean_about(nearest, box, s, v, z, y, x)
                            bits = math.log2((1 + mean) / mean) + (1 if whole == 1 else 0)
                            if lost < 0.5 + _PER_BIT / 2 * bits:
                                out[s, v, z, y, x] = whole - 1 if scaled[s, v, z, y, x] > 0 else 1 - whole


@inlined
def mean_about(nearest: Array, box: Array, s: Integer, v: Integer, z: Integer, y: Integer, x: Integer) -> float:
    """The weighted mean magnitude of neighbours up to two places away, and of the same place in both slices beside."""
    total, weight = 0.0, 1e-9
    for d in (-2, -1, 1, 2):
        share = 1.0 if abs(d) == 1 else 0.5
        if box[2] <= x + d < box[5]:
            total += share * abs(nearest[s, v, z, y, x + d])
            weight += share
        if box[1] <= y + d < box[4]:
            total += share * abs(nearest[s, v, z, y + d, x])
            weight += share
        if box[0] <= z + d < box[3]:
            total += share * abs(nearest[s, v, z + d, y, x])
            weight += share
    for other in (s - 1, s + 1):
        if 0 <= other < nearest.shape[0]:
            total += abs(nearest[other, v, z, y, x])
            weight += 1
    return total / weight
