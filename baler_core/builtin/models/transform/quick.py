"""Codes the integers of one band in a fraction of the time: one context for each, fixed tables, whole rows prepared."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from baler_core.builtin.models.magnitudes import bit_length
from baler_core.builtin.models.symbols import (
    CODES,
    EXPECTED,
    PLACE,
    RAW,
    STATE,
    Stream,
    TABLED,
    bin_of,
    bits_below,
    code_flag,
    code_of,
    first_of,
    get_bits,
    put_bits,
    symbol_of,
)
from baler_core.builtin.models.symbol_stream import Layout
from baler_core.builtin.models.transform.contexts import LONGEST_RUN, RUNS, SHORTEST_RUN
from baler_core.builtin.models.transform.quick_contexts import (
    MOST_NEAR,
    WEIGHT_BITS,
    add_above,
    add_front,
    add_parent,
    begin,
    fill_near,
    place_of,
    smooth,
)
from baler_core.compiled import Array, Integer, compiled, inlined
from baler_core.rans import SYMBOLS, decode_bit, decode_symbol


def _patterns() -> np.ndarray:
    """Of three signs (0, 1 or 2 for none, positive, negative): twice their context, plus whether they are turned round.

    Those that are all the other way round share a context.
    """
    found = np.zeros(27, np.int8)
    contexts = 1
    for pattern in range(1, 27):
        signs = pattern // 9, pattern // 3 % 3, pattern % 3
        turned = [(3 - sign) % 3 for sign in signs]
        other = turned[0] * 9 + turned[1] * 3 + turned[2]
        if other > pattern:
            found[pattern], found[other] = 2 * contexts, 2 * contexts + 1
            contexts += 1
    return found


SIGN_CONTEXTS = 14
_PATTERNS = _patterns()
# Lines of contexts of symbols, flags and kinds of bands of each of the two parts of a tile.
FAMILIES, FLAG_PLACES, KINDS = 4, RUNS * 5, 32
LAYOUT = Layout(2 * FAMILIES, 2 * KINDS * SIGN_CONTEXTS, 2 * FLAG_PLACES)
_FIRST_SIGN = LAYOUT.contexts * SYMBOLS


class Places(NamedTuple):
    """All integers, and what tells about them, in flat arrays.

    Attributes
    ----------
    values
        int32 (slices * variables * z * y * x).
    around
        int32, one slice of one variable more, which stays zero: means of what is coded.
    families
        uint8: the family of each place of each variable, where hints tell; then, for each family, a row.
    near, base
        int32: room for the magnitudes of a band, and for what is known of a row.
    """

    values: Array
    around: Array
    families: Array
    near: Array
    base: Array


class Row(NamedTuple):
    """Where a row of a band is.

    Attributes
    ----------
    there, family
        Where its values and families begin in `Places`.
    north, ahead
        Where the row above and that of the nearest slice begin, or -1.
    runs, signs
        Where the contexts of its flags and signs begin.
    line
        The first of its lines of contexts of symbols.
    west, far
        Weights of the two neighbours to the left.
    """

    there: Integer
    family: Integer
    north: Integer
    ahead: Integer
    runs: Integer
    line: Integer
    signs: Integer
    west: Integer
    far: Integer


@compiled
def code_band_quickly(
    stream: Stream, encoding: Integer, part: Integer, places: Places, band: Array, sources: Array, shape: Array
) -> None:
    """Write or read all integers of a band, in order of z, y, x.

    `sources` says where in `around` the slice itself, the nearest, the second and the one beside begin, and where its
    families do; `shape` is that of a slice.
    """
    values, around, families, near, base = places
    nz, ny, nx = band[3] - band[0], band[4] - band[1], band[5] - band[2]
    width, deep, high = nx + 1, nz > 1, ny > 1
    plane = (ny + 2) * width if deep else 0
    own_weight = (((band[20] * band[21]) >> 8) * band[22]) >> 16
    other_weight = (band[22] + 128) >> 8
    n, wide, thick = place_of(nx), place_of(width), place_of(plane)
    near[: (nz + 2) * plane + (ny + 3) * width + 1] = 0
    corner = 2 * plane + 2 * width + 1
    first = (band[0] * shape[1] + band[1]) * shape[2] + band[2]
    if encoding:
        for z in range(nz):
            for y in range(ny):
                there = sources[0] + first + (z * shape[1] + y) * shape[2]
                fill_near(near, place_of(corner + z * plane + y * width), values, place_of(there), n)
    for z in range(nz):
        for y in range(ny):
            step = first + (z * shape[1] + y) * shape[2]
            here = place_of(corner + z * plane + y * width)
            ahead, second, beside = (
                place_of(sources[1] + step),
                place_of(sources[2] + step),
                place_of(sources[3] + step),
            )
            begin(base, around, ahead, second, beside, n, other_weight)
            if band[15]:
                pz = min(band[6] + (z >> band[12]), band[9] - 1)
                py = min(band[7] + (y >> band[13]), band[10] - 1)
                parent = sources[0] + (pz * shape[1] + py) * shape[2] + band[8]
                count = place_of(band[11] - band[8])
                add_parent(base, around, place_of(parent), count, band[14], n, other_weight)
            if y > 0:
                add_above(base, near, here, wide, n, own_weight)
            if z > 0:
                add_front(base, near, here, thick, wide, n, own_weight)
            family = sources[4] + step if band[25] else sources[5] + shape[2] * band[16]
            runs = part * FLAG_PLACES + RUNS + band[17] * 4 - 4
            north = sources[0] + step - shape[2] if y else -1
            previous = sources[1] + step if sources[1] < values.size else -1
            signs = (part * KINDS + band[26]) * SIGN_CONTEXTS
            row = Row(
                sources[0] + step, family, north, previous, runs, part * FAMILIES, signs, 4 * own_weight, 2 * own_weight
            )
            if encoding:
                encode_row(stream, values, families, base, row, nx)
            else:
                decode_row(stream, values, families, base, row, nx)
                fill_near(near, here, values, place_of(row.there), n)
    for z in range(nz):
        for y in range(ny):
            here = place_of(corner + z * plane + y * width)
            there = sources[0] + first + (z * shape[1] + y) * shape[2]
            smooth(near, here, wide, thick, around, place_of(there), n, 1 * deep + 1 * high)


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


@inlined
def signs_about(values: Array, north: Integer, ahead: Integer, left: Integer) -> Integer:
    """Twice the context of a sign, plus whether it is turned round: that of signs to the left, above and ahead."""
    up, before = np.int64(values[north]) if north >= 0 else 0, np.int64(values[ahead]) if ahead >= 0 else 0
    return np.int64(_PATTERNS[(left * 3 + (up > 0) + 2 * (up < 0)) * 3 + (before > 0) + 2 * (before < 0)])


@inlined
def encode_row(stream: Stream, values: Array, families: Array, base: Array, row: Row, n: Integer) -> None:
    """Collect the integers of a row."""
    there, family, north, ahead, runs, line, signs, west_weight, far_weight = row
    codes, raw = stream.codes, stream.raw
    number, bits = stream.ends[CODES], stream.ends[RAW]
    west = far = left = resume = x = np.int64(0)
    while x < n:
        known = np.int64(base[x])
        if known == 0 and west + far == 0 and x >= resume:
            resume = find_quiet(base, x, min(n, x + LONGEST_RUN))
            if resume - x >= SHORTEST_RUN:
                wanted = lively_run(values, there + x, there + resume)
                code_flag(stream, 1, runs + bit_length(resume - x), wanted)
                if wanted == 0:
                    x = resume
                    continue
        known += west_weight * west + far_weight * far
        value = np.int64(values[there + x])
        size = abs(value)
        symbol = symbol_of(size)
        codes[number] = code_of((line + families[family + x]) * EXPECTED + bin_of(known >> WEIGHT_BITS), symbol)
        number += 1
        if size:
            below = bits_below(symbol)
            put_bits(raw, bits, size & ((1 << below) - 1))
            bits += below
            pattern = signs_about(values, north + x if north >= 0 else -1, ahead + x if ahead >= 0 else -1, left)
            negative = 1 if value < 0 else 0
            codes[number] = _FIRST_SIGN + 2 * (signs + (pattern >> 1)) + (negative ^ (pattern & 1))
            number += 1
            left = 1 + negative
        else:
            left = np.int64(0)
        far, west = west, min(first_of(symbol), MOST_NEAR)
        x += 1
    stream.ends[CODES], stream.ends[RAW] = number, bits


@inlined
def decode_row(stream: Stream, values: Array, families: Array, base: Array, row: Row, n: Integer) -> None:
    """Read the integers of a row."""
    there, family, north, ahead, runs, line, signs, west_weight, far_weight = row
    raw, words, tables = stream.raw, stream.words, stream.tables
    bits, place, state = stream.ends[RAW], stream.ends[PLACE], stream.ends[STATE]
    west = far = left = resume = x = np.int64(0)
    while x < n:
        known = np.int64(base[x])
        if known == 0 and west + far == 0 and x >= resume:
            resume = find_quiet(base, x, min(n, x + LONGEST_RUN))
            if resume - x >= SHORTEST_RUN and code_flag(stream, 0, runs + bit_length(resume - x), 0) == 0:
                x = resume
                continue
        known += west_weight * west + far_weight * far
        table = stream.chosen[(line + families[family + x]) * TABLED + min(known >> WEIGHT_BITS, TABLED - 1)]
        symbol, state, place = decode_symbol(tables, words, np.int64(table), state, place)
        size = np.int64(0)
        if symbol:
            below = bits_below(symbol)
            size = first_of(symbol) + get_bits(raw, bits, below)
            bits += below
            pattern = signs_about(values, north + x if north >= 0 else -1, ahead + x if ahead >= 0 else -1, left)
            bit, state, place = decode_bit(tables, words, signs + (pattern >> 1), state, place)
            negative = bit ^ (pattern & 1)
            values[there + x] = -size if negative else size
            left = 1 + negative
        else:
            left = np.int64(0)
        far, west = west, min(first_of(symbol), MOST_NEAR)
        x += 1
    stream.ends[RAW], stream.ends[PLACE], stream.ends[STATE] = bits, place, state
