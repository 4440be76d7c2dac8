"""Convert a variable and its bound to the tolerance of its stored values."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import ROUND_FLOOR, Decimal

import numpy as np

from baler_core.data.bounds import Tolerance, ValueRange
from baler_core.data.error_bound import ErrorBound
from baler_core.data.noise_steps import NoiseShare
from baler_core.data.sides import physical_limits, specials_of, stored_numbers
from baler_core.data.variables import Variable

# Tolerances that follow from a range or a scale factor would have 17 digits. Costs at most 1.4e-6 bits per value, and
# saves four bytes of header per variable.
_SHORTENED = 1e-6
# What two roundings of float64 may have taken from a round number: 9.999999999999998 stands for 10.
_ROUNDING = Decimal("1e-12")
# Models tell special values apart by small numbers: integers with more flags than these are kept exactly.
_MOST_SPECIALS = 100


def make_tolerance(
    bound: ErrorBound, variable: Variable, *, extent: ValueRange | None = None, most: float = math.inf
) -> Tolerance:
    """Turn a stated bound into a tolerance in stored units.

    Parameters
    ----------
    extent
        Whole-variable range in stored units; needed by `range` bounds only.
    most
        The largest tolerance, in stored units, that a formula may give.
    """
    if not variable.is_numeric or not usable_packing(variable):
        return Tolerance("exact")
    scale, offset = variable.scale, variable.offset
    if bound.mean is not None:
        hard = Tolerance("free") if bound.hard is None else make_tolerance(bound.hard, variable, extent=extent)
        shift = offset / scale if bound.kind == "mean_rel" else hard.shift
        return complete_tolerance(Tolerance(hard.kind, hard.value, shift), bound, variable)
    if bound.kind == "noise":
        tolerance = Tolerance("each")
    elif bound.formula:
        tolerance = Tolerance("each", rounded_down(min(most, 1.7e308)) if most > 0 else 0.0)
    elif bound.kind == "abs":
        tolerance = _absolute(_rounded(bound.value / abs(scale), given=abs(scale) == 1))
    elif bound.kind == "range":
        width = extent.width if extent is not None else 0.0
        tolerance = _absolute(_rounded(bound.value * width, given=False))
    elif bound.kind == "rel":
        tolerance = Tolerance("rel", bound.value, shift=offset / scale)
    elif bound.kind == "bits":
        tolerance = Tolerance("bits", bound.value)
    elif bound.kind == "ulp":
        tolerance = _units_in_the_last_place(bound.value, variable)
    elif bound.kind == "decimals":
        tolerance = _absolute(_rounded(0.5 * 10.0**-bound.value / abs(scale), given=abs(scale) == 1))
    else:
        return complete_tolerance(Tolerance("free" if bound.kind == "none" else "exact"), bound, variable)
    return complete_tolerance(tolerance, bound, variable)


def usable_packing(variable: Variable) -> bool:
    """Return whether scale factor and offset turn stored values into numbers, and bounds into bounds of these."""
    numbers = (variable.scale, variable.offset)
    if not all(map(math.isfinite, numbers)) or variable.scale == 0:
        return False
    return math.isfinite(1 / variable.scale) and math.isfinite(variable.offset / variable.scale)


def complete_tolerance(tolerance: Tolerance, bound: ErrorBound, variable: Variable) -> Tolerance:
    """Return the tolerance with special values, limits and sign, which follow from the variable and its bound.

    Tables keep every sign; so do grids where a few bytes do it, or the user asks for it.
    """
    if tolerance.kind == "exact" or not usable_packing(variable):
        return Tolerance("exact")
    dtype = variable.numpy_dtype
    exact_at, thresholds = (
        tuple(stored_numbers(numbers, variable.scale, variable.offset, dtype))
        for numbers in (bound.exact_at, bound.threshold)
    )
    fill = tuple(dict.fromkeys((*variable.fill, *variable.flags, *exact_at, *thresholds)))
    if len(specials_of(fill, dtype)) > _MOST_SPECIALS:
        return Tolerance("exact")
    sides = [
        (limit, upper)
        for low, high in (variable.limits, variable.stated_limits)
        for limit, upper in ((low, False), (high, True))
    ]
    sides += physical_limits(*bound.limits, variable.scale, variable.offset, dtype)
    sign = bound.sign if tolerance.kind != "free" or bound.mean or bound.sign == "keep" else "free"
    other = bound.other if tolerance.kind == "each" else None
    return replace(
        tolerance,
        other=None if other is None else make_tolerance(other, replace(variable, fill=(), flags=())),
        fill=fill,
        lower=tuple(dict.fromkeys(limit for limit, upper in sides if not upper and math.isfinite(limit))),
        upper=tuple(dict.fromkeys(limit for limit, upper in sides if upper and math.isfinite(limit))),
        sign="keep" if sign == "auto" and len(variable.dims) < 2 else sign,
        zero=-variable.offset / variable.scale,
        thresholds=thresholds,
        mean=bound.mean,
        noise=NoiseShare(bound.value, bound.dither) if bound.kind == "noise" else None,
        missing=(*variable.fill, *variable.flags),
    )


def _absolute(value: float) -> Tolerance:
    return Tolerance("abs", value) if value > 0 else Tolerance("exact")


def _units_in_the_last_place(count: float, variable: Variable) -> Tolerance:
    """Return `bits` of which so many units are half a unit of the last; whole steps of integers."""
    dtype = variable.numpy_dtype
    if dtype.kind != "f":
        return _absolute(count)
    return Tolerance("bits", max(1.0, np.finfo(dtype).nmant - 1 - math.log2(count)))


def _rounded(number: float, *, given: bool) -> float:
    """A tolerance of few digits; as it is where the user gave it."""
    return number if given else rounded_down(min(number, 1.7e308)) if number > 0 else 0.0


def rounded_down(number: float) -> float:
    """Return the decimal of fewest digits that is below a positive number by at most `_SHORTENED` of it."""
    exact = Decimal(number)
    for digits in range(1, 9):
        unit = Decimal(1).scaleb(exact.adjusted() + 1 - digits)
        short = float((exact * (1 + _ROUNDING)).quantize(unit, ROUND_FLOOR))
        if short >= number * (1 - _SHORTENED):
            return short
    return number
