"""Codes the rows of one slice in a fraction of the time: the learned stencil alone, one context, tables of frequencies."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from baler_core.builtin.models.predictive.predictor import FRACTION
from baler_core.builtin.models.predictive.quick import (
    ERROR_BITS,
    MOST_ERROR,
    expect_errors,
    find_weights,
    sum_other_rows,
)
from baler_core.builtin.models.predictive.series import BEFORE, OWN, Series, close_row, open_row
from baler_core.builtin.models.predictive.stencil import MARGIN, WEIGHT_BITS
from baler_core.builtin.models.symbol_stream import Layout
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
    code_of,
    first_of,
    get_bits,
    put_bits,
    symbol_of,
)
from baler_core.compiled import Array, Integer, compiled, inlined
from baler_core.rans import SYMBOLS, decode_bit, decode_symbol

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
    """One row, of which all has been prepared that does not depend on the row itself.

    Attributes
    ----------
    values
        Its slice, flattened.
    errors
        int32 (x + 4,): filled in.
    holes
        uint8 (x,), or nothing if there are none.
    sums
        int64: what neighbours outside the row add to each prediction.
    near
        Weights of those within.
    expected, share
        int32: what errors of other rows say, and the weight of those of the row.
    limits
        Smallest and largest value.
    first
        Where the row begins in `values`.
    closed, line, signs
        See `Series`; the line of contexts of symbols, and where those of signs begin.
    """

    values: Array
    errors: Array
    holes: Array
    sums: Array
    near: Array
    expected: Array
    share: Integer
    limits: Array
    first: Integer
    closed: Integer
    line: Integer
    signs: Integer


@compiled
def code_slice_quickly(stream: Stream, encoding: Integer, series: Series, sources: Array, variable: Integer) -> None:
    """Write or read all values of a slice, row by row."""
    ny, nx = series.errors.shape[1] - 4, series.errors.shape[2] - 4
    width = nx + 2 * MARGIN
    values, before = series.planes[sources[OWN]], series.planes[sources[BEFORE]]
    flat, start = series.planes.reshape(-1), sources[OWN] * series.planes.shape[1]
    weights = find_weights(series, sources, variable)
    sums, expected, holes = np.zeros(nx, np.int64), np.zeros(nx, np.int32), np.zeros(0, np.uint8)
    line = min(variable, _LINES - 1) if series.closed else min(variable, 1) * _FRACTIONS
    signs = min(variable, _SIGN_SETS - 1) * _SIGNS
    for y in range(ny):
        first = (y + MARGIN) * width + MARGIN
        open_row(values, before, sources, first, width, nx, y)
        sum_other_rows(sums, flat, start + first, weights)
        share = expect_errors(expected, series.errors, sources, y + 2)
        if series.holes.shape[0]:
            holes = series.holes[sources[OWN], y]
        errors = series.errors[sources[OWN], y + 2]
        row = Row(
            values, errors, holes, sums, weights.near, expected, share, series.limits, first, series.closed, line, signs
        )
        if encoding:
            encode_row(stream, row)
        else:
            decode_row(stream, row)
        close_row(values, first, nx)


@inlined
def sign_context(fraction: Integer, chosen: Integer, left: Integer) -> Integer:
    """Twice the context of a sign, plus whether it is turned round, by fraction, expected error and sign to the left."""
    side = np.int64(fraction > 0) - np.int64(fraction < 0)
    return 6 * (((abs(fraction) + 2) >> 2) * 8 + min(7, chosen >> 2)) + _TURNED[3 * side + left + 3]


@inlined
def encode_row(stream: Stream, row: Row) -> None:
    """Collect a row, whose values are replaced by what will be restored."""
    values, errors, holes, sums, near, expected, share, limits, first, closed, line, signs = row
    codes, raw = stream.codes, stream.raw
    number, bits = stream.ends[CODES], stream.ends[RAW]
    low, high, by_one, by_two, by_three = limits[0], limits[1], near[0], near[1], near[2]
    one, two, three = np.int64(values[first - 1]), np.int64(values[first - 2]), np.int64(values[first - 3])
    west = far = left = np.int64(0)
    for x in range(sums.size):
        mean = min(max((sums[x] + by_one * one + by_two * two + by_three * three) >> WEIGHT_BITS, low), high)
        actual = mean if closed else ((mean + _HALF) >> FRACTION) << FRACTION
        error = np.int64(0)
        if holes.size == 0 or holes[x] == 0:
            fraction = (mean - actual) >> (FRACTION - 6)
            known = np.int64(expected[x]) + share * (4 * west + far)
            step = (values[first + x] - actual + _HALF) >> FRACTION
            size = abs(step)
            symbol = symbol_of(size)
            codes[number] = code_of((line + min(3, abs(fraction) >> 3)) * EXPECTED + bin_of(known >> ERROR_BITS), symbol)
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
                left = np.int64(0)
            error = min(max((first_of(symbol) << 4) - (abs(fraction) >> 2), abs(fraction) >> 2), MOST_ERROR)
            errors[x + 2] = error
        values[first + x] = actual
        three, two, one = two, one, actual
        far, west = west, error
    stream.ends[CODES], stream.ends[RAW] = number, bits


@inlined
def decode_row(stream: Stream, row: Row) -> None:
    """Read a row."""
    values, errors, holes, sums, near, expected, share, limits, first, closed, line, signs = row
    raw, words, tables = stream.raw, stream.words, stream.chosen
    spans, symbols, ones = stream.tables
    bits, place, state = stream.ends[RAW], stream.ends[PLACE], stream.ends[STATE]
    low, high, by_one, by_two, by_three = limits[0], limits[1], near[0], near[1], near[2]
    one, two, three = np.int64(values[first - 1]), np.int64(values[first - 2]), np.int64(values[first - 3])
    west = far = left = np.int64(0)
    for x in range(sums.size):
        mean = min(max((sums[x] + by_one * one + by_two * two + by_three * three) >> WEIGHT_BITS, low), high)
        actual = mean if closed else ((mean + _HALF) >> FRACTION) << FRACTION
        error = np.int64(0)
        if holes.size == 0 or holes[x] == 0:
            fraction = (mean - actual) >> (FRACTION - 6)
            known = np.int64(expected[x]) + share * (4 * west + far)
            table = tables[(line + min(3, abs(fraction) >> 3)) * TABLED + min(known >> ERROR_BITS, TABLED - 1)]
            symbol, state, place = decode_symbol(spans, symbols, words, np.int64(table), state, place)
            if symbol:
                below = bits_below(symbol)
                size = first_of(symbol) + get_bits(raw, bits, below)
                bits += below
                pattern = sign_context(fraction, bin_of(known >> ERROR_BITS), left)
                bit, state, place = decode_bit(ones[signs + (pattern >> 1)], words, state, place)
                negative = bit ^ (pattern & 1)
                left = np.int64(1 + negative)
                actual += (size - 2 * negative * size) << FRACTION
            else:
                left = np.int64(0)
            error = min(max((first_of(symbol) << 4) - (abs(fraction) >> 2), abs(fraction) >> 2), MOST_ERROR)
            errors[x + 2] = error
        values[first + x] = actual
        three, two, one = two, one, actual
        far, west = west, error
    stream.ends[RAW], stream.ends[PLACE], stream.ends[STATE] = bits, place, state
