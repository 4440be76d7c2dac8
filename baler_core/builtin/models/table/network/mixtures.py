"""Evaluate mixtures of logistics: the share below a score in exact integers, and the likelihood for training.

A score is the log-odds of the marginal's cumulative share, in units of 1 / SCORE. Tables are made by exact decimal
arithmetic, so that every machine has the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal, localcontext
from functools import cache
from typing import NamedTuple

import numpy as np

from baler_core.machine.compiled import Array, Integer, compiled, inlined

_MARGINAL = 2.0**-9
"""Share of the marginal, so that no value is impossible."""
_NARROWEST, _WIDEST = -7.0, 2.5
"""Logarithms of the widths of a logistic."""


@compiled
def negative_log_likelihood(
    out: Array, low: float, high: float, mass: float, slope: Array, shares: Array, inside: Array
) -> float:
    """Return -ln of the chance of a value.

    Parameters
    ----------
    out
        Logarithms of the mixture's weights, its centres, logarithms of its widths.
    low, high
        Scores of both ends of the value.
    mass
        Its chance by the marginal.
    slope
        Set to the derivative by `out`.
    shares, inside
        Room for COMPONENTS numbers.
    """
    _soften(out, shares)
    mixed = 0.0
    for k in range(COMPONENTS):
        wide = float(out[2 * COMPONENTS + k])
        inverse = math.exp(-min(max(wide, _NARROWEST), _WIDEST))
        a, b = (low - out[COMPONENTS + k]) * inverse, (high - out[COMPONENTS + k]) * inverse
        below, above = _sigmoid(a), _sigmoid(b)
        # the difference of two sigmoids without cancellation
        inside[k] = above * (1 - below) * -math.expm1(min(a - b, 0.0))
        at_low, at_high = below * (1 - below), above * (1 - above)
        slope[COMPONENTS + k] = shares[k] * inverse * (at_low - at_high)
        slope[2 * COMPONENTS + k] = shares[k] * (at_low * a - at_high * b) if _NARROWEST < wide < _WIDEST else 0.0
        mixed += shares[k] * inside[k]
    chance = (1 - _MARGINAL) * mixed + _MARGINAL * mass
    scale = -(1 - _MARGINAL) / chance
    for k in range(COMPONENTS):
        slope[k] = scale * shares[k] * (inside[k] - mixed)
        slope[COMPONENTS + k] *= scale
        slope[2 * COMPONENTS + k] *= scale
    return -math.log(chance)


@compiled
def _soften(out: Array, shares: Array) -> None:
    """Store the shares of the components: the softmax of the first outputs."""
    top, total = float(out[0]), 0.0
    for k in range(1, COMPONENTS):
        top = max(top, float(out[k]))
    for k in range(COMPONENTS):
        shares[k] = math.exp(float(out[k]) - top)
        total += shares[k]
    for k in range(COMPONENTS):
        shares[k] /= total


@compiled
def _sigmoid(x: float) -> float:
    if x >= 0:
        return 1 / (1 + math.exp(-min(x, 700.0)))
    grown = math.exp(max(x, -700.0))
    return grown / (1 + grown)


COMPONENTS = 3
"""Logistics of a mixture; prototypes used 3 or 4."""
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
    """Return mixtures of no rows: nothing is said."""
    nothing = np.zeros((0, COMPONENTS), np.int64)
    return Mixture(nothing, nothing, nothing)


@cache
def sigmoid_table() -> Array:
    """Return 2^28 / (1 + exp(-x / 64)) for x from -20 * 64 to 20 * 64: int64."""
    places = np.arange(-_REACH * _CELLS, _REACH * _CELLS + 1)
    return _exact(places, 2.0**28 / (1 + np.exp(-places / _CELLS)), lambda k: 2**28 / (1 + (-k / _CELLS).exp()))


@cache
def log_table() -> Array:
    """Return 4096 ln(1 + k / 4096) for k from 0 to 4096: int64."""
    places = np.arange(4097)
    return _exact(places, SCORE * np.log1p(places / 4096), lambda k: (1 + k / 4096).ln() * SCORE)


@cache
def exp_table() -> Array:
    """Return 2^16 exp(-k / 16) for k from 0 to 160: int64."""
    places = np.arange(161)
    return _exact(places, WEIGHT * np.exp(-places / 16), lambda k: (-k / 16).exp() * WEIGHT)


@cache
def scale_table() -> Array:
    """Return 256 exp(-k / 16) for k from -112 to 40: int64."""
    places = np.arange(-112, 41)
    return _exact(places, 256 * np.exp(-places / 16), lambda k: (-k / 16).exp() * 256)


def _exact(places: Array, about: Array, function: Callable[[Decimal], Decimal]) -> Array:
    """Round a function to integers: from about its values, or where these are close to a tie, from exact ones.

    Values are below 2^28, known to some units of 2^-24 with any library of mathematics; decimals cost 0.2 s for a table.
    """
    rounded = np.rint(about).astype(np.int64)
    with localcontext() as context:
        context.prec = 40
        for close in np.flatnonzero(np.abs(np.abs(about - rounded) - 0.5) < 1e-4):
            rounded[close] = int(function(Decimal(int(places[close]))).to_integral_value())
    return rounded


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
    """Return the part of a row's mixture below a score, times 2^28: from 0 to about 2^44."""
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
    """Return all of a row's mixture, in the units of `weight_below`."""
    total = np.int64(0)
    for k in range(mixture.weights.shape[1]):
        total += mixture.weights[row, k]
    return total << 28


@inlined
def upper_chance(low: Integer, middle: Integer, high: Integer) -> Integer:
    """Return the chance, of 16 bits, to be above `middle` when between `low` and `high`; 0 where there is too little weight."""
    between = (high - low) >> 12
    if between < 1:
        return 0
    return min(max(((high - middle) >> 12) * 65536 // between, 1), 65535)
