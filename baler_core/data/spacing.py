"""Find the spacing of values: a step that all are multiples of, or low bits of the mantissa that none uses."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

_SAMPLE = 20_000
# So many values rule out nearly every spacing that is none.
_PRESCREENED = 64
_PIECE = 1 << 16
_MOST_POINTS = 2.0**50
# Spacings that files really have: decimals, halves and quarters of decimals, powers of two.
_DECIMALS: tuple[tuple[float, float], ...] = tuple(
    (numerator, 10.0**power) for power in range(13) for numerator in (1.0, 5.0, 2.0, 2.5)
) + tuple((1.0, 2.0**power) for power in range(1, 21))


def common_trailing_zeros(values: np.ndarray) -> int:
    """Return how many low bits of the mantissa are zero in all values: floats, 1-D."""
    native = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("="), copy=False))
    combined = int(np.bitwise_or.reduce(native.view(f"u{native.dtype.itemsize}")))
    mantissa = int(np.finfo(native.dtype).nmant)
    combined |= 1 << mantissa
    return (combined & -combined).bit_length() - 1


def find_spacing(values: np.ndarray) -> tuple[float, float] | None:
    """Find the largest (step, divisor) such that every value is exactly rint(value * divisor / step) * step / divisor.

    Exactly means bit for bit in the dtype of the values; None without such a spacing, or when it is finer than eight
    units in the last place of the largest value (that is noise, not a lattice).
    """
    sample = spread_sample(values)
    possible = _possible((*_DECIMALS, *_gap(sample)), sample[:_PRESCREENED])
    coarsest_first = sorted(possible, key=lambda spacing: -spacing[0] / spacing[1])
    found = next((spacing for spacing in coarsest_first if _on_lattice(sample, *spacing)), None)
    if found is None or not all(_on_lattice(piece, *found) for piece in _pieces(values)):
        return None
    return found if found[0] / found[1] >= 8 * float(np.finfo(values.dtype).eps) * largest_magnitude(values) else None


def _possible(spacings: Sequence[tuple[float, float]], few: np.ndarray) -> list[tuple[float, float]]:
    """Return the spacings, given as (step, divisor), on which all of a few values lie."""
    steps, divisors = np.array(spacings).T[:, :, None]
    with np.errstate(all="ignore"):
        exact = few.astype(np.float64)  # signalling NaNs warn
        points = np.rint(exact * divisors / steps)
        back = (points * steps / divisors).astype(few.dtype)
    fits = ((back == few) & (np.abs(points) < _MOST_POINTS)).all(axis=1)
    return [spacing for spacing, fit in zip(spacings, fits.tolist(), strict=True) if fit]


def _pieces(values: np.ndarray) -> Iterator[np.ndarray]:
    """Return pieces so short that what is computed of them stays in the processor's cache."""
    return (values[first : first + _PIECE] for first in range(0, values.size, _PIECE))


def largest_magnitude(values: np.ndarray) -> float:
    """Return the largest magnitude of float values; NaN if there is one."""
    return float(max(np.abs(values.min()), np.abs(values.max())))


def _gap(sample: np.ndarray) -> list[tuple[float, float]]:
    """Return the smallest distance between neighbouring distinct values, refined by least squares, if they are few."""
    with np.errstate(invalid="ignore"):
        distinct = np.unique(sample.astype(np.float64))
    if not 2 < distinct.size < 3000 or not np.isfinite(distinct).all():
        return []
    gap = float(np.diff(distinct).min())
    with np.errstate(all="ignore"):
        number = np.rint(distinct / gap)
    if gap <= 0 or not np.isfinite(number).all() or np.abs(number).max() > 1e6:
        return []
    with np.errstate(over="ignore"):
        refined = float((distinct * number).sum() / (number * number).sum())
    return [(spacing, 1.0) for spacing in (gap, refined) if 0 < spacing < math.inf]


def _on_lattice(values: np.ndarray, step: float, divisor: float) -> bool:
    with np.errstate(all="ignore"):
        points = np.rint(values.astype(np.float64) * divisor / step)
        if not (np.abs(points) < _MOST_POINTS).all():
            return False
        back = (points * step / divisor).astype(values.dtype)
    return bool(np.array_equal(back, values) and not (np.signbit(values) & (values == 0)).any())


def spread_sample(values: np.ndarray) -> np.ndarray:
    """Return up to `_SAMPLE` values, evenly spread."""
    return values[:: max(1, values.size // _SAMPLE)]
