"""Tell whether numbers of a table of fixed width may lose digits: only where every cell stays within its place."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from baler_core.builtin.readers.csv.rounding import shortened_in_place
from baler_core.builtin.readers.csv.scan import ScannedColumn
from baler_core.data.bounds import Tolerance

# Larger whole numbers are not all floats.
_MOST_DIGITS = 15
Limits = tuple[float, float]


def kept_in_place(
    tolerance: Tolerance, column: ScannedColumn, values: np.ndarray, width: int
) -> tuple[str, Tolerance, Limits]:
    """Return how numbers are cut, as `rounding.shortened` does, and limits within which no cell outgrows its place.

    Parameters
    ----------
    values
        All of the column.
    width
        Of its place, in characters.

    Returns
    -------
    how, tolerance
        As of `rounding.shortened`; an exact tolerance where there is no room.
    limits
        That the variable must state, since tolerances of a file follow from its variables.
    """
    exact = "", Tolerance("exact"), (-math.inf, math.inf)
    is_float = column.form.kind == "float64"
    decimals = column.decimals if is_float else 0
    how, smaller = shortened_in_place(tolerance, decimals) if is_float else ("", tolerance)
    finite = values[np.isfinite(values)] if is_float else values
    if not smaller.lossy or smaller.sign != "keep" or not finite.size:
        return exact
    limits = []
    for value, sign in ((float(finite.min()), -1.0), (float(finite.max()), 1.0)):
        digits = len(str(math.floor(abs(value))))
        if not 0 <= decimals <= _MOST_DIGITS - digits:
            return exact
        # The number of as many digits that takes most room; signs are kept.
        limits.append(round(sign * (10.0**digits - 10.0**-decimals), decimals) if sign * value > 0 else sign * math.inf)
    longest = np.array([limit for limit in limits if math.isfinite(limit)]).astype(values.dtype)
    if max(map(len, column.form.cut(how).cells(longest)), default=0) > width:
        return exact
    lower, upper = limits
    kept = replace(smaller, lower=_with(smaller.lower, lower), upper=_with(smaller.upper, upper))
    return how, kept, (lower, upper)


def _with(limits: tuple[float, ...], limit: float) -> tuple[float, ...]:
    return (*limits, limit) if math.isfinite(limit) else limits
