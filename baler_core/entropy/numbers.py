"""Code single integers and time series: the side information of a field."""

from __future__ import annotations

import numpy as np

from baler_core.entropy.arithmetic import Coder, code_bit
from baler_core.entropy.magnitudes import LENGTHS, bit_length
from baler_core.entropy.mixing import learn_counter, new_counters
from baler_core.machine.compiled import Array, Integer, compiled, inlined

_KINDS = 4
_SERIES_STATES = 24
_MOST_PREDICTED = np.int64(1 << 40)
ROW = 4 * LENGTHS


class NumberCoder:
    """Writes numbers to, or reads them from, an arithmetic coder, with adaptive probabilities for each kind of number."""

    def __init__(self, coder: Coder) -> None:
        self._coder = coder
        self._counters = new_counters(_KINDS * ROW)
        self._series = new_counters(_SERIES_STATES * ROW)

    def code(self, number: int, kind: int) -> int:
        """Write `number` (or, decoding, ignore it) and return it; below 2^31 in magnitude."""
        return int(code_single(*self._coder, self._counters, kind * ROW, number))

    def code_series(self, series: np.ndarray, taps: np.ndarray, shift: int) -> np.ndarray:
        """Write or read a series of integers, each predicted from those before: sum(taps * newest first) / 2^shift."""
        values = series.astype(np.int64)
        code_series(*self._coder, self._series, values, taps.astype(np.int64), shift)
        return values


@compiled
def code_single(registers: Array, data: Array, counters: Array, row: Integer, number: Integer) -> Integer:
    """Code one signed number, called from Python."""
    return code_number(registers, data, counters, row, number)


@inlined
def code_number(registers: Array, data: Array, counters: Array, row: Integer, number: Integer) -> Integer:
    """One signed number: length of its magnitude in unary, highest bit below the leading one, the rest raw, sign.

    A length is below LENGTHS, so that `counters` are looked at in a row of ROW from `row` on.
    """
    magnitude = abs(number)
    wanted = bit_length(magnitude)
    length = 0
    while length < LENGTHS - 1:
        if code_counted(registers, data, counters, row + length, 1 if wanted > length else 0) == 0:
            break
        length += 1
    if length == 0:
        return 0
    value = 1
    for i in range(length - 1):
        bit = (magnitude >> (length - 2 - i)) & 1
        if i == 0:
            bit = code_counted(registers, data, counters, row + LENGTHS + length, bit)
        else:
            bit = code_bit(registers, data, bit, 32768)
        value = (value << 1) | bit
    negative = code_counted(registers, data, counters, row + 2 * LENGTHS, 1 if number < 0 else 0)
    return -value if negative else value


@inlined
def code_counted(registers: Array, data: Array, counters: Array, place: Integer, bit: Integer) -> Integer:
    """Code one bit with the probability of one counter."""
    probability = max(512, min(65024, np.int64(counters[place]) >> 16))
    bit = code_bit(registers, data, bit, probability)
    learn_counter(counters, place, bit, 120)
    return bit


@compiled
def code_series(
    registers: Array,
    data: Array,
    counters: Array,
    values: Array,
    taps: Array,
    shift: Integer,
) -> None:
    """What linear prediction leaves, in the context of how much it left just before; limits keep sums in 64 bits.

    Taps of a damaged stream may have sums wrap around: a prediction within limits is made of whatever they give. What is
    left is below 2^31 when it is read, so that `recent` stays below 2^34.
    """
    recent = np.int64(0)
    order = taps.size
    for t in range(values.size):
        predicted = np.int64(0)
        if t >= order:
            for lag in range(order):
                predicted += taps[lag] * values[t - 1 - lag]
            predicted = (predicted + (1 << (shift - 1))) >> shift
            predicted = max(-_MOST_PREDICTED, min(_MOST_PREDICTED, predicted))
        state = min(_SERIES_STATES - 1, bit_length(recent)) if t else _SERIES_STATES - 1
        left = code_number(registers, data, counters, state * ROW, values[t] - predicted)
        value = predicted + left
        values[t] = max(-(1 << 32), min(1 << 32, value))
        recent = (3 * recent + 4 * abs(left)) // 4 if t else 2 * abs(left)
