"""Codes the integers of one band in a fraction of the time: one context for each, tables of frequencies, prepared rows.

Loops take arrays as arguments of their own: of arrays in tuples, references would be counted for every integer.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from baler_core.builtin.models.fields.transform.contexts import LONGEST_RUN, RUNS, SHORTEST_RUN
from baler_core.builtin.models.fields.transform.fast_geometry import Frame
from baler_core.builtin.models.fields.transform.fast_neighbourhood import (
    MOST_NEAR,
    WEIGHT_BITS,
    add_above,
    add_front,
    fill_near,
    place_of,
)
from baler_core.builtin.models.fields.transform.fast_signs import SIGN_CONTEXTS, signs_about
from baler_core.entropy.magnitudes import bit_length, code_simply
from baler_core.entropy.rans import SYMBOLS, decode_bit, decode_symbol
from baler_core.entropy.symbol_stream import Layout
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
    bin_of,
    bits_below,
    code_of,
    first_of,
    get_bits,
    put_bits,
    symbol_of,
)
from baler_core.machine.compiled import Array, Integer, compiled, inlined

# Lines of contexts of symbols, flags and kinds of bands of each of the two parts of a tile.
FAMILIES, FLAG_PLACES, KINDS = 4, RUNS * 5, 32
LAYOUT = Layout(2 * FAMILIES, 2 * KINDS * SIGN_CONTEXTS, 2 * FLAG_PLACES)
_FIRST_SIGN = LAYOUT.contexts * SYMBOLS


class Kind(NamedTuple):
    """Which contexts serve for a band.

    Attributes
    ----------
    families, hinted
        Where `Places.families` says the family of its slice, or of all its rows if they are not `hinted`.
    line, runs, signs
        The first line of contexts of symbols; where contexts of runs and signs begin.
    ahead
        Whether there is a slice before.
    """

    families: Integer
    hinted: Integer
    line: Integer
    runs: Integer
    signs: Integer
    ahead: Integer


@inlined
def find_quiet(base: Array, x: Integer, end: Integer) -> Integer:
    """Where the zeros of `base` from x on end."""
    while x < end and base[x] == 0:
        x += 1
    return x


@inlined
def lively_run(values: Array, first: Integer, end: Integer) -> Integer:
    """1 if anything in a stretch of a row differs from zero."""
    for place in range(first, end):
        if values[place]:
            return 1
    return 0


@compiled
def encode_band(
    ends: Array, codes: Array, flags: Array, raw: Array,
    values: Array, families: Array, near: Array, base: Array,
    frame: Frame, kind: Kind,
) -> None:  # fmt: skip
    """Collect all integers of a band, in order of z, y, x; `near` holds their magnitudes, which are below 2^31.

    There is room in `codes` for a symbol and a sign of each, and in `flags` for each of the shortest runs.
    """
    number, bits, flag = ends[CODES], ends[RAW], ends[FLAGS]
    west_weight, far_weight = 4 * frame.own_weight, 2 * frame.own_weight
    nx, width, depth = place_of(frame.nx), place_of(frame.width), place_of(frame.depth)
    for z in range(frame.nz):
        for y in range(frame.ny):
            at, here = (z * frame.ny + y) * frame.nx, place_of(frame.corner + z * frame.depth + y * frame.width)
            if y > 0:
                add_above(base, place_of(at), near, here, width, nx, frame.own_weight)
            if z > 0:
                add_front(base, place_of(at), near, here, depth, width, nx, frame.own_weight)
            step = frame.first + z * frame.plane + y * frame.row
            there, ahead = frame.own + step, frame.nearest + step if kind.ahead else -1
            family = kind.families + (step if kind.hinted else 0)
            west = far = left = resume = x = ZERO
            while x < frame.nx:
                known = np.int64(base[at + x])
                if known == 0 and west + far == 0 and x >= resume:
                    resume = find_quiet(base, at + x, at + min(frame.nx, x + LONGEST_RUN)) - at
                    if resume - x >= SHORTEST_RUN:
                        wanted = lively_run(values, there + x, there + resume)
                        flags[flag] = 2 * (kind.runs + bit_length(resume - x)) + wanted
                        flag += 1
                        if wanted == 0:
                            x = resume
                            continue
                known += west_weight * west + far_weight * far
                value = np.int64(values[there + x])
                symbol = symbol_of(abs(value))
                context = (kind.line + np.int64(families[family + x])) * EXPECTED + bin_of(known >> WEIGHT_BITS)
                codes[number] = code_of(context, symbol)
                number += 1
                if value:
                    below = bits_below(symbol)
                    put_bits(raw, bits, abs(value) & ((1 << below) - 1))
                    bits += below
                    pattern = signs_about(
                        values, there + x, frame.row if y else 0, ahead + x if kind.ahead else -1, left
                    )
                    negative = np.int64(value < 0)
                    codes[number] = _FIRST_SIGN + 2 * (kind.signs + (pattern >> 1)) + (negative ^ (pattern & 1))
                    number += 1
                    left = 1 + negative
                else:
                    left = ZERO
                far, west = west, min(first_of(symbol), MOST_NEAR)
                x += 1
    ends[CODES], ends[RAW], ends[FLAGS] = number, bits, flag


@compiled
def decode_band(
    ends: Array, raw: Array, words: Array, spans: Array, symbols: Array, ones: Array, tables: Array,
    registers: Array, data: Array, counters: Array,
    values: Array, families: Array, near: Array, base: Array,
    frame: Frame, kind: Kind,
) -> None:  # fmt: skip
    """Read what `encode_band` collected; `near` is filled in.

    Magnitudes that are read are below 2^31 (`symbols.first_of`, and 28 bits more). What is known of a place is a sum of
    limited magnitudes (see `quick_contexts`), never negative, so that clamped it is one of the TABLED.
    """
    bits, place, state, other = ends[RAW], ends[PLACE], ends[STATE], ends[OTHER]
    west_weight, far_weight = 4 * frame.own_weight, 2 * frame.own_weight
    nx, width, depth = place_of(frame.nx), place_of(frame.width), place_of(frame.depth)
    for z in range(frame.nz):
        for y in range(frame.ny):
            at, here = (z * frame.ny + y) * frame.nx, place_of(frame.corner + z * frame.depth + y * frame.width)
            if y > 0:
                add_above(base, place_of(at), near, here, width, nx, frame.own_weight)
            if z > 0:
                add_front(base, place_of(at), near, here, depth, width, nx, frame.own_weight)
            step = frame.first + z * frame.plane + y * frame.row
            there, ahead = frame.own + step, frame.nearest + step if kind.ahead else -1
            family = kind.families + (step if kind.hinted else 0)
            west = far = left = resume = x = ZERO
            while x < frame.nx:
                known = np.int64(base[at + x])
                if known == 0 and west + far == 0 and x >= resume:
                    resume = find_quiet(base, at + x, at + min(frame.nx, x + LONGEST_RUN)) - at
                    run = kind.runs + bit_length(resume - x)
                    if resume - x >= SHORTEST_RUN and code_simply(registers, data, counters, run, 0) == 0:
                        x = resume
                        continue
                known += west_weight * west + far_weight * far
                line = (kind.line + np.int64(families[family + x])) * TABLED
                table = np.int64(tables[line + min(known >> WEIGHT_BITS, TABLED - 1)])
                symbol, state, other, place = decode_symbol(spans, symbols, words, table, state, other, place)
                if symbol:
                    below = bits_below(symbol)
                    size = first_of(symbol) + get_bits(raw, bits, below)
                    bits += below
                    pattern = signs_about(
                        values, there + x, frame.row if y else 0, ahead + x if kind.ahead else -1, left
                    )
                    bit, state, other, place = decode_bit(ones[kind.signs + (pattern >> 1)], words, state, other, place)
                    negative = bit ^ (pattern & 1)
                    values[there + x] = -size if negative else size
                    left = 1 + negative
                else:
                    left = ZERO
                far, west = west, min(first_of(symbol), MOST_NEAR)
                x += 1
            fill_near(near, here, values, place_of(there), nx)
    ends[RAW], ends[PLACE], ends[STATE], ends[OTHER] = bits, place, state, other
