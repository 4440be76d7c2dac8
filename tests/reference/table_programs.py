"""Programs that predict a column of a table (format/table.md: programs), in float64, in the order in which they are written."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from reference.exponential import exp
from reference.reading import Damaged

HIGH, LOW = float.fromhex("0x1.921fb544p+0"), float.fromhex("0x1.0b4611a626331p-34")
PER_QUARTER, TURN, FARTHEST, MOST = 0.6366197723675814, 6.283185307179586, 1e6, 64
Column = np.ndarray


def evaluate_program(columns: Sequence[Column], numbers: Sequence[float]) -> Column:
    values, left = list(columns), iter(numbers)
    for code in left:
        values.append(_value(whole(code, 10), left, values))
    if len(values) == len(columns):
        raise Damaged("a program computes nothing")
    return values[-1]


def whole(number: float, limit: int) -> int:
    if not (0 <= number < limit and number == int(number)):
        raise Damaged("a program has an impossible number")
    return int(number)


def _value(code: int, left: Iterator[float], values: list[Column]) -> Column:
    def take() -> float:
        for number in left:
            return number
        raise Damaged("a program ends early")

    def one() -> Column:
        return values[whole(take(), len(values))]

    total = np.zeros(len(values[0]))
    if code == 1:
        for _ in range(whole(take(), MOST)):
            a = one()
            total = total + a * a
        return np.sqrt(total)
    if code == 2:
        for _ in range(whole(take(), MOST)):
            factor, a, b = take(), one(), one()
            total = total + factor * (a * b)
        return total
    if code == 3:
        return np.sqrt(np.maximum(one(), 0.0))
    if code == 4:
        found = total + take()
        for _ in range(whole(take(), MOST)):
            a, power = one(), take()
            if abs(power) not in (0.5, 1, 2):
                raise Damaged("a program takes an impossible power")
            size = {0.5: np.sqrt(a), 1: a, 2: a * a}[abs(power)]
            found = found * size if power > 0 else found / size
        return found
    if code in (5, 6):
        return _circular(one(), 1 if code == 5 else 0)
    if code in (7, 8):
        a = one()
        up = np.where(np.isnan(a), np.nan, exp(a))
        return (up - 1.0 / up) * 0.5 if code == 7 else (up + 1.0 / up) * 0.5
    if code == 9:
        d = one() - one()
        return d - np.rint(d / TURN) * TURN
    raise Damaged("a program has an unknown instruction")


def _circular(angles: Column, quarters: int) -> Column:
    known = np.abs(angles) < FARTHEST
    x = np.where(known, angles, 0.0)
    w = np.rint(x * PER_QUARTER)
    r = (x - w * HIGH) - w * LOW
    odd, even = np.zeros(x.shape), np.zeros(x.shape)
    for n in range(9, -1, -1):
        odd = odd * (r * r) + (-1) ** n / math.factorial(2 * n + 1)
        even = even * (r * r) + (-1) ** n / math.factorial(2 * n)
    q = w.astype("<i8") + quarters
    found = np.where(q & 1, even, odd * r)
    return np.where(known, np.where(q & 2, -found, found), np.nan)
