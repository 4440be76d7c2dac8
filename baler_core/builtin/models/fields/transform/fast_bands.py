"""Code the integers of one band fast: one context for each, frequency tables, sums prepared row by row.

Loops take arrays out of their tuples first: of arrays in tuples, references would be counted for every integer.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from baler_core.builtin.models.fields.transform.contexts import LONGEST_RUN, RUNS, SHORTEST_RUN
from baler_core.builtin.models.fields.transform.fast_geometry import BandGeometry, prepare_row
from baler_core.builtin.models.fields.transform.fast_neighbourhood import (
    MOST_NEAR,
    SIGN_CONTEXTS,
    WEIGHT_BITS,
    sign_context,
)
from baler_core.entropy.magnitudes import bit_length, code_simply
from baler_core.entropy.rans import SYMBOLS, decode_bit, decode_symbol
from baler_core.entropy.symbol_stream import ContextCounts
from baler_core.entropy.symbols import (
    CODES,
    EXPECTED,
    FLAGS,
    OTHER,
    PLACE,
    RAW,
    STATE,
    TABLED,
    ZERO,
    Stream,
    bin_of,
    bits_below,
    code_of,
    first_of,
    get_bits,
    put_bits,
    symbol_of,
)
from baler_core.machine.compiled import Array, Integer, compiled, inlined, place_of

# Context sets of symbols, flags and kinds of bands of each of the two parts of a tile.
CONTEXT_SETS, FLAG_PLACES, KINDS = 4, RUNS * 5, 32
CONTEXTS = ContextCounts(2 * CONTEXT_SETS, 2 * KINDS * SIGN_CONTEXTS, 2 * FLAG_PLACES)
_FIRST_SIGN = CONTEXTS.contexts * SYMBOLS


class FieldArrays(NamedTuple):
    """All integers of a field, and what is known of them, in flat arrays.

    Attributes
    ----------
    values
        int32 (slices * variables * z * y * x).
    around
        int32, one slice of one variable more, which stays zero: means of what is coded.
    context_sets
        uint8: the context set of each place of each variable, where hints give it; then, for each set, a row.
    near, base
        int32: scratch for the magnitudes of a band, and for the sums that its places are coded by.
    """

    values: Array
    around: Array
    context_sets: Array
    near: Array
    base: Array


class BandContexts(NamedTuple):
    """Which contexts serve for a band.

    Attributes
    ----------
    context_sets, hinted
        Where `FieldArrays.context_sets` holds the sets of its slice, or those of all its rows if they are not `hinted`.
    line, runs, signs
        The first line of contexts of symbols; where contexts of runs and signs begin.
    ahead
        Whether there is a slice before.
    """

    context_sets: Integer
    hinted: Integer
    line: Integer
    runs: Integer
    signs: Integer
    ahead: Integer


@inlined
def end_of_zeros(base: Array, x: Integer, end: Integer) -> Integer:
    """Return where the zeros of `base` from x on end."""
    while x < end and base[place_of(x)] == 0:
        x += 1
    return x


@inlined
def any_nonzero_in_run(values: Array, first: Integer, end: Integer) -> Integer:
    """Return 1 if anything in a stretch of a row differs from zero."""
    for place in range(first, end):
        if values[place_of(place)]:
            return 1
    return 0


@compiled
def encode_band(stream: Stream, arrays: FieldArrays, geometry: BandGeometry, contexts: BandContexts) -> None:
    """Collect all integers of a band, in order of z, y, x; `near` holds their magnitudes, which are below 2^31."""
    # there is room in `codes` for a symbol and a sign of each, and in `flags` for each of the shortest runs
    ends, codes, flags, raw = stream.ends, stream.codes, stream.flags, stream.raw
    values, context_sets, near, base = arrays.values, arrays.context_sets, arrays.near, arrays.base
    number, bits, flag, nx = ends[CODES], ends[RAW], ends[FLAGS], geometry.nx
    for row in range(geometry.nz * geometry.ny):
        y, places = row % geometry.ny, prepare_row(base, near, geometry, row // geometry.ny, row % geometry.ny)
        at, there, step = np.int64(places.base), np.int64(places.slices), np.int64(places.slices) - geometry.own
        ahead, context_set = geometry.nearest + step, contexts.context_sets + (step if contexts.hinted else 0)
        west = far = left = resume = x = ZERO
        while x < nx:
            known = np.int64(base[place_of(at + x)])
            if known == 0 and west + far == 0 and x >= resume:
                resume = end_of_zeros(base, at + x, at + min(nx, x + LONGEST_RUN)) - at
                if resume - x >= SHORTEST_RUN:
                    wanted = any_nonzero_in_run(values, there + x, there + resume)
                    flags[place_of(flag)] = 2 * (contexts.runs + bit_length(resume - x)) + wanted
                    flag += 1
                    if wanted == 0:
                        x = resume
                        continue
            known += (4 * west + 2 * far) * geometry.own_weight
            value = np.int64(values[place_of(there + x)])
            symbol, left_before = symbol_of(abs(value)), left
            line = (contexts.line + np.int64(context_sets[place_of(context_set + x)])) * EXPECTED
            codes[place_of(number)] = code_of(line + bin_of(known >> WEIGHT_BITS), symbol)
            number, left = number + 1, ZERO
            if value:
                below, left = bits_below(symbol), np.int64(1) + np.int64(value < 0)
                put_bits(raw, bits, abs(value) & ((1 << below) - 1))
                bits += below
                above, before = geometry.row if y else 0, ahead + x if contexts.ahead else -1
                pattern = sign_context(values, there + x, above, before, left_before)
                codes[place_of(number)] = _FIRST_SIGN + 2 * contexts.signs + (pattern ^ (left - 1))
                number += 1
            far, west = west, min(first_of(symbol), MOST_NEAR)
            x += 1
    ends[CODES], ends[RAW], ends[FLAGS] = number, bits, flag


@compiled
def decode_band(stream: Stream, arrays: FieldArrays, geometry: BandGeometry, contexts: BandContexts) -> None:
    """Read what `encode_band` collected; `near`, of zeros at first, is filled in.

    Magnitudes are below 2^31 (`symbols.first_of`, and 28 bits more); sums of limited ones are never negative: clamped, TABLED.
    """
    ends, raw, words, tables = stream.ends, stream.raw, stream.words, stream.chosen
    (spans, symbols, ones), registers, data, counters = stream.tables, stream.registers, stream.data, stream.counters
    values, context_sets, near, base = arrays.values, arrays.context_sets, arrays.near, arrays.base
    bits, place, state, other, nx = ends[RAW], ends[PLACE], ends[STATE], ends[OTHER], geometry.nx
    for row in range(geometry.nz * geometry.ny):
        y, places = row % geometry.ny, prepare_row(base, near, geometry, row // geometry.ny, row % geometry.ny)
        at, there, step = np.int64(places.base), np.int64(places.slices), np.int64(places.slices) - geometry.own
        ahead, context_set = geometry.nearest + step, contexts.context_sets + (step if contexts.hinted else 0)
        around, west = np.int64(places.near), ZERO
        far = left = resume = x = ZERO
        while x < nx:
            known = np.int64(base[place_of(at + x)])
            if known == 0 and west + far == 0 and x >= resume:
                resume = end_of_zeros(base, at + x, at + min(nx, x + LONGEST_RUN)) - at
                run = contexts.runs + bit_length(resume - x)
                if resume - x >= SHORTEST_RUN and code_simply(registers, data, counters, run, 0) == 0:
                    x = resume
                    continue
            known += (4 * west + 2 * far) * geometry.own_weight
            line = (contexts.line + np.int64(context_sets[place_of(context_set + x)])) * TABLED
            entry = np.int64(tables[place_of(line + min(known >> WEIGHT_BITS, TABLED - 1))])
            symbol, state, other, place = decode_symbol(spans, symbols, words, entry, state, other, place)
            left_before, left = left, ZERO
            if symbol:
                below = bits_below(symbol)
                size = first_of(symbol) + get_bits(raw, bits, below)
                bits += below
                above, before = geometry.row if y else 0, ahead + x if contexts.ahead else -1
                pattern = sign_context(values, there + x, above, before, left_before)
                odds = np.int64(ones[place_of(contexts.signs + (pattern >> 1))])
                bit, state, other, place = decode_bit(odds, words, state, other, place)
                left = 1 + (bit ^ (pattern & 1))
                values[place_of(there + x)] = size if left == 1 else -size
                near[place_of(around + x)] = min(size, MOST_NEAR)
            far, west = west, min(first_of(symbol), MOST_NEAR)
            x += 1
    ends[RAW], ends[PLACE], ends[STATE], ends[OTHER] = bits, place, state, other
