"""Cut the digits of restored numbers in the text, and leave room for that in their tolerances."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from baler_core.builtin.readers.csv.shortest import GRID, NUMBER, Grid, decimal_floats, power_of_ten
from baler_core.data.bounds import SAFETY, Tolerance
from baler_core.data.sides import became_special
from baler_core.data.tolerance import rounded_down

# How numbers were cut: to decimals (before the point where negative) or digits, onto a grid, and aside of which numbers.
ROUNDING = re.compile(
    r"~(?:g\d{1,2}|-?\d{1,3})(?:" + GRID.pattern + r")?(?:!-?" + NUMBER + "(?:;-?" + NUMBER + "){0,199})?"
)
# As many decimals, or more, mean that values lie on none; as few, that there is none but 0.
NO_GRID = 400
COARSEST = -400
# A float64 keeps any decimal of so many digits apart from its neighbours.
_DIGITS = 17
# How numbers are cut under a bound in bits, which leaves a zero some leeway.
_UNDER_BITS = f"~g{_DIGITS}"
# This share of a tolerance is left to the rounding of decimals in the text; it costs 0.007 bits per value.
_SHARE = 0.0051
# Where that makes a tolerance smaller by no more than this, restored values lie on the decimals of the originals.
_WORTH = 1.0105
# Of the powers of ten that floats hold.
_LARGEST_POWER = 308
_MANY_STEPS = 2.0**52
# Beyond, a number of steps is not exact enough to be rounded to whole ones, and its digits are near all that a float has.
_LARGEST = 2.0**40
# What rounding to a whole number of steps moves a number by at most, its own rounding included.
_HALF = 0.501


def decimals_of(values: np.ndarray, at_least: int, limit: int = NO_GRID) -> int:
    """Return the fewest decimals, from `at_least` up, with which all finite values are written exactly; `limit` if none do.

    Of numbers that end in zeros before the point, it is negative: -2 for 5200.
    """
    finite = values[np.isfinite(values) & (values != 0)]
    if not finite.size:
        return at_least
    largest = float(np.abs(finite).max())
    for places in range(max(at_least, -math.floor(math.log10(largest)) - 1), limit):
        scale = power_of_ten(places)
        if largest * scale >= _MANY_STEPS:
            break
        if all(_written_exactly(part, scale, places) for part in (finite[:16], finite[16:])):
            return places
    return limit


def _written_exactly(values: np.ndarray, scale: float, places: int) -> bool:
    return bool((decimal_floats(np.rint(values * scale), places) == values).all())


def shortened(tolerance: Tolerance, decimals: int) -> tuple[str, Tolerance]:
    """Return how numbers under a tolerance are cut in the text, and the tolerance that leaves room for it.

    Parameters
    ----------
    decimals
        With so many all original values are written exactly; `NO_GRID` for more.

    Returns
    -------
    how
        `~3`: rounded to three decimals. `~-2`: to hundreds. `~g6`: to six digits. `~g6r2:0.001`: or to fewer where originals
        of two decimals stay inside the tolerance. `~3!5.0`: but for those that would change their side of 5. Empty: not at
        all, as where what is allowed is not one number.
    tolerance
        For whatever restores the values: its error and that of the rounding stay within the one given.
    """
    if tolerance.mean is not None:
        how, smaller = _on_average(tolerance)
    else:
        how, smaller = _for_each(tolerance, decimals)
    return how + (_sides(tolerance) if how else ""), smaller


def _sides(tolerance: Tolerance) -> str:
    """Return the part of `how` that names the numbers whose side no cut may change."""
    limits = (*tolerance.lower, *tolerance.upper)
    numbers = dict.fromkeys(x + 0.0 for x in (*tolerance.thresholds, *tolerance.fill, *limits) if math.isfinite(x))
    return "!" + ";".join(map(repr, numbers)) if numbers else ""


def _for_each(tolerance: Tolerance, decimals: int) -> tuple[str, Tolerance]:
    """Return the same where single errors are limited."""
    if tolerance.kind == "free":
        return "~g7", tolerance
    value = tolerance.value
    grid = Grid(max(decimals, -_LARGEST_POWER), tolerance.kind[0], value) if decimals <= _LARGEST_POWER else ""
    if tolerance.kind == "abs" and value > 0:
        return _to_places(tolerance, decimals, grid)
    if tolerance.kind == "rel" and value > 0:
        digits = 1 - math.floor(math.log10(2 * _SHARE * value / (1 + value) * (1 + 1e-9)))
        if digits < _DIGITS:
            return f"~g{digits}{grid}", replace(tolerance, value=rounded_down(value * (1 - _SHARE)))
    if tolerance.kind == "bits" and grid:
        return f"{_UNDER_BITS}{grid}", tolerance
    return "", tolerance


def _to_places(tolerance: Tolerance, decimals: int, grid: Grid | str) -> tuple[str, Tolerance]:
    """Return the same for an absolute tolerance: rounded to decimals."""
    value = tolerance.value
    places = _places(value)
    if 0 <= decimals < NO_GRID:
        # Such numbers are not so large that they are written with an exponent: zeros before the point save nothing.
        places = max(places, 0)
    # Rounded to the originals' own decimals, an error of less than n + 1/2 of their last digit is at most n of it.
    steps = min(value * SAFETY * power_of_ten(decimals), _MANY_STEPS)
    half = math.floor(steps) + 0.49
    if decimals < NO_GRID and decimals <= places and steps >= 1 and steps <= half * _WORTH:
        return f"~{decimals}", replace(tolerance, value=min(value, rounded_down(half * power_of_ten(-decimals))))
    return f"~{places}{grid if places > decimals else ''}", replace(tolerance, value=_less(value, places))


def _places(value: float) -> int:
    """Return to how many decimals numbers may be rounded so that it takes no more than its share of a tolerance."""
    return min(-math.floor(math.log10(2 * _SHARE * value * (1 + 1e-9))), 340)


def _less(value: float, places: int) -> float:
    """Return the tolerance that leaves room for rounding to decimals."""
    half = 0.5 if places >= 0 else _HALF
    left = value - max(half * power_of_ten(-places), value * 1e-6)
    return rounded_down(left) if left > 0 else 0.0


def _on_average(tolerance: Tolerance) -> tuple[str, Tolerance]:
    """Return the same where errors are limited on average: rounding adds to the mean what it may add to each."""
    assert tolerance.mean is not None
    kind, mean = tolerance.mean
    if kind == "mean_rel" and tolerance.kind in ("free", "rel"):
        how, smaller = _for_each(Tolerance("rel", min(mean, tolerance.value or mean)), NO_GRID)
    elif kind != "mean_rel" and tolerance.kind in ("free", "abs"):
        how, smaller = _for_each(Tolerance("abs", min(mean, tolerance.value or mean)), NO_GRID)
    else:
        return "", tolerance
    if not how:
        return "", tolerance
    taken = min(mean, tolerance.value or mean) - smaller.value
    hard = rounded_down(tolerance.value - taken) if tolerance.kind != "free" else tolerance.value
    return how, replace(tolerance, value=hard, mean=(kind, rounded_down(mean - taken)))


def shortened_in_place(tolerance: Tolerance, decimals: int) -> tuple[str, Tolerance]:
    """Return the same for a table of fixed width, whose cells have no room for more decimals than the originals had.

    Only an absolute tolerance tells how far all values may move on their own decimals: under others they stay exact.
    """
    if tolerance.fill or tolerance.thresholds or tolerance.mean or tolerance.lower or tolerance.upper:
        return "", Tolerance("exact")
    if tolerance.kind == "free" and decimals < NO_GRID:
        return f"~{decimals}", tolerance
    if tolerance.kind != "abs" or decimals == NO_GRID:
        return "", Tolerance("exact")
    half = math.floor(min(tolerance.value * SAFETY * power_of_ten(decimals), _MANY_STEPS)) + 0.49
    return f"~{decimals}", replace(tolerance, value=min(tolerance.value, rounded_down(half * power_of_ten(-decimals))))


def cut(values: np.ndarray, how: str) -> np.ndarray:
    """Return float64 values rounded as `shortened` defines.

    A zero has no sign, which would make its cell longer, unless a zero must stay as it is: one of the numbers aside, or under
    a bound relative to each value.
    """
    if not how:
        return values
    rounding, _, numbers = how.partition("!")
    short = _rounded(values, rounding) + 0.0
    aside = _changed_sides(values, short, list(map(float, filter(None, numbers.split(";")))))
    if rounding.startswith("~g") and not rounding.startswith(_UNDER_BITS):
        aside |= values == 0
    return np.where(aside, values, short)


def _changed_sides(values: np.ndarray, short: np.ndarray, numbers: Iterable[float]) -> np.ndarray:
    """Return where a cut moved a value onto, near or beyond one of some numbers, or would take the sign of a zero among them."""
    aside = np.zeros(len(values), bool)
    for number in numbers:
        aside |= (values < number) != (short < number)
        aside |= (values > number) != (short > number)
        aside |= (values == 0) & (number == 0)
        became = became_special(values, short, (np.float64(number),))
        if became is not None:
            aside |= became
    return aside


def _rounded(values: np.ndarray, how: str) -> np.ndarray:
    rounded, grid = re.fullmatch(r"~(g?-?\d+)(.*)", how, re.DOTALL).groups()  # type: ignore[union-attr]
    digits = int(rounded.removeprefix("g"))
    if not rounded.startswith("g"):
        short = _to_decimals(values, digits)
    else:
        short = np.array(list(map(float, map(f"%.{digits}g".__mod__, values.tolist()))), np.float64)
    if not grid:
        return short
    on = Grid.parse(grid)
    if on.kind == "a":
        return on.shorten(values, short, np.full(len(values), digits), _less(on.tolerance, digits))
    with np.errstate(all="ignore"):
        places = digits - 1 - np.floor(np.log10(np.abs(short)))
    return on.shorten(values, short, places, on.tolerance * (1 - _SHARE))


def _to_decimals(values: np.ndarray, places: int) -> np.ndarray:
    if places >= 0:
        return np.array(list(map(float, map(f"%.{places}f".__mod__, values.tolist()))), np.float64)
    with np.errstate(all="ignore"):
        steps = values * power_of_ten(places)
    few = np.abs(steps) < _LARGEST
    short = values.copy()
    short[few] = decimal_floats(np.rint(steps[few]), places)
    return short
