"""Find how far apart restored values may lie under a tolerance, once rounding to their dtype has taken its part."""

from __future__ import annotations

import numpy as np

from baler_core.data.bounds import SAFETY


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
