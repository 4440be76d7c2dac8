"""Code the rows of one slice fast: the learned stencil alone, one context for each value, frequency tables.

Loops take arrays out of their tuples first: of arrays in tuples, references would be counted for every value.
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
from baler_core.builtin.models.fields.predictive.series import (
    BEFORE,
    BESIDE,
    OWN,
    Series,
    close_row,
    open_row,
    open_slice,
)
from baler_core.builtin.models.fields.predictive.stencil import MARGIN
from baler_core.entropy.rans import SYMBOLS, decode_bit, decode_symbol
from baler_core.entropy.symbol_stream import ContextCounts
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
from baler_core.machine.compiled import Array, Integer, compiled, inlined, place_of

_HALF = 1 << (FRACTION - 1)
# Lines of bins of expected errors: one for each variable, or for each of two
# variables and each size of the fraction between prediction and whole step. Beyond these, variables share contexts.
_LINES, _FRACTIONS = 8, 4
# Contexts of signs: by fraction, expected error and the sign to the left, for each of some variables.
_SIGN_SETS, _SIGNS = 4, 9 * 8 * 3
CONTEXTS = ContextCounts(_LINES, _SIGN_SETS * _SIGNS, 0)
# Of a negative, no or positive fraction and no, a positive or a negative sign to the left: twice the sign as seen from
# the fraction, or else from the left, plus 1 if that is inverted.
_INVERTED = np.array([1, 5, 3, 0, 2, 3, 0, 2, 4], np.int64)
_FIRST_SIGN = CONTEXTS.contexts * SYMBOLS


class RowGeometry(NamedTuple):
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
    bits
        How many bits of weights are below 1.
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
    bits: Integer


class RowArrays(NamedTuple):
    """The arrays that a row is coded by, flat.

    Attributes
    ----------
    planes, errors, holes
        Of all slices; see `Series`.
    sums
        int64: what other rows add to each prediction of the row.
    expected
        int32: the errors that are expected from those of other rows.
    """

    planes: Array
    errors: Array
    holes: Array
    sums: Array
    expected: Array


@compiled
def code_slice_fast(stream: Stream, encoding: Integer, series: Series, sources: Array, variable: Integer) -> None:
    """Write or read all values of a slice, row by row."""
    planes, errors, holes = series.planes.reshape(-1), series.errors.reshape(-1), series.holes.reshape(-1)
    (ny, nx), size, own = series.errors.shape[1:], series.planes.shape[1], sources[OWN]
    ny, nx = ny - 4, nx - 4
    width, area = nx + 2 * MARGIN, (ny + 4) * (nx + 4)
    before, beside = max(sources[BEFORE], -1), max(sources[BESIDE], -1)
    values = series.planes[own]
    steps, weights, near = find_weights(series, sources, variable)
    arrays = RowArrays(planes, errors, holes, np.zeros(nx, np.int64), np.zeros(nx, np.int32))
    share = (3 << ERROR_BITS) // (14 * (3 + 2 * (before >= 0) + 2 * (beside >= 0)))
    line = min(variable, _LINES - 1) if series.closed else min(variable, 1) * _FRACTIONS
    open_slice(values, series.planes[before], before >= 0, MARGIN * width + MARGIN, width)
    for y in range(ny):
        first, there = (y + MARGIN) * width + MARGIN, (y + 2) * (nx + 4) + 2
        open_row(values, first, width)
        sum_other_rows(arrays.sums, planes, own * size + first, steps, weights)
        past = before * area + there if before >= 0 else 0
        other = beside * area + there if beside >= 0 else 0
        expect_errors(arrays.expected, errors, (own * area + there, past, other), nx + 4, share)
        row = RowGeometry(
            own * size + first, own * area + there, (own * ny + y) * nx if holes.size else -1,
            series.limits[0], series.limits[1], near[0], near[1], near[2],
            share, line, min(variable, _SIGN_SETS - 1) * _SIGNS, series.weight_bits,
        )  # fmt: skip
        # the compiler makes one loop for each way of restoring values
        if encoding and series.closed:
            encode_row(stream, arrays, row, None)
        elif encoding:
            encode_row(stream, arrays, row, True)
        elif series.closed:
            decode_row(stream, arrays, row, None)
        else:
            decode_row(stream, arrays, row, True)
        close_row(values, first, nx)


@inlined
def sign_context(fraction: Integer, chosen: Integer, left: Integer) -> Integer:
    """Return twice the context of a sign, plus 1 if it is inverted, by fraction, expected error and sign to the left.

    The fraction is from -32 to 32, which makes 9 classes; the sign to the left is 0, 1 or 2.
    """
    side = np.int64(fraction > 0) - np.int64(fraction < 0)
    return 6 * (((abs(fraction) + 2) >> 2) * 8 + min(7, chosen >> 2)) + _INVERTED[3 * side + left + 3]


@inlined
def rounded(mean: Integer, whole: bool | None) -> tuple[Integer, Integer]:
    """Return the value that a prediction stands for, and how far the prediction is beyond it, in 1/64 of a step."""
    if whole is None:
        return mean, ZERO
    value = ((mean + _HALF) >> FRACTION) << FRACTION
    return value, (mean - value) >> (FRACTION - 6)


@inlined
def error_of(symbol: Integer, fraction: Integer) -> Integer:
    """Return the error of a value in 1/16 of a step, at most MOST_ERROR."""
    return min(max((first_of(symbol) << 4) - (abs(fraction) >> 2), abs(fraction) >> 2), MOST_ERROR)


@compiled
def encode_row(stream: Stream, arrays: RowArrays, row: RowGeometry, whole: bool | None) -> None:
    """Collect a row, whose values are replaced by what will be restored: whole steps, unless `whole` is None.

    Values and limits are below 2^31 steps apart (see `field.LARGEST`), so that each makes a symbol.
    """
    ends, codes, raw, (values, errors, holes, sums, expected) = stream.ends, stream.codes, stream.raw, arrays
    first, place_of_errors, hole, low, high, by_one, by_two, by_three, share, line, signs, shift = row
    number, bits = ends[CODES], ends[RAW]
    one, two, three = np.int64(values[first - 1]), np.int64(values[first - 2]), np.int64(values[first - 3])
    west = far = left = ZERO
    for x in range(sums.size):
        # what the last value adds comes last: the processor waits for it
        total = sums[place_of(x)] + by_two * two + by_three * three + by_one * one
        mean = min(max(total >> shift, low), high)
        (actual, fraction), error = rounded(mean, whole), ZERO
        if hole < 0 or holes[place_of(hole + x)] == 0:
            chosen = bin_of((np.int64(expected[place_of(x)]) + share * far + 4 * share * west) >> ERROR_BITS)
            step = (values[place_of(first + x)] - actual + _HALF) >> FRACTION
            symbol = symbol_of(abs(step))
            codes[place_of(number)] = code_of((line + min(3, abs(fraction) >> 3)) * EXPECTED + chosen, symbol)
            number += 1
            if step:
                below, negative = bits_below(symbol), np.int64(step < 0)
                put_bits(raw, bits, abs(step) & ((1 << below) - 1))
                bits += below
                codes[place_of(number)] = _FIRST_SIGN + 2 * signs + (sign_context(fraction, chosen, left) ^ negative)
                number += 1
                left = 1 + negative
                actual += step << FRACTION
            else:
                left = ZERO
            error = error_of(symbol, fraction)
            errors[place_of(place_of_errors + x)] = error
        values[place_of(first + x)] = actual
        three, two, one = two, one, actual
        far, west = west, error
    ends[CODES], ends[RAW] = number, bits


@compiled
def decode_row(stream: Stream, arrays: RowArrays, row: RowGeometry, whole: bool | None) -> None:
    """Read a row that `encode_row` collected.

    Means are clamped to the limits of values, errors to MOST_ERROR, and what is expected is not negative: lines, tables
    and contexts of signs follow from these. Restored values may wrap around in planes of 32 bits: they are no places.
    """
    ends, raw, words, (spans, symbols, ones) = stream.ends, stream.raw, stream.words, stream.tables
    tables, (values, errors, holes, sums, expected) = stream.chosen, arrays
    first, place_of_errors, hole, low, high, by_one, by_two, by_three, share, line, signs, shift = row
    bits, place, state, other = ends[RAW], ends[PLACE], ends[STATE], ends[OTHER]
    one, two, three = np.int64(values[first - 1]), np.int64(values[first - 2]), np.int64(values[first - 3])
    west = far = left = ZERO
    for x in range(sums.size):
        # what the last value adds comes last: the processor waits for it
        total = sums[place_of(x)] + by_two * two + by_three * three + by_one * one
        mean = min(max(total >> shift, low), high)
        (actual, fraction), error = rounded(mean, whole), ZERO
        if hole < 0 or holes[place_of(hole + x)] == 0:
            known = (np.int64(expected[place_of(x)]) + share * far + 4 * share * west) >> ERROR_BITS
            entry = tables[place_of((line + min(3, abs(fraction) >> 3)) * TABLED + min(known, TABLED - 1))]
            symbol, state, other, place = decode_symbol(spans, symbols, words, np.int64(entry), state, other, place)
            if symbol:
                below = bits_below(symbol)
                size = first_of(symbol) + get_bits(raw, bits, below)
                bits += below
                pattern = sign_context(fraction, bin_of(known), left)
                odds = np.int64(ones[place_of(signs + (pattern >> 1))])
                bit, state, other, place = decode_bit(odds, words, state, other, place)
                negative = bit ^ (pattern & 1)
                left = np.int64(1 + negative)
                actual += (size - 2 * negative * size) << FRACTION
            else:
                left = ZERO
            error = error_of(symbol, fraction)
            errors[place_of(place_of_errors + x)] = error
        values[place_of(first + x)] = actual
        three, two, one = two, one, actual
        far, west = west, error
    ends[RAW], ends[PLACE], ends[STATE], ends[OTHER] = bits, place, state, other
