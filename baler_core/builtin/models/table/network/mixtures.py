"""A mixture of logistics over a column's scores: how much of it lies below a point, in exact integers.

A score is the log-odds of the marginal's cumulative share, in units of 1 / SCORE. Tables are made by exact decimal
arithmetic, so that every machine has the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal, localcontext
from functools import cache
from typing import NamedTuple

import numpy as np

from baler_core.machine.compiled import Array, Integer, compiled, inlined

COMPONENTS = 3
SCORE = 4096
WEIGHT = 1 << 16
_CELLS = 64
"""Cells of the sigmoid's table per unit."""
_REACH = 20
_LN2 = 2839
"""ln 2 in units of 1 / SCORE."""


class Mixture(NamedTuple):
    """One mixture per row.

    Attributes
    ----------
    weights
        int64 (rows, COMPONENTS), about WEIGHT in total.
    centres
        int64 (rows, COMPONENTS): scores.
    scales
        int64 (rows, COMPONENTS): inverse widths, times 256.
    """

    weights: Array
    centres: Array
    scales: Array


def no_mixture() -> Mixture:
    """Mixtures of no rows: nothing is said."""
    nothing = np.zeros((0, COMPONENTS), np.int64)
    return Mixture(nothing, nothing, nothing)


@cache
def sigmoid_table() -> Array:
    """2^28 / (1 + exp(-x / 64)) for x from -20 * 64 to 20 * 64: int64."""
    return _exact(range(-_REACH * _CELLS, _REACH * _CELLS + 1), lambda k: 1 / (1 + (-k / _CELLS).exp()), 1 << 28)


@cache
def log_table() -> Array:
    """4096 ln(1 + k / 4096) for k from 0 to 4096: int64."""
    return _exact(range(4097), lambda k: (1 + k / 4096).ln(), SCORE)


@cache
def exp_table() -> Array:
    """2^16 exp(-k / 16) for k from 0 to 160: int64."""
    return _exact(range(161), lambda k: (-k / 16).exp(), WEIGHT)


@cache
def scale_table() -> Array:
    """256 exp(-k / 16) for k from -112 to 40: int64."""
    return _exact(range(-112, 41), lambda k: (-k / 16).exp(), 256)


def _exact(places: Iterable[int], function: Callable[[Decimal], Decimal], unit: int) -> Array:
    with localcontext() as context:
        context.prec = 40
        return np.array([int((function(Decimal(k)) * unit).to_integral_value()) for k in places], np.int64)


@inlined
def score(below: Integer, total: Integer, logs: Array) -> Integer:
    """The score of a point with `below` out of `total` (both below 2^48) under it; of any numbers, within +-45 * SCORE."""
    return _log(max(below, 1), logs) - _log(max(total - below, 1), logs)


@inlined
def _log(number: Integer, logs: Array) -> Integer:
    """The natural logarithm of a positive number in units of 1 / SCORE; shifted to 4096 .. 8191, it is in the table."""
    power, scaled = 12, number
    while scaled >= 8192:
        scaled >>= 1
        power += 1
    while scaled < 4096:
        scaled <<= 1
        power -= 1
    return logs[scaled - 4096] + power * _LN2


@compiled
def weight_below(point: Integer, row: Integer, mixture: Mixture, sigmoids: Array) -> Integer:
    """The part of a row's mixture below a score, times 2^28: from 0 to about 2^44."""
    total = np.int64(0)
    for k in range(mixture.weights.shape[1]):
        far = ((point - mixture.centres[row, k]) * mixture.scales[row, k]) >> 8
        far = min(max(far, 1 - _REACH * SCORE), _REACH * SCORE - 1) + _REACH * SCORE
        cell, rest = far >> 6, far & 63
        at = sigmoids[cell]
        total += mixture.weights[row, k] * (at + (((sigmoids[cell + 1] - at) * rest) >> 6))
    return total


@inlined
def whole_weight(row: Integer, mixture: Mixture) -> Integer:
    """All of a row's mixture, in the units of `weight_below`."""
    total = np.int64(0)
    for k in range(mixture.weights.shape[1]):
        total += mixture.weights[row, k]
    return total << 28


@inlined
def upper_chance(low: Integer, middle: Integer, high: Integer) -> Integer:
    """Chance, of 16 bits, to be above `middle` when between `low` and `high`; 0 if too little is there to tell."""
    between = (high - low) >> 12
    if between < 1:
        return 0
    return min(max(((high - middle) >> 12) * 65536 // between, 1), 65535)
