"""Merge the frequency tables of contexts that cost more bits apart than they save.

Bits are counted by the entropy of symbols, with exactly rounded operations only, so that any machine decides alike.
"""

from __future__ import annotations

import numpy as np

from baler_core.entropy.magnitudes import bit_length
from baler_core.machine.compiled import Array, Integer, compiled, inlined

_TABLED = 1 << 12
_LOGARITHMS = np.log2(np.maximum(np.arange(_TABLED + 1), 1))
# About the bits that a table takes, for itself and for each symbol that occurs; and those to point to another one.
_TABLE_BITS, _SYMBOL_BITS, _POINTER_BITS = 8.0, 4.0, 6.0
_NONE = -1.0


@inlined
def weighed_logarithm(count: Integer) -> float:
    """Return count * log2(count), of a count >= 0: shifted to at most 12 bits, for a table of 2^12 + 1."""
    shift = max(np.int64(0), bit_length(count) - 12)
    top = count >> shift
    part = (count - (top << shift)) / (1 << shift)
    return count * (shift + _LOGARITHMS[top] + part * (_LOGARITHMS[top + 1] - _LOGARITHMS[top]))


@compiled
def table_bits(first: Array, second: Array) -> float:
    """Return bits of all symbols of two tables in one, int64 counts, and of the table itself."""
    total, bits = np.int64(0), _TABLE_BITS
    for symbol in range(first.size):
        count = first[symbol] + second[symbol]
        if count:
            total += count
            bits += _SYMBOL_BITS - weighed_logarithm(count)
    return bits + weighed_logarithm(total)


@compiled
def share_tables(counts: Array, line: Integer) -> Array:
    """Return for each context the context under which its table is kept, with all counts of the table.

    Parameters
    ----------
    counts
        int64 (contexts, symbols); counts of contexts that share a table are added up in place.
    line
        Contexts come in lines of so many: neighbours in a line are alike.
    """
    contexts = counts.shape[0]
    heads = np.arange(contexts)
    nothing = np.zeros_like(counts[0])
    bits = np.zeros(contexts)
    for context in range(contexts):
        if counts[context].any():
            bits[context] = table_bits(counts[context], nothing)
    for first in range(0, contexts, line):
        merge_neighbours(counts, bits, heads, first, first + line)
    merge_any(counts, bits, heads)
    follow_heads(heads, bits)
    return heads


@compiled
def merge_neighbours(counts: Array, bits: Array, heads: Array, first: Integer, end: Integer) -> None:
    """Put neighbours in a line together as long as that saves bits."""
    used = np.array([context for context in range(first, end) if bits[context] > 0])
    gains = np.full(used.size, _NONE)
    for i in range(used.size - 1):
        gains[i] = gain(counts, bits, used[i], used[i + 1])
    left: Integer = used.size
    while left > 1:
        best: Integer = np.argmax(gains[: left - 1])
        if gains[best] <= 0:
            break
        merge(counts, bits, heads, used[best], used[best + 1])
        left -= 1
        for i in range(best + 1, left):
            used[i], gains[i] = used[i + 1], gains[i + 1]
        for i in range(max(0, best - 1), min(best + 1, left - 1)):
            gains[i] = gain(counts, bits, used[i], used[i + 1])


@compiled
def merge_any(counts: Array, bits: Array, heads: Array) -> None:
    """Put tables together wherever they are, as long as that saves bits."""
    used = np.array([context for context in range(heads.size) if bits[context] > 0])
    gains = np.full((used.size, used.size), _NONE)
    for i in range(used.size):
        for j in range(i + 1, used.size):
            gains[i, j] = gain(counts, bits, used[i], used[j]) - _POINTER_BITS
    while used.size:
        best: Integer = np.argmax(gains)
        i, j = best // used.size, best % used.size
        if gains[i, j] <= 0:
            break
        merge(counts, bits, heads, used[i], used[j])
        gains[j], gains[:, j] = _NONE, _NONE
        for k in range(used.size):
            if k != i and bits[used[k]] > 0:
                gains[min(i, k), max(i, k)] = gain(counts, bits, used[i], used[k]) - _POINTER_BITS


@inlined
def gain(counts: Array, bits: Array, first: Integer, second: Integer) -> float:
    """Return bits that one table for both would save."""
    return float(bits[first] + bits[second] - table_bits(counts[first], counts[second]))


@inlined
def merge(counts: Array, bits: Array, heads: Array, first: Integer, second: Integer) -> None:
    """Put the second table into the first."""
    counts[first] += counts[second]
    counts[second] = 0
    bits[first], bits[second] = table_bits(counts[first], counts[second]), 0
    heads[second] = first


@compiled
def follow_heads(heads: Array, bits: Array) -> None:
    """Let each context point to where its table is; those that do not occur go with the one before.

    Tables are put into earlier ones only, so that following them ends.
    """
    last: Integer = np.argmax(bits)
    for context in range(heads.size):
        head = heads[context]
        while heads[head] != head:
            head = heads[head]
        if bits[head] > 0:
            last = head
        heads[context] = last
