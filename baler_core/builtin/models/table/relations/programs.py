"""Values that columns are tested against: norms, components, sums of products and powers, stated as numbers.

A program is a list of instructions, each of which computes one more value from columns and earlier values; the last one is
its result. All are additions, multiplications, divisions and roots in one stated order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from baler_core.errors import FormatError
from baler_core.quantise.circular import cosine, hyperbolic_cosine, hyperbolic_sine, sine, within_half_a_turn

NAME = "program"
NORM, PRODUCTS, ROOT, POWERS, COSINE, SINE, SINH, COSH, TURN = range(1, 10)
_ONE = {COSINE: cosine, SINE: sine, SINH: hyperbolic_sine, COSH: hyperbolic_cosine}
_MOST = 64


def run(program: Sequence[float], columns: Sequence[np.ndarray]) -> np.ndarray:
    """Return the result of a program for columns (float64, 1-D).

    Raises
    ------
    FormatError
        If it is damaged.
    """
    values = list(columns)
    reader = _Program(program)
    with np.errstate(all="ignore"):
        while reader.left:
            values.append(_step(reader, values))
    if len(values) == len(columns):
        raise FormatError("a program of a table is damaged: it computes nothing")
    return np.asarray(values[-1])


class _Program:
    """The numbers of a program, taken one after the other."""

    def __init__(self, numbers: Sequence[float]) -> None:
        self._numbers, self._next = list(numbers), 0

    @property
    def left(self) -> int:
        return len(self._numbers) - self._next

    def number(self) -> float:
        if not self.left:
            raise FormatError("a program of a table is damaged: it ends early")
        self._next += 1
        return float(self._numbers[self._next - 1])

    def whole(self, limit: int) -> int:
        found = self.number()
        if not (0 <= found < limit and found == int(found)):
            raise FormatError(f"a program of a table is damaged: {found} is no number below {limit}")
        return int(found)


def _step(reader: _Program, values: Sequence[np.ndarray]) -> np.ndarray:
    """Take an instruction and compute its value."""
    code = reader.whole(TURN + 1)

    def value() -> np.ndarray:
        return values[reader.whole(len(values))]

    total = np.zeros(len(values[0]))
    if code == NORM:
        for _ in range(reader.whole(_MOST)):
            one = value()
            total = total + one * one
        return np.sqrt(total)
    if code == PRODUCTS:
        for _ in range(reader.whole(_MOST)):
            factor, one, other = reader.number(), value(), value()
            total = total + factor * (one * other)
        return total
    if code == ROOT:
        return np.sqrt(np.maximum(value(), 0.0))
    if code == POWERS:
        return _powers(reader, value, total)
    if code == TURN:
        return within_half_a_turn(value() - value())
    if code in _ONE:
        return _ONE[code](value())
    raise FormatError(f"a program of a table is damaged: there is no instruction {code}")


def _powers(reader: _Program, value: Callable[[], np.ndarray], total: np.ndarray) -> np.ndarray:
    """A factor times values to the power of halves and whole numbers up to two, or divided by such."""
    found = total + reader.number()
    for _ in range(reader.whole(_MOST)):
        one, power = value(), reader.number()
        if abs(power) not in (0.5, 1.0, 2.0):
            raise FormatError(f"a program of a table is damaged: it takes no power {power}")
        size = np.sqrt(one) if abs(power) == 0.5 else one if abs(power) == 1.0 else one * one
        found = found * size if power > 0 else found / size
    return found
