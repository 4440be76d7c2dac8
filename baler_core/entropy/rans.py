"""Code symbols with their frequency tables by range asymmetric numeral systems, in exact integers.

A state holds all symbols coded so far as one number below 2^63 (Duda, arXiv:1311.2540, 2013); its lower words are
written out as it grows. What is encoded last is decoded first, so that an encoder starts from the end. Two states take
turns, so that a processor can go on with one while it divides the other.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from baler_core.entropy.lanes import high_product
from baler_core.machine.compiled import Array, Integer, compiled, inlined, place_of

FREQUENCY_BITS = 12
TOTAL = 1 << FREQUENCY_BITS
# Symbols of a table.
SYMBOL_BITS = 7
SYMBOLS = 1 << SYMBOL_BITS
LOWEST = 1 << 31
# A decoder finds the number of a table, and the frequency of symbol 0 in it, in one number, the latter in so many bits.
_ZERO_BITS = FREQUENCY_BITS + 1
# A state of an encoder must not exceed its symbol's frequency times this power of two.
_GROWTH_BITS = 51
_WORD = 0xFFFFFFFF
# 2^(63 + more) / frequency, rounded up, with the fewest bits more that make a quotient of states, below 2^63, exact.
_MORE = np.frexp(np.maximum(np.arange(TOTAL + 1) - 1, 0))[1].astype(np.uint64)


def _reciprocals() -> Array:
    """Return uint64 for each frequency, see `_MORE`: of less than 64 bits for all above 1."""
    frequencies = np.arange(TOTAL + 1, dtype=np.uint64)
    frequencies[0] = 1
    whole, rest = np.divmod(np.uint64(1 << 63), frequencies)
    return (whole << _MORE) + ((rest << _MORE) + frequencies - np.uint64(1)) // frequencies


_RECIPROCALS = _reciprocals()


class SymbolTables(NamedTuple):
    """How often the symbols in each context occur, and the bits in contexts of their own, for a decoder.

    Attributes
    ----------
    spans
        int32 (tables * SYMBOLS,): each symbol's frequency in 1/TOTAL, times TOTAL, plus the sum of those before it.
    symbols
        uint8 (tables * TOTAL,): which symbol has each part of the total.
    ones
        int64 (contexts of bits,): how often a bit is 1, in 1/TOTAL.
    """

    spans: Array
    symbols: Array
    ones: Array


def new_tables(frequencies: Array, ones: Array) -> SymbolTables:
    """Make tables of frequencies: int64 (tables, SYMBOLS), each row of which sums to TOTAL."""
    starts = np.cumsum(frequencies, axis=1) - frequencies
    numbers = np.broadcast_to(np.arange(SYMBOLS, dtype=np.uint8), frequencies.shape)
    symbols = np.repeat(numbers.ravel(), frequencies.ravel())
    return SymbolTables((frequencies * TOTAL + starts).astype(np.int32).ravel(), symbols, ones)


def table_entries(tables: SymbolTables) -> Array:
    """Return, for each table, what `decode_symbol` needs to begin: uint32."""
    zeros = tables.spans[::SYMBOLS].astype(np.uint32) >> np.uint32(FREQUENCY_BITS)
    return np.arange(zeros.size, dtype=np.uint32) << np.uint32(_ZERO_BITS) | zeros


def spans_of(members: Array, frequencies: Array, ones: Array) -> Array:
    """Return what an encoder needs of the same: int32, one for each code.

    Codes are each symbol in each context, then a 0 and a 1 in each context of bits. Each has its frequency in 1/TOTAL,
    times TOTAL, plus the sum of the frequencies before it.
    """
    starts = np.cumsum(frequencies, axis=1) - frequencies
    symbols = (frequencies * TOTAL + starts)[members].ravel()
    bits = np.stack([(TOTAL - ones) * TOTAL + ones, ones * TOTAL], 1).ravel()
    return np.concatenate([symbols, bits]).astype(np.int32)


@compiled
def encode_codes(codes: Array, spans: Array, words: Array) -> tuple[Integer, Integer, Integer]:
    """Write codes into `words` (uint32, one for each at most) from the end; both states, and where the words start.

    `codes` is uint16: the places of their spans (see `spans_of`), in the order of decoding. Frequencies are chosen from
    counts of the same codes, so that none of those met is 0; and each code gives one word at most. A state is divided by
    a frequency above 1 by multiplying it with the reciprocal of that.
    """
    state = other = np.int64(LOWEST)
    place = np.int64(words.size)
    for number in range(codes.size - 1, -1, -1):
        span = np.int64(spans[place_of(codes[place_of(number)])])
        frequency = span >> FREQUENCY_BITS
        if state >> _GROWTH_BITS >= frequency:
            place -= 1
            words[place_of(place)] = state & _WORD
            state >>= 32
        share = state
        if frequency > 1:
            found = high_product(np.uint64(state), _RECIPROCALS[place_of(frequency)])
            share = np.int64(found >> (_MORE[place_of(frequency)] - np.uint64(1)))
        state = (share << FREQUENCY_BITS) + (state - share * frequency) + (span & (TOTAL - 1))
        state, other = other, state
    return other, state, place


@inlined
def refill(state: Integer, place: Integer, word: Integer) -> tuple[Integer, Integer]:
    """Return the state, and the place of the next word, after `word` was taken if need be."""
    if state < LOWEST:
        return (state << 32) | word, place + 1
    return state, place


@inlined
def word_at(words: Array, place: Integer) -> Integer:
    """Return the word at a place; the last one, which is 0, stands for all that follow. Places only grow, from 0."""
    return np.int64(words[place_of(min(place, words.size - 1))])


@inlined
def decode_symbol(
    spans: Array, symbols: Array, words: Array, entry: Integer, state: Integer, other: Integer, place: Integer
) -> tuple[Integer, Integer, Integer, Integer]:
    """Decode the next symbol, both states after it, that for the next symbol first, and the place of the next word.

    `entry` is that of the table (see `table_entries`). Symbol 0 is the first of its table and mostly the likeliest: it is
    known without a look at `symbols`, so that a processor can go on with it before the state is known.

    States are 63 bits, whatever a stream begins with: a frequency is TOTAL at most, so that they do not grow. The table
    is one of those that were read (`frequencies.read_frequencies`), each of TOTAL parts, the share masked to as many.
    """
    share, rest, word = state & (TOTAL - 1), state >> FREQUENCY_BITS, word_at(words, place)
    symbol = np.int64(0)
    zero = entry & ((1 << _ZERO_BITS) - 1)
    if share < zero:
        state = zero * rest + share
    else:
        table = entry >> _ZERO_BITS
        symbol = np.int64(symbols[place_of((table << FREQUENCY_BITS) + share)])
        span = np.int64(spans[place_of((table << SYMBOL_BITS) + symbol)])
        state = (span >> FREQUENCY_BITS) * rest + share - (span & (TOTAL - 1))
    state, place = refill(state, place, word)
    return symbol, other, state, place


@inlined
def decode_bit(
    ones: Integer, words: Array, state: Integer, other: Integer, place: Integer
) -> tuple[Integer, Integer, Integer, Integer]:
    """As `decode_symbol`: a bit that is 1 with a probability of `ones` / TOTAL."""
    share, word = state & (TOTAL - 1), word_at(words, place)
    bit = np.int64(share < ones)  # no branches: bits are hard to foresee
    state = (TOTAL - ones + bit * (2 * ones - TOTAL)) * (state >> FREQUENCY_BITS) + share - ones + bit * ones
    state, place = refill(state, place, word)
    return bit, other, state, place
