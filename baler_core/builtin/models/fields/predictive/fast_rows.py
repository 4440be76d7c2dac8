"""Codes the rows of one slice in a fraction of the time: the learned stencil alone, one context, tables of frequencies.

Loops take arrays as arguments of their own: of arrays in tuples, references would be counted for every value.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from baler_core.builtin.models.fields.predictive.fast_prediction import (
    ERROR_BITS,
    MOST_ERROR,
    expect_errors,
    find_weights,
    sum_other_rows,
)
from baler_core.builtin.models.fields.predictive.predictor import FRACTION
from baler_core.builtin.models.fields.predictive.series import BEFORE, BESIDE, OWN, Series, close_row, open_row
from baler_core.builtin.models.fields.predictive.stencil import MARGIN, WEIGHT_BITS
from baler_core.entropy.rans import SYMBOLS, decode_bit, decode_symbol
from baler_core.entropy.symbol_stream import Layout
from baler_core.entropy.symbols import (
    CODES,
    EXPECTED,
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
from baler_core.machine.compiled import Array, Integer, compiled, inlined

_HALF = 1 << (FRACTION - 1)
# Lines of bins of expected errors: one for each variable, or for each of two
# variables and each size of the fraction between prediction and whole step. Beyond these, variables share contexts.
_LINES, _FRACTIONS = 8, 4
# Contexts of signs: by fraction, expected error and the sign to the left, for each of some variables.
_SIGN_SETS, _SIGNS = 4, 9 * 8 * 3
LAYOUT = Layout(_LINES, _SIGN_SETS * _SIGNS, 0)
# Of a negative, no or positive fraction and no, a positive or a negative sign to the left: twice the sign as seen from
# the fraction, or else from the left, plus whether that is turned round.
_TURNED = np.array([1, 5, 3, 0, 2, 3, 0, 2, 4], np.int64)
_FIRST_SIGN = LAYOUT.contexts * SYMBOLS


class Row(NamedTuple):
    """Where a row is, and what is the same for all of its slice.

    Attributes
    ----------
    first, errors, hole
        Where it begins in the planes, the errors and the holes, all flat; `hole` is -1 if there are none.
    low, high
        Smallest and largest value.
    one, two, three
        Weights of the values to the left.
    share
        Weight of errors of the row.
    line, signs
        The first line of contexts of symbols, and where those of signs begin.
    """

    first: Integer
    errors: Integer
    hole: Integer
    low: Integer
    high: Integer
    one: Integer
    two: Integer
    three: Integer
    share: Integer
    line: Integer
    signs: Integer


@compiled
def code_slice_quickly(stream: Stream, encoding: Integer, series: Series, sources: Array, variable: Integer) -> None:
    """Write or read all values of a slice, row by row."""
    ends, codes, _, raw, words, (spans, symbols, ones), tables, _, _, _ = stream
    planes, errors, holes = series.planes.reshape(-1), series.errors.reshape(-1), series.holes.reshape(-1)
    (ny, nx), size, own = series.errors.shape[1:], series.planes.shape[1], sources[OWN]
    ny, nx = ny - 4, nx - 4
    width, area = nx + 2 * MARGIN, (ny + 4) * (nx + 4)
    before, beside = max(sources[BEFORE], -1), max(sources[BESIDE], -1)
    values, values_before = series.planes[own], series.planes[before]
    steps, weights, near = find_weights(series, sources, variable)
    sums, expected = np.zeros(nx, np.int64), np.zeros(nx, np.int32)
    share = (3 << ERROR_BITS) // (14 * (3 + 2 * (before >= 0) + 2 * (beside >= 0)))
    line = min(variable, _LINES - 1) if series.closed else min(variable, 1) * _FRACTIONS
    for y in range(ny):
        first, there = (y + MARGIN) * width + MARGIN, (y + 2) * (nx + 4) + 2
        open_row(values, values_before, sources, first, width, nx, y)
        sum_other_rows(sums, planes, own * size + first, steps, weights)
        past = before * area + there if before >= 0 else 0
        other = beside * area + there if beside >= 0 else 0
        expect_errors(expected, errors, own * area + there, past, other, nx + 4, share)
        row = Row(
            own * size + first, own * area + there, (own * ny + y) * nx if holes.size else -1,
            series.limits[0], series.limits[1], near[0], near[1], near[2],
            share, line, min(variable, _SIGN_SETS - 1) * _SIGNS,
        )  # fmt: skip
        # the compiler makes one loop for each way of restoring values
        if encoding and series.closed:
            encode_row(ends, codes, raw, planes, errors, holes, sums, expected, row, None)
        elif encoding:
            encode_row(ends, codes, raw, planes, errors, holes, sums, expected, row, True)
        elif series.closed:
            decode_row(ends, raw, words, spans, symbols, ones, tables, planes, errors, holes, sums, expected, row, None)
        else:
            decode_row(ends, raw, words, spans, symbols, ones, tables, planes, errors, holes, sums, expected, row, True)
        close_row(values, first, nx)


@inlined
def sign_context(fraction: Integer, chosen: Integer, left: Integer) -> Integer:
    """Twice the context of a sign, plus whether it is turned round, by fraction, expected error and sign to the left.

    The fraction is from -32 to 32, which makes 9 classes; the sign to the left is 0, 1 or 2.
    """
    side = np.int64(fraction > 0) - np.int64(fraction < 0)
    return 6 * (((abs(fraction) + 2) >> 2) * 8 + min(7, chosen >> 2)) + _TURNED[3 * side + left + 3]


@compiled
def encode_row(
    ends: Array, codes: Array, raw: Array,
    values: Array, errors: Array, holes: Array, sums: Array, expected: Array, row: Row, whole: bool | None,
) -> None:  # fmt: skip
    """Collect a row, whose values are replaced by what will be restored: whole steps, unless `whole` is None.

    Values and limits are below 2^25 steps apart (see `field.LARGEST`), so that each makes a symbol.
    """
    first, place_of_errors, hole, low, high, by_one, by_two, by_three, share, line, signs = row
    number, bits = ends[CODES], ends[RAW]
    one, two, three = np.int64(values[first - 1]), np.int64(values[first - 2]), np.int64(values[first - 3])
    west = far = left = ZERO
    for x in range(sums.size):
        mean = min(max((sums[x] + by_one * one + by_two * two + by_three * three) >> WEIGHT_BITS, low), high)
        actual, fraction, error = mean, ZERO, ZERO
        if whole is not None:
            actual = ((mean + _HALF) >> FRACTION) << FRACTION
            fraction = (mean - actual) >> (FRACTION - 6)
        if hole < 0 or holes[hole + x] == 0:
            known = np.int64(expected[x]) + share * (4 * west + far)
            step = (values[first + x] - actual + _HALF) >> FRACTION
            size = abs(step)
            symbol = symbol_of(size)
            codes[number] = code_of(
                (line + min(3, abs(fraction) >> 3)) * EXPECTED + bin_of(known >> ERROR_BITS), symbol
            )
            number += 1
            if size:
                below = bits_below(symbol)
                put_bits(raw, bits, size & ((1 << below) - 1))
                bits += below
                pattern = sign_context(fraction, bin_of(known >> ERROR_BITS), left)
                negative = 1 if step < 0 else 0
                codes[number] = _FIRST_SIGN + 2 * (signs + (pattern >> 1)) + (negative ^ (pattern & 1))
                number += 1
                left = np.int64(1 + negative)
                actual += step << FRACTION
            else:
                left = ZERO
            error = min(max((first_of(symbol) << 4) - (abs(fraction) >> 2), abs(fraction) >> 2), MOST_ERROR)
            errors[place_of_errors + x] = error
        values[first + x] = actual
        three, two, one = two, one, actual
        far, west = west, error
    ends[CODES], ends[RAW] = number, bits


@compiled
def decode_row(
    ends: Array, raw: Array, words: Array, spans: Array, symbols: Array, ones: Array, tables: Array,
    values: Array, errors: Array, holes: Array, sums: Array, expected: Array, row: Row, whole: bool | None,
) -> None:  # fmt: skip
    """Read a row that `encode_row` collected.

    Means are clamped to the limits of values, errors to MOST_ERROR, and what is expected is not negative: lines, tables
    and contexts of signs follow from these. Restored values may wrap around in planes of 32 bits: they are no places.
    """
    first, place_of_errors, hole, low, high, by_one, by_two, by_three, share, line, signs = row
    bits, place, state, other = ends[RAW], ends[PLACE], ends[STATE], ends[OTHER]
    one, two, three = np.int64(values[first - 1]), np.int64(values[first - 2]), np.int64(values[first - 3])
    west = far = left = ZERO
    for x in range(sums.size):
        mean = min(max((sums[x] + by_one * one + by_two * two + by_three * three) >> WEIGHT_BITS, low), high)
        actual, fraction, error = mean, ZERO, ZERO
        if whole is not None:
            actual = ((mean + _HALF) >> FRACTION) << FRACTION
            fraction = (mean - actual) >> (FRACTION - 6)
        if hole < 0 or holes[hole + x] == 0:
            known = np.int64(expected[x]) + share * (4 * west + far)
            table = tables[(line + min(3, abs(fraction) >> 3)) * TABLED + min(known >> ERROR_BITS, TABLED - 1)]
            symbol, state, other, place = decode_symbol(spans, symbols, words, np.int64(table), state, other, place)
            if symbol:
                below = bits_below(symbol)
                size = first_of(symbol) + get_bits(raw, bits, below)
                bits += below
                pattern = sign_context(fraction, bin_of(known >> ERROR_BITS), left)
                bit, state, other, place = decode_bit(ones[signs + (pattern >> 1)], words, state, other, place)
                negative = bit ^ (pattern & 1)
                left = np.int64(1 + negative)
                actual += (size - 2 * negative * size) << FRACTION
            else:
                left = ZERO
            error = min(max((first_of(symbol) << 4) - (abs(fraction) >> 2), abs(fraction) >> 2), MOST_ERROR)
            errors[place_of_errors + x] = error
        values[first + x] = actual
        three, two, one = two, one, actual
        far, west = west, error
    ends[RAW], ends[PLACE], ends[STATE], ends[OTHER] = bits, place, state, other
