"""How surprised a mixture of logistics is by one value, and in which direction that changes: what training minimises."""

from __future__ import annotations

import math

from baler_core.builtin.models.table.network.mixtures import COMPONENTS
from baler_core.machine.compiled import Array, compiled

_MARGINAL = 2.0**-9
"""Share of the marginal, so that no value is impossible."""
_NARROWEST, _WIDEST = -7.0, 2.5
"""Logarithms of the widths of a logistic."""


@compiled
def surprise(out: Array, low: float, high: float, mass: float, slope: Array, shares: Array, inside: Array) -> float:
    """-ln of the chance of a value.

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
    """Shares of the components, that is the softmax of the first outputs."""
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
