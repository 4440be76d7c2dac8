"""Round each value to steps of its own, as wide as its own tolerance allows, and back."""

from __future__ import annotations

import numpy as np

from baler_core.data.bounds import ROUNDING, SAFETY, Tolerance, usable
from baler_core.data.spacing import find_spacing

# Of so many points of the data's own spacing a step is made, so that restored values have few decimals.
_MOST_POINTS = 2.0**30
_LARGEST = 2.0**40
# Room for the rounding of products.
_SHARE = 1 - 2.0**-40


def own_points(values: np.ndarray) -> float:
    """Return how many points per unit the values lie on (1000 for three decimals); -5 for multiples of 5; 0 for none.

    Parameters
    ----------
    values
        Of any shape and numeric dtype; those that are not finite do not count.
    """
    if values.dtype.kind != "f":
        return 1.0
    finite = values[np.isfinite(values) & ~(np.signbit(values) & (values == 0))]
    spacing = find_spacing(finite.ravel()) if finite.size else None
    if spacing is None:
        return 0.0
    step, divisor = spacing
    if divisor >= step and divisor / step * step == divisor:
        return divisor / step
    return -step if divisor == 1 else 0.0


def to_codes(
    values: np.ndarray, tolerance: Tolerance, points: float, centre: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Round values (1-D) to steps.

    Parameters
    ----------
    tolerance
        Of kind `each`, known for these values.
    points
        As `own_points` gives it.
    centre
        float64 from which steps count; None for 0, or for the data's own points.

    Returns
    -------
    int64 codes, and a boolean mask of the values that they restore within the tolerance; others have the code 0.
    """
    assert tolerance.each is not None
    each = tolerance.each
    good = usable(values, tolerance.fill) & (each > 0)
    with np.errstate(all="ignore"):
        step, merged = _steps(each, points, values.dtype, plain=centre is not None)
        numbers = values.astype(np.float64)
        codes = np.rint((numbers - (0.0 if centre is None else centre)) / step)
        on_points = np.floor((np.rint(_counted(numbers, points)) + _before(merged)) / np.maximum(merged, 1))
        codes = np.where(merged > 0, on_points, codes)
    good &= np.abs(codes) < _LARGEST
    found = np.where(good, codes, 0).astype(np.int64)
    return _settled(values, found, good, tolerance, points, centre)


def _settled(
    values: np.ndarray,
    codes: np.ndarray,
    good: np.ndarray,
    tolerance: Tolerance,
    points: float,
    centre: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Move codes by one where rounding to the dtype breaks the tolerance, and give up where that is no help."""
    places = np.flatnonzero(good)
    assert tolerance.each is not None
    for move in (0, 1, -1):
        each, middle = tolerance.each[places], None if centre is None else centre[places]
        restored = from_codes(codes[places] + move, each, points, values.dtype, middle)
        wrong = tolerance.taken(places).violations(values[places], restored)
        codes[places[~wrong]] += move
        places = places[wrong]
    codes[places], good[places] = 0, False
    return codes, good


def from_codes(
    codes: np.ndarray, each: np.ndarray, points: float, dtype: np.dtype, centre: np.ndarray | None = None
) -> np.ndarray:
    """Restore values of a dtype from codes, and from what is allowed to each value."""
    with np.errstate(all="ignore"):
        step, merged = _steps(each, points, dtype, plain=centre is not None)
        values = codes * step + (0.0 if centre is None else centre)
        numbers = codes * merged - _before(merged) + (merged - 1) / 2
        values = np.where(merged > 0, numbers / points if points > 0 else numbers * -points, values)
        if dtype.kind == "f":
            return np.asarray(values.astype(dtype))
        limits = np.iinfo(dtype)
        high = np.nextafter(float(limits.max), 0) if dtype.itemsize == 8 else float(limits.max)
        return np.clip(np.rint(np.nan_to_num(values)), float(limits.min), high).astype(dtype)


def _counted(values: np.ndarray, points: float) -> np.ndarray:
    return values * points if points > 0 else values / -points if points else values


def _steps(each: np.ndarray, points: float, dtype: np.dtype, *, plain: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the step of each value, and of how many of the data's own points it is made; 0 where that does not matter."""
    if dtype.kind != "f":
        whole = np.floor(np.minimum(each * (1 + ROUNDING), _LARGEST))
        return 2 * whole + 1, np.where(whole > 0, 2 * whole + 1, 0.0) if not plain else np.zeros(each.shape)
    step = 2 * each * (SAFETY * _SHARE)
    if plain or not points:
        return step, np.zeros(each.shape)
    merged = np.floor(_counted(step, points)) + 1
    return step, np.where(merged < _MOST_POINTS, merged, 0.0)


def _before(merged: np.ndarray) -> np.ndarray:
    """Return how many points lie before the first of a cell's; none if they are of an even number, to keep signs."""
    return np.where(merged % 2, (merged - 1) / 2, 0.0)
