"""Tables of integers that drive the entropy coder, made by exact decimal arithmetic so that every machine has the same."""

from __future__ import annotations

from decimal import Decimal, localcontext
from functools import cache

import numpy as np

STRETCH_LIMIT = 2047
"""Largest log-odds, in units of 1/256."""
COUNT_LIMIT = 511
"""Largest count a counter remembers."""


@cache
def squash_table() -> np.ndarray:
    """1 / (1 + exp(-x / 256)) for x in -2047..2047, times 2^16 and kept from the ends: int32, length 4095."""
    return np.clip(_sigmoid(STRETCH_LIMIT, 256, 16), 16, 65536 - 16).astype(np.int32)


@cache
def stretch_table() -> np.ndarray:
    """Log-odds in units of 1/256 of a probability of 12 bits (at the middle of its cell): int32, length 4096."""
    middles = np.arange(4096) * 16 + 8
    places = np.searchsorted(_sigmoid(STRETCH_LIMIT, 256, 16), middles)
    return np.clip(places - STRETCH_LIMIT, -STRETCH_LIMIT, STRETCH_LIMIT).astype(np.int32)


@cache
def rate_table() -> np.ndarray:
    """2^16 / (n + 1.4): how far a counter that has seen n bits moves, int32, length 512."""
    return np.array([655360 // (10 * n + 14) for n in range(COUNT_LIMIT + 1)], np.int32)


@cache
def trust_table() -> np.ndarray:
    """2^10 * n / (n + 0.5): how far a counter that has seen n bits is believed, int32, length 512."""
    return np.array([2048 * n // (2 * n + 1) for n in range(COUNT_LIMIT + 1)], np.int32)


def _sigmoid(limit: int, steps: int, bits: int) -> np.ndarray:
    """2^bits / (1 + exp(-k / steps)) for k in -limit..limit."""
    with localcontext() as context:
        context.prec = 40
        ratio = (Decimal(1) / steps).exp()
        odds = (Decimal(-limit) / steps).exp()
        found = []
        for _ in range(2 * limit + 1):
            found.append(int((odds / (1 + odds) * (1 << bits)).to_integral_value()))
            odds *= ratio
    return np.array(found, np.int64)
