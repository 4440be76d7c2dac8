"""Enclose the value of a formula whose variables are known up to an error, in interval arithmetic rounded outwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from typing import TypeAlias

import numpy as np

from baler_core.data.arithmetic import Arithmetic

Interval: TypeAlias = tuple[np.ndarray, np.ndarray]
"""Smallest and largest value: float64 arrays of one shape; NaN where undefined."""


def enclose(formula: Arithmetic, known: Mapping[str, Interval]) -> Interval:
    """Return the interval that holds the formula's value whatever its variables are within theirs.

    All operations are rounded as IEEE 754 says, then one unit in the last place outwards: the same bits on any machine.
    NaN where a variable is, or where a divisor may be 0.
    """
    with np.errstate(all="ignore"):
        return formula.fold(known, constant=_constant, negative=_negative, operators=_OPERATORS, functions=_FUNCTIONS)


def _outwards(low: np.ndarray, high: np.ndarray) -> Interval:
    return np.nextafter(low, -np.inf), np.nextafter(high, np.inf)


def _constant(value: float) -> Interval:
    number = np.asarray(value, np.float64)
    return number, number


def _negative(a: Interval) -> Interval:
    return -a[1], -a[0]


def _add(a: Interval, b: Interval) -> Interval:
    return _outwards(a[0] + b[0], a[1] + b[1])


def _subtract(a: Interval, b: Interval) -> Interval:
    return _outwards(a[0] - b[1], a[1] - b[0])


def _of_four(operation: Callable[[np.ndarray, np.ndarray], np.ndarray], a: Interval, b: Interval) -> Interval:
    found = [operation(x, y) for x in a for y in b]
    return _outwards(reduce(np.minimum, found), reduce(np.maximum, found))


def _multiply(a: Interval, b: Interval) -> Interval:
    return _of_four(np.multiply, a, b)


def _divide(a: Interval, b: Interval) -> Interval:
    low, high = _of_four(np.divide, a, b)
    undefined = (b[0] <= 0) & (b[1] >= 0)
    return np.where(undefined, np.nan, low), np.where(undefined, np.nan, high)


def absolute(a: Interval) -> Interval:
    """Return the interval of absolute values."""
    nearest = np.where((a[0] <= 0) & (a[1] >= 0), 0.0, np.minimum(np.abs(a[0]), np.abs(a[1])))
    largest = np.maximum(np.abs(a[0]), np.abs(a[1]))
    return nearest + 0 * largest, largest  # NaN if either end is


def _root(a: Interval) -> Interval:
    low = np.sqrt(np.where(a[1] >= 0, np.maximum(a[0], 0.0), np.nan))
    return _outwards(low, np.sqrt(a[1]))


def _hypotenuse(*sides: Interval) -> Interval:
    squares = [_multiply(side, side) for side in map(absolute, sides)]
    return _root(reduce(_add, squares))


def _smallest(*values: Interval) -> Interval:
    return reduce(np.minimum, [v[0] for v in values]), reduce(np.minimum, [v[1] for v in values])


def _largest(*values: Interval) -> Interval:
    return reduce(np.maximum, [v[0] for v in values]), reduce(np.maximum, [v[1] for v in values])


_OPERATORS: Mapping[str, Callable[[Interval, Interval], Interval]] = {
    "+": _add,
    "-": _subtract,
    "*": _multiply,
    "/": _divide,
}
_FUNCTIONS: Mapping[str, Callable[..., Interval]] = {
    "abs": absolute,
    "sqrt": _root,
    "hypot": _hypotenuse,
    "min": _smallest,
    "max": _largest,
}
