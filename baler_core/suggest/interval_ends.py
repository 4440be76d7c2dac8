"""Propose bounds for values between whose lower and upper ends in other columns they stand, as `x`, `x_lo` and `x_hi`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from baler_core.data.conventions import spoken
from baler_core.suggest.proposal import Proposal, absolute

_PAIRS = (
    *(("lo", "hi"), ("low", "high"), ("lower", "upper"), ("lcl", "ucl"), ("l", "u")),
    *((f"{word}16", f"{word}84") for word in ("", "p", "q")),
    *(("ci_low", "ci_high"), ("ci_lower", "ci_upper"), ("lower_bound", "upper_bound"), ("16th", "84th")),
)
# A tenth of the smallest common one, as of columns that are called errors.
_SHARE, _COMMON = 0.1, 5.0
# So many values must stand between their ends.
_BETWEEN, _FEWEST = 0.95, 17


def of_ends(name: str, physical: Mapping[str, np.ndarray]) -> Proposal | None:
    """Return a tenth of the smallest common half width for a value and its ends; None where there are no such columns.

    Where columns of these names hold errors instead of ends, it is a tenth of the smallest common error.

    Parameters
    ----------
    physical
        The first values of variables, float64, NaN where there are none.
    """
    group = name.rpartition("/")[0]
    known = {spoken(one): one for one in physical if one.rpartition("/")[0] == group}
    own = spoken(name)
    for ends in _PAIRS:
        base = next((own.removesuffix(f"_{end}") for end in ends if own.endswith(f"_{end}")), own)
        names = [known.get(form) for form in (base, *(f"{base}_{end}" for end in ends))]
        found = [physical[one] for one in names if one is not None]
        if len(found) < 3 or len({values.shape for values in found}) > 1:
            continue
        widths = _half_widths(*(values.ravel() for values in found), is_end=own != base)
        if widths is not None and widths.size >= _FEWEST:
            step = _SHARE * float(np.percentile(widths, _COMMON))
            return Proposal(absolute(step), f"a tenth of the smallest common half width of {names[1]} to {names[2]}")
    return None


def _half_widths(values: np.ndarray, low: np.ndarray, high: np.ndarray, *, is_end: bool) -> np.ndarray | None:
    """Return how far values are from their ends, or their errors; None if the columns are neither, or errors themselves."""
    known = np.isfinite(values) & np.isfinite(low) & np.isfinite(high)
    values, low, high = values[known], low[known], high[known]
    if values.size and float(np.mean((low <= values) & (values <= high))) > _BETWEEN:
        widths = (high - low) / 2
        return np.asarray(widths[widths > 0])
    errors = np.minimum(np.abs(low), np.abs(high))
    if is_end or not values.size or float(np.median(errors)) >= float(np.median(np.abs(values))):
        return None
    return np.asarray(errors[errors > 0])
