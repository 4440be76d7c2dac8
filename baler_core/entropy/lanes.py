"""Products and sums of products, and steps of weights: plain Python, for which the build puts vector instructions."""

from __future__ import annotations

import numpy as np

from baler_core.machine.compiled import Array, Integer, inlined

LANES = 8
"""Numbers of a vector: arrays are filled up with zeros to a multiple of it."""
SUMS = 4
"""Sums of products that are made side by side."""


@inlined
def high_product(one: Integer, other: Integer) -> Integer:
    """Return the upper 64 bits of a product of two unsigned numbers of 64 bits."""
    return np.uint64((int(one) * int(other)) >> 64)


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


@inlined
def add_halved(weights: Array, start: Integer, inputs: Array, blocks: Integer, change: Integer) -> None:
    """Add inputs times a change, over 2^16 and rounded, to weights, so many vectors of both; all of 32 bits, with no overflow.

    Weights alone may wrap around.
    """
    for i in range(blocks * LANES):
        weights[start + i] += np.int32(np.int32(inputs[i] * change) + np.int32(32768)) >> 16


@inlined
def sum_products(
    sums: Array, place: Integer, apart: Integer, weights: Array, start: Integer, values: Array, terms: Integer
) -> None:
    """Sum up products of float64: `SUMS` sums for each of `LANES` neighbours, from 0, each in the order of its terms.

    Parameters
    ----------
    sums, place, apart
        Where the sums go: those of the first weights from a place on, those of the second so far behind them, and so on.
    weights, start
        As many weights as there are terms, from a place on, for each sum, one after the other.
    values
        Of each term `LANES` neighbours, one term after the other.
    """
    for which in range(SUMS):
        for lane in range(LANES):
            total = 0.0
            for term in range(terms):
                total += weights[start + which * terms + term] * values[term * LANES + lane]
            sums[place + which * apart + lane] = total
