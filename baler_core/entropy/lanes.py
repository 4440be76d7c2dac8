"""Sums of products of 32-bit integers, and steps of weights: plain Python, for which the build puts vector instructions."""

from __future__ import annotations

import numpy as np

from baler_core.machine.compiled import Array, Integer, inlined

LANES = 8
"""Numbers of a vector: arrays are filled up with zeros to a multiple of it."""


@inlined
def weighted_sum(weights: Array, start: Integer, inputs: Array, blocks: Integer) -> Integer:
    """Return the sum of int32 weights, from a place on, times int32 inputs, so many vectors of each: 64 bits."""
    total = np.int64(0)
    for i in range(blocks * LANES):
        total += np.int64(weights[start + i]) * np.int64(inputs[i])
    return total


@inlined
def move_weights(weights: Array, start: Integer, inputs: Array, blocks: Integer, change: Integer) -> None:
    """Add inputs times a change, over 2^20 and rounded, to weights, so many vectors of both; 32 bits that wrap around.

    Inputs are below 2^13 in magnitude, and the change below 2^23: vector instructions multiply it in two parts of 32 bits.
    """
    for i in range(blocks * LANES):
        weights[start + i] += (np.int64(inputs[i]) * change + 524288) >> 20
