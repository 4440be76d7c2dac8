"""Find places without a number (NaN, infinities, fill values), fill them smoothly from neighbours, put them back."""

from __future__ import annotations

import numpy as np

from baler_core.data.bounds import Tolerance
from baler_core.data.sides import Reach, keep_off
from baler_core.quantise.lattice_fit import as_doubles, possible_specials

# So many values are filled at a time: they stay in the processor's cache.
_FILLED = 1 << 15


def classes(values: np.ndarray, tolerance: Tolerance) -> tuple[np.ndarray | None, tuple[float, ...]]:
    """Return which values are special.

    Returns
    ----------
    classes
        uint8, same shape: 0 for ordinary values, 1 + index into the specials else; None if all are ordinary.
    specials
        The special values that occur.
    """
    specials: list[float] = []
    # under a relative bound zeros must stay zeros, and have no logarithm
    candidates = as_doubles(tolerance.fill, values.dtype) if values.dtype.kind != "b" else []
    if tolerance.kind == "rel" and 0.0 not in candidates:
        candidates.append(0.0)
    if values.dtype.kind == "f":
        candidates += [np.nan, np.inf, -np.inf]
    found = np.zeros(values.shape, np.uint8)
    for candidate in possible_specials(values, candidates):
        hit = _equal(values, candidate) & (found == 0)
        if hit.any():
            specials.append(float(candidate))
            found[hit] = len(specials)
    return (found if specials else None), tuple(specials)


def _equal(values: np.ndarray, candidate: float) -> np.ndarray:
    if np.isnan(candidate):
        return np.isnan(values) if values.dtype.kind == "f" else np.zeros(values.shape, bool)
    if values.dtype.kind in "iu" and not np.isfinite(candidate):
        return np.zeros(values.shape, bool)
    return np.asarray(values == np.asarray(candidate).astype(values.dtype))


def hold(specials: tuple[float, ...], dtype: np.dtype) -> bool:
    """Return whether all special values are values of `dtype`."""
    if dtype.kind not in "iu":
        return True
    limits = np.iinfo(dtype)
    return all(np.isfinite(value) and limits.min <= value <= limits.max for value in specials)


def put_back(values: np.ndarray, found: np.ndarray, specials: tuple[float, ...], reach: Reach) -> None:
    """Write the special values into their places, once others that equal one are moved off within `reach`."""
    keep_off(values, None, specials, reach)
    with np.errstate(all="ignore"):  # of a damaged file: what is beyond the dtype becomes infinite
        for index, special in enumerate(specials):
            values[found == index + 1] = np.asarray(special).astype(values.dtype)


def fill_smoothly(field: np.ndarray, holes: np.ndarray) -> np.ndarray:
    """Fill holes from their neighbours in space: float64 (frames, variables, z, y, x); a frame without any value gets 0.

    Means over ever larger cells are laid into the holes, coarse to fine, each level averaged with its neighbours, so
    that nothing sharp remains for the wavelet to spend bits on.
    """
    filled = np.where(holes, 0.0, field)
    if max(field.shape[2:]) > 1:
        same = bool((holes == holes[:1, :1]).all())  # as those of land: one weight serves all frames
        step = max(1, _FILLED // max(1, filled[0].size))
        for first in range(0, len(filled), step):
            part, empty = filled[first : first + step], holes[first : first + step]
            weight = (~(empty[:1, :1] if same else empty)).astype(np.float64)
            coarse = _push_pull(_halved(part), _halved(weight))
            np.copyto(part, _smoothed(_doubled(coarse, field.shape[2:])), where=empty)
    return filled


def _push_pull(total: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return means where there is weight, means of coarser cells elsewhere."""
    if max(total.shape[2:]) <= 1:
        return total / np.maximum(weight, 1e-300) * (weight > 0)
    coarse = _push_pull(_halved(total), _halved(weight))
    wide = _smoothed(_doubled(coarse, total.shape[2:]))
    return np.where(weight > 0, total / np.maximum(weight, 1e-300), wide)


def _halved(values: np.ndarray) -> np.ndarray:
    """Return sums over cells of two along each axis of space."""
    for axis in range(2, values.ndim):
        if values.shape[axis] > 1:
            lines = np.moveaxis(values, axis, 0)
            sums = lines[::2].copy()
            sums[: len(lines) // 2] += lines[1::2]
            values = np.moveaxis(sums, 0, axis)
    return values


def _doubled(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    for axis, length in enumerate(shape, start=2):
        if length > 1:
            found = np.empty((*values.shape[:axis], length, *values.shape[axis + 1 :]))
            lines, cells = np.moveaxis(found, axis, 0), np.moveaxis(values, axis, 0)
            lines[::2], lines[1::2] = cells, cells[: length // 2]
            values = found
    return values


def _smoothed(values: np.ndarray) -> np.ndarray:
    for axis in range(2, values.ndim):
        if values.shape[axis] > 2:
            smooth = 0.5 * values
            lines, found = np.moveaxis(values, axis, 0), np.moveaxis(smooth, axis, 0)
            quarters = 0.25 * lines
            found[1:] += quarters[:-1]
            found[0] += quarters[0]
            found[:-1] += quarters[1:]
            found[-1] += quarters[-1]
            values = smooth
    return values
