"""Decides which contexts share a table of frequencies: those that would take more bits for tables than they save.

Bits are counted by the entropy of symbols, with exactly rounded operations only, so that any machine decides alike.
"""

from __future__ import annotations

import numpy as np

from baler_core.builtin.models.magnitudes import bit_length
from baler_core.compiled import Array, Integer, compiled, inlined

_TABLED = 1 << 12
_LOGARITHMS = np.log2(np.maximum(np.arange(_TABLED + 1), 1))
# About the bits that a table takes, for itself and for each symbol that occurs.
_TABLE_BITS, _SYMBOL_BITS = 8.0, 4.0
_NONE = -1.0


@inlined
def weighed_logarithm(count: Integer) -> float:
    """count * log2(count)."""
    shift = max(np.int64(0), bit_length(count) - 12)
    top = count >> shift
    part = (count - (top << shift)) / (1 << shift)
    return count * (shift + _LOGARITHMS[top] + part * (_LOGARITHMS[top + 1] - _LOGARITHMS[top]))


@compiled
def table_bits(counts: Array) -> float:
    """Bits of all symbols of a table, int64 counts, and of the table itself."""
    total, bits = np.int64(0), _TABLE_BITS
    for symbol in range(counts.size):
        if counts[symbol]:
            total += counts[symbol]
            bits += _SYMBOL_BITS - weighed_logarithm(counts[symbol])
    return bits + weighed_logarithm(total)


@compiled
def joint_bits(first: Array, second: Array) -> float:
    """`table_bits` of two tables in one."""
    total, bits = np.int64(0), _TABLE_BITS
    for symbol in range(first.size):
        count = first[symbol] + second[symbol]
        if count:
            total += count
            bits += _SYMBOL_BITS - weighed_logarithm(count)
    return bits + weighed_logarithm(total)


@compiled
def merge_neighbours(counts: Array, line: Integer) -> Array:
    """For each context the first one of its table, of contexts in lines of `line`; counts are added up there.

    Neighbours in a line are put together as long as that saves bits; contexts that do not occur go with the one before.
    """
    contexts = counts.shape[0]
    heads, bits, gains = np.empty(contexts, np.int64), np.zeros(contexts), np.full(contexts, _NONE)
    following = np.full(contexts, -1)
    for start in range(0, contexts, line):
        last = np.int64(-1)
        for context in range(start, start + line):
            heads[context] = last if last >= 0 else start
            if counts[context].any():
                heads[context] = context
                bits[context] = table_bits(counts[context])
                if last >= 0:
                    following[last] = context
                    gains[last] = bits[last] + bits[context] - joint_bits(counts[last], counts[context])
                last = context
    while True:
        best = np.argmax(gains)
        if gains[best] <= 0:
            break
        absorb(counts, heads, bits, gains, following, best)
    for context in range(contexts):  # heads come before their members
        heads[context] = heads[heads[context]]
    return heads


@compiled
def absorb(counts: Array, heads: Array, bits: Array, gains: Array, following: Array, best: Integer) -> None:
    """Put a table and the following one of its line together, and find out what further steps would gain."""
    other = following[best]
    counts[best] += counts[other]
    counts[other] = 0
    heads[other], following[best], gains[other] = best, following[other], _NONE
    bits[best] = table_bits(counts[best])
    gains[best] = _NONE
    after = following[best]
    if after >= 0:
        gains[best] = bits[best] + bits[after] - joint_bits(counts[best], counts[after])
    for before in range(best - 1, -1, -1):
        if following[before] == best:
            gains[before] = bits[before] + bits[best] - joint_bits(counts[before], counts[best])
            break
