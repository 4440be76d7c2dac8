"""Find how far apart restored values may lie under a tolerance, once rounding to their dtype has taken its part."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from baler_core.data.bounds import SAFETY, Tolerance, usable
from baler_core.data.spacing import spread_sample

# Shares of the values that may be left to be stored exactly, and about the bits which that takes for each.
_SHARES_LEFT, _BITS_LEFT = (0.0, 0.001, 0.01, 0.05), 20


def half_step(tolerance: float, dtype: np.dtype, largest: float, share: float = 1.0) -> tuple[float, float]:
    """Return half the distance of two restored values under an absolute tolerance, and what rounding takes of it.

    Callers differ in what they keep free, and files hold what follows from that: `lattice_fit` and `units` take `largest`
    of restored values, `residual` of originals; `units` gives a `share` for predictions that are repeated elsewhere.

    Parameters
    ----------
    largest
        Magnitude at which values of `dtype` are rounded.
    share
        Part of the tolerance that is used.
    """
    with np.errstate(all="ignore"):
        spare = 0.5 * float(np.spacing(np.asarray(largest).astype(dtype))) if dtype.kind == "f" else 0.5
    return tolerance * SAFETY * share - spare, spare


def relative_half_step(tolerance: float, dtype: np.dtype, ulps: float, share: float = 1.0) -> float:
    """Return what a relative tolerance allows, once `ulps` units in the last place are kept for rounding.

    `lattice_fit` keeps 0.55 of them, `residual` 1 and `units` 2, and with less than 1, 1 and 4 left they do without.
    """
    return tolerance * SAFETY * share - ulps * float(np.finfo(dtype).eps)


def around_zero(values: np.ndarray, tolerance: Tolerance) -> Tolerance:
    """Return a tolerance that models can hold to: one relative to numbers with an offset as the `abs` that most values allow.

    Logarithms of stored values say nothing there. What the few values next to the offset's zero do not allow is corrected.
    """
    if tolerance.kind != "rel" or not tolerance.shift:
        return tolerance
    sample = spread_sample(values.ravel())
    with np.errstate(all="ignore"):
        sizes = np.abs(sample[usable(sample, tolerance.fill)].astype(np.float64) + tolerance.shift)
        sizes = np.sort(sizes[np.isfinite(sizes)])
        allowed = [sizes[int(share * sizes.size)] * tolerance.value for share in _SHARES_LEFT] if sizes.size else [0.0]
        gains = np.log2(allowed) - _BITS_LEFT * np.array(_SHARES_LEFT[: len(allowed)])
    found = float(allowed[int(np.argmax(gains))])
    return replace(tolerance, kind="abs" if found > 0 else "exact", value=found, shift=0.0)
