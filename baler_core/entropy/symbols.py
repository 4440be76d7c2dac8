"""Collect the integers of a field as symbols with contexts, flags and raw bits, before frequencies are known.

A symbol is a magnitude in quarter octaves; the bits below are written as they are. Signs have contexts of their own.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from baler_core.entropy.magnitudes import LOGARITHMS
from baler_core.entropy.rans import SYMBOL_BITS, SymbolTables
from baler_core.machine.compiled import Array, Integer, inlined, place_of

# Places in `Stream.ends`: symbols, raw bits and flags so far; words read, and the states of the decoder.
CODES, RAW, FLAGS, PLACE, STATE, OTHER = range(6)
ENDS = 6
# Bins of expected magnitudes; larger ones go with the last.
EXPECTED = int(LOGARITHMS[-1]) + 1
TABLED = LOGARITHMS.size
_MASK = TABLED - 1
# Symbols of all magnitudes below 2^31.
MOST_SYMBOLS = 120
ZERO: Integer = np.int64(0)


_FIRST = np.array([s if s < 8 else (4 + (s & 3)) << ((s >> 2) - 1) for s in range(MOST_SYMBOLS)], np.int32)


class Stream(NamedTuple):
    """What is collected (encoder), or where it comes from (decoder).

    Attributes
    ----------
    ends
        int64 (ENDS,): how far each part has come.
    codes
        uint16: symbols and signs with their contexts; see `rans.encode_codes` (encoder).
    flags
        uint16: bits with adaptive probabilities, twice the number of their counter plus the bit (encoder).
    raw
        uint32: bits as they are, the lowest first.
    words
        uint32: what `rans.encode_codes` wrote, and a 0 (decoder).
    tables
        Frequencies of symbols (decoder).
    chosen
        uint32 (lines * TABLED,): the entry of the table (see `rans.table_entries`) for each expected magnitude, in each line
        of contexts (decoder).
    registers, data, counters
        An arithmetic decoder at work and its counters, for flags (decoder).
    """

    ends: Array
    codes: Array
    flags: Array
    raw: Array
    words: Array
    tables: SymbolTables
    chosen: Array
    registers: Array
    data: Array
    counters: Array


@inlined
def symbol_of(magnitude: Integer) -> Integer:
    """The quarter octave of a magnitude below 2^31: 0 .. 7 as they are, then four per doubling; below MOST_SYMBOLS.

    Magnitudes are smaller wherever this is called: `quantiser`, `bound_layer` and `field.LARGEST` see to it.
    """
    symbol = np.int64(0)
    while magnitude >= TABLED:
        magnitude >>= 4
        symbol += 16
    return symbol + LOGARITHMS[magnitude & _MASK]


@inlined
def bin_of(expected: Integer) -> Integer:
    """Return the bin of an expected magnitude >= 0."""
    return np.int64(LOGARITHMS[min(expected, TABLED - 1) & _MASK])


@inlined
def bits_below(symbol: Integer) -> Integer:
    """Return how many bits of a magnitude its symbol leaves open."""
    return max(np.int64(0), (symbol >> 2) - 1)


@inlined
def first_of(symbol: Integer) -> Integer:
    """The smallest magnitude of a symbol, which a table has only below MOST_SYMBOLS (see `frequencies.code_levels`)."""
    return np.int64(_FIRST[place_of(symbol)])


@inlined
def put_bits(raw: Array, place: Integer, bits: Integer) -> None:
    """Write bits (below 2^32) at a place of `raw`, which is zero from there on.

    A value takes at most 28 of them, and `raw` has 32 for each, and two words more.
    """
    word, spread = place_of(place >> 5), np.uint64(bits) << np.uint64(place & 31)
    raw[word] |= np.uint32(spread & np.uint64(0xFFFFFFFF))
    raw[word + np.uint64(1)] |= np.uint32(spread >> np.uint64(32))


@inlined
def get_bits(raw: Array, place: Integer, count: Integer) -> Integer:
    """Read up to 32 bits; zeros follow the end, since the last two words are 0. Places only grow, from 0."""
    word = place_of(min(place >> 5, raw.size - 2))
    both = np.uint64(raw[word]) | (np.uint64(raw[word + np.uint64(1)]) << np.uint64(32))
    return np.int64((both >> np.uint64(place & 31)) & ((np.uint64(1) << np.uint64(count)) - np.uint64(1)))


@inlined
def code_of(context: Integer, symbol: Integer) -> Integer:
    """Code a symbol with its context, as `Stream.codes` holds it."""
    return (context << SYMBOL_BITS) | symbol
