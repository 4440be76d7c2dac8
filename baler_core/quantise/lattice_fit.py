"""Find the cheapest lattice that keeps the values of a variable within their tolerance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import xxhash

from baler_core.data.bounds import SAFETY, Tolerance, whole_steps
from baler_core.data.sides import specials_of
from baler_core.data.spacing import common_trailing_zeros, find_spacing, largest_magnitude, spread_sample
from baler_core.entropy.lorenzo import occurrences
from baler_core.machine.recent import Recent
from baler_core.quantise.lattice import (
    BitsLattice,
    IntegerLattice,
    Lattice,
    LogIntegerLattice,
    LogLattice,
    StepLattice,
    classify,
)
from baler_core.quantise.steps import around_zero, half_step, relative_half_step

# Models that are compared ask for the lattices of the same variables, and flags of an event that none has are all alike.
_FITTED: Final[Recent[Lattice]] = Recent(1 << 12)


def fit_lattice(values: np.ndarray, tolerance: Tolerance) -> Lattice:
    """Fit the lattice for one variable's values (any shape, integer, boolean or float dtype) under a tolerance.

    The lattice aims at the tolerance; where rounding to the output dtype defeats it, the caller stores values exactly.
    """
    if tolerance.kind == "each" or not values.flags.c_contiguous:
        return _fitted(values, tolerance)
    # equal tolerances may still differ in the sign of a zero among their special values
    key = (
        values.dtype.str,
        xxhash.xxh3_128_digest(values.data if values.dtype.isnative else values.tobytes()),
        tolerance,
        repr(tolerance.fill),
    )
    found = _FITTED.get(key)
    if found is None:
        found = _fitted(values, tolerance)
        _FITTED.put(key, found, 1)
    return found


def _fitted(values: np.ndarray, tolerance: Tolerance) -> Lattice:
    flat = values.ravel()
    tolerance = around_zero(flat, tolerance)
    if flat.dtype.kind in "biu":
        lattice = _integer_lattice(flat, tolerance)
    else:
        specials = float_specials(flat, tolerance)
        ordinary = flat[~_is_any(flat, specials)] if specials else flat
        lattice = replace(_float_lattice(ordinary, tolerance), specials=specials)
        if isinstance(lattice, BitsLattice) and tolerance.kind in ("exact", "bits"):
            lattice = _float_lattice(flat, tolerance)
    return _with_lowest(lattice, flat)


def _with_lowest(lattice: Lattice, values: np.ndarray) -> Lattice:
    """Record the smallest ordinary code, below which special values find their place."""
    if not lattice.specials:
        return lattice
    codes, special = lattice.quantise(values)
    ordinary = codes[special == 0]
    lowest = int(ordinary.min()) if ordinary.size else 0
    return replace(lattice, lowest=min(lowest, 0) if -256 < lowest < 2**20 else lowest)


# ---- integers

# Logarithms of 64-bit integers in double precision are off by up to 44 * 2^-53 = 5e-15: under finer bounds most values would
# have to be corrected (of uniform ones 77 % at 1e-15, 7 % at 1e-14, none at 1e-13), which takes more bytes than the values.
_FINEST_REL = 1e-14


def _integer_lattice(values: np.ndarray, tolerance: Tolerance) -> Lattice:
    dtype = values.dtype.str
    # of 64 bits without a sign, those that int64 holds
    wide = values.dtype.kind == "u" and values.dtype.itemsize == 8 and values.size > 0 and int(values.max()) >= 2**62
    if not values.size or not tolerance.lossy or wide or values.dtype.kind == "b":
        return _exact_integers(values)
    fill = tuple(f for f in as_doubles(tolerance.fill, values.dtype) if (values == values.dtype.type(f)).any())
    if tolerance.kind == "free" or tolerance.kind == "bits" or (values == values[0]).all():
        return _exact_integers(values)
    if tolerance.kind == "abs":
        radius = int(min(whole_steps(tolerance.value), 2.0**40))
        return IntegerLattice(dtype, merge=2 * radius + 1, specials=fill) if radius else _exact_integers(values)
    largest = float(np.abs(values.astype(np.float64)).max())
    if largest * tolerance.value <= 8 or tolerance.value < _FINEST_REL:
        return _exact_integers(values)
    near = int(np.ceil(8 / tolerance.value))
    # a sixteenth of the tolerance is kept for rounding to whole numbers, at most 0.5 of more than 8 / tolerance
    eps = tolerance.value * SAFETY * (1 - 1 / 16)
    step, centre = float(2 * np.arctanh(eps)), float(np.sqrt((1 - eps) * (1 + eps)))
    return LogIntegerLattice(dtype, step, centre, near, specials=fill)


def _exact_integers(values: np.ndarray) -> Lattice:
    """Make each integer a point, with the spacing that all of them share."""
    dtype = values.dtype.str
    if not values.size or values.dtype.kind == "b" or (values.dtype.kind == "u" and values.dtype.itemsize == 8):
        return IntegerLattice(dtype)
    first = int(values[0])
    span = int(values.max()) - int(values.min())
    if span == 0 or span >= 2**62:
        return IntegerLattice(dtype)
    spacing = int(np.gcd.reduce(values.astype(np.int64) - first))
    if spacing < 2:
        return IntegerLattice(dtype)
    return IntegerLattice(dtype, spacing, first=first) if spacing < 2**53 else IntegerLattice(dtype)


# ---- floats


def float_specials(values: np.ndarray, tolerance: Tolerance) -> tuple[float, ...]:
    """Return values outside any lattice that occur among floats (1-D)."""
    candidates = [np.nan, np.inf, -np.inf, -0.0]
    if tolerance.kind in ("exact", "bits") and not _plain_nans(values):
        return ()
    if tolerance.kind == "rel":
        candidates.append(0.0)
    fill = as_doubles(tolerance.fill, values.dtype)
    candidates += [f for f in fill if f != 0]
    if tolerance.kind != "rel" and 0.0 in fill:
        candidates.append(0.0)
    found = tuple(c for c in possible_specials(values, candidates) if _is_any(values, (c,)).any())
    # a zero that is to be met by no other value must be known as one, whichever sign it has here
    return (*found, 0.0) if 0.0 in fill and -0.0 in found and not any(_is_plain_zero(c) for c in found) else found


def _is_plain_zero(number: float) -> bool:
    return number == 0 and not np.signbit(number)


def as_doubles(fill: Sequence[float], dtype: np.dtype[Any]) -> list[float]:
    """The special values that values of `dtype` may have, as models store them; without integers that no float64 is."""
    return [float(special) for special in specials_of(fill, dtype) if int(float(special)) == int(special)]


def possible_specials(values: np.ndarray, candidates: Sequence[float]) -> Sequence[float]:
    """Return the candidates that may occur: those in the range of the values, if these are all finite."""
    # a NaN would be the least and the largest value
    low, high = (values.min(), values.max()) if values.size else (0, 0)
    finite = np.isfinite(low) and np.isfinite(high)
    return [candidate for candidate in candidates if low <= candidate <= high] if finite else candidates


def _plain_nans(values: np.ndarray) -> bool:
    """Return whether every NaN is the usual one, so that nothing is lost by writing that one back."""
    nans = values[np.isnan(values)]
    return nans.tobytes() == np.full(nans.shape, np.nan, values.dtype).tobytes()


def _is_any(values: np.ndarray, specials: tuple[float, ...]) -> np.ndarray:
    return classify(values, specials) > 0


def _float_lattice(values: np.ndarray, tolerance: Tolerance) -> Lattice:
    dtype = values.dtype.str
    if not values.size:
        return BitsLattice(dtype, 0)
    alone = _constant_lattice(values)
    if alone is not None and tolerance.kind in ("abs", "rel"):
        return alone
    own_bits, regular = _lossless_lattices(values)
    candidates: list[Lattice] = [own_bits, *regular]
    if tolerance.kind == "bits":
        mantissa = np.finfo(values.dtype).nmant
        dropped = max(0, mantissa - int(tolerance.value))
        candidates = [replace(own_bits, dropped=max(own_bits.dropped, dropped))]
    elif tolerance.kind == "abs":
        candidates += _abs_lattices(values, tolerance, regular)
    elif tolerance.kind == "rel":
        # Where a bound cannot join two of their points, as of flags and counts, the values' own steps are exact at no cost;
        # finer steps would number values of many magnitudes by far larger codes (2 % of a file of 2,656 short branches).
        coarse = any(_joins_none(one, values, tolerance) for one in regular)
        candidates.insert(1 if coarse else len(candidates), _log_lattice(values, tolerance.value))
    if len(candidates) == 1:
        return candidates[0]
    sample = spread_sample(values)
    # Of two that keep the same values apart, the later one is regular and so easier to code: it wins ties.
    return min(reversed(candidates), key=lambda lattice: _estimated_bits(lattice.quantise(sample)[0]))


def _estimated_bits(codes: np.ndarray) -> float:
    """Return order-0 entropy in bits per value, plus what telling the alphabet costs."""
    counts = occurrences(codes)
    share = counts / counts.sum()
    return float(-(share * np.log2(share)).sum() + 0.5 * len(counts) * np.log2(codes.size + 1) / codes.size)


def _constant_lattice(values: np.ndarray) -> StepLattice | None:
    """Return the lattice whose first point all floats are, which restores them exactly; None if they differ, or are 0."""
    first = float(values[0])
    if not np.isfinite(first) or first == 0 or not (values == values[0]).all():
        return None
    return StepLattice(values.dtype.str, abs(first))


def own_lattice(values: np.ndarray, tolerance: Tolerance) -> StepLattice | None:
    """Return the regular steps on which all floats (1-D, finite) lie, so wide that a relative bound leaves them exact."""
    if values.dtype.kind != "f" or tolerance.kind != "rel" or not values.size:
        return None
    largest = largest_magnitude(values)
    found = _constant_lattice(values)
    if found is None and np.isfinite(largest):
        spacing = find_spacing(values)
        found = None if spacing is None else StepLattice(values.dtype.str, *spacing)
    return found if found is not None and _joins_none(found, values, tolerance) else None


def _joins_none(lattice: StepLattice, values: np.ndarray, tolerance: Tolerance) -> bool:
    """Whether a relative bound is too fine for any two points of a lattice, within the size of the values, to be one."""
    return lattice.spacing > 2 * tolerance.value * largest_magnitude(values)


def _lossless_lattices(values: np.ndarray) -> tuple[BitsLattice, list[StepLattice]]:
    """Return the float's own bits without the trailing zeros that all share, and a regular spacing if there is one."""
    dtype = values.dtype.str
    spacing = find_spacing(values)
    regular = [] if spacing is None else [StepLattice(dtype, *spacing)]
    return BitsLattice(dtype, common_trailing_zeros(values)), regular


def _abs_lattices(values: np.ndarray, tolerance: Tolerance, regular: Sequence[StepLattice]) -> Iterator[Lattice]:
    """Yield a plain uniform lattice, and coarsenings of the data's own spacing."""
    dtype = values.dtype.str
    largest = largest_magnitude(values)
    radius, half_ulp = half_step(tolerance.value, values.dtype, largest + tolerance.value)
    if np.isfinite(radius) and radius > half_ulp and (largest / radius) < 2.0**51:
        yield StepLattice(dtype, 2 * radius)
    for own in regular:
        if radius > 0:
            merge = int(min(2 * radius * own.divisor / own.step * (1 - 1e-9), 2.0**40)) + 1
            anchor = 0 if merge % 2 == 0 and not (values < 0).any() else merge // 2
            yield replace(own, merge=merge, anchor=anchor)


def _log_lattice(values: np.ndarray, relative: float) -> Lattice:
    """Return points in geometric progression: cells [y/(1+e), y/(1-e)] around each point y."""
    eps = relative_half_step(relative, values.dtype, 0.55)
    if eps <= float(np.finfo(values.dtype).eps):
        return BitsLattice(values.dtype.str, common_trailing_zeros(values))
    step = float(2 * np.arctanh(eps))
    centre = float(np.sqrt((1 - eps) * (1 + eps)))
    with np.errstate(all="ignore"):
        smallest = np.rint(np.log(np.abs(values.astype(np.float64)).min()) / step)
    return LogLattice(values.dtype.str, step, centre, int(smallest) - 1)
