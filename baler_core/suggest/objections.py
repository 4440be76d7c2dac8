"""Object to proposals by the values at hand: those that would merge ids, turn signs, or lose more than noise."""

from __future__ import annotations

import numpy as np

from baler_core.data.distribution_distance import distribution_distance
from baler_core.data.noise import Noise

# Of the values: so many signs turned, and so many moved by more than their noise, are too many.
_SIGNS = 0.005
_MOVED = 0.05
# Whole numbers of which so many are distinct name things.
_DISTINCT = 0.9
_FEW = 100
# Beside the largest value, a value this small is the rounding of a calculation in single precision.
_ROUNDING = 1e-7
# A loss may take this part of the spread of all values but the outermost.
_OF_SPREAD = 0.04
# Distributions that are farther apart than 0.02 get a verdict that is not good.
MOVED_DISTRIBUTION = 0.015


def objection(
    values: np.ndarray, allowed: np.ndarray, noise: Noise, *, is_below_noise: bool, relative: bool = False
) -> str:
    """Return why a proposal is withdrawn, found by rounding a sample as far as it allows; empty if nothing is wrong.

    Parameters
    ----------
    values, allowed
        Physical values, and the error allowed to each; float64, one shape, NaN where there is none.
    noise
        That of the values, if any is seen.
    is_below_noise
        Whether the bound is a share of errors or noise: signs then mean nothing, and the spread may be all noise.
    relative
        Whether what is allowed is a part of each value.
    """
    known = np.isfinite(values) & np.isfinite(allowed) & (allowed > 0)
    x, e = values[known], allowed[known]
    if x.size < _FEW:
        return ""
    rounded = 2 * e * np.rint(x / (2 * e))
    merged = _merged_ids(x, rounded)
    if merged or is_below_noise:
        return merged
    return (
        _turned_signs(x, e)
        or _moved_beyond_noise(x, rounded, noise)
        or _lost_spread(x, e)
        or _changed_distribution(x, e, relative=relative)
    )


def _merged_ids(x: np.ndarray, rounded: np.ndarray) -> str:
    """Object where whole numbers, nearly all distinct, would become equal."""
    if (x == np.rint(x)).all():
        before, after = np.unique(x).size, np.unique(rounded).size
        if before >= _DISTINCT * x.size and after < before:
            return f"would make {before - after:,} of {before:,} different whole numbers equal: ids?"
    return ""


def _turned_signs(x: np.ndarray, e: np.ndarray) -> str:
    rounding = _ROUNDING * float(np.abs(x).max())
    if (x < 0).any() and (x > 0).any():
        turned = float(np.mean((np.abs(x) < e) & (np.abs(x) > rounding)))
        if turned > _SIGNS:
            return f"could turn the sign of {turned:.1%} of the values"
    return ""


def _moved_beyond_noise(x: np.ndarray, rounded: np.ndarray, noise: Noise) -> str:
    if noise.is_noise:
        moved = float(np.mean(np.abs(rounded - x) > noise.sigma))
        if moved > _MOVED:
            return f"would move {moved:.0%} of the values by more than their noise, {noise.sigma:.3g}"
    return ""


def _lost_spread(x: np.ndarray, e: np.ndarray) -> str:
    low, high = np.percentile(x, (5, 95))
    if 0 < _OF_SPREAD * (high - low) < float(np.median(e)):
        return f"would take more than {_OF_SPREAD:.0%} of the spread of most values, {high - low:.3g}"
    return ""


def _changed_distribution(x: np.ndarray, e: np.ndarray, *, relative: bool) -> str:
    distance = moved_distribution(x, e, relative=relative)
    if distance > MOVED_DISTRIBUTION:
        return f"would change how values are distributed (KS {distance:.2g})"
    return ""


def moved_distribution(values: np.ndarray, allowed: np.ndarray, *, relative: bool) -> float:
    """Return how far the distribution of rounded values is from that of values, as `evaluate` measures it.

    Parameters
    ----------
    values, allowed
        Finite values, and the error allowed to each, above zero.
    relative
        Whether they are rounded in steps of their logarithms.
    """
    if relative:
        values, allowed = values[values != 0], allowed[values != 0]
        if not values.size:
            return 0.0
        step = 2 * float(np.arctanh(min(0.5, float(np.median(allowed / np.abs(values))))))
        rounded = np.sign(values) * np.exp(step * np.rint(np.log(np.abs(values)) / step))
    else:
        rounded = 2 * allowed * np.rint(values / (2 * allowed))
    return distribution_distance(values, rounded, relative=relative)
