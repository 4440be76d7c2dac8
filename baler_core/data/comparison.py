"""Convert original and restored values of a variable to physical values and residuals for metrics and reports."""

from __future__ import annotations

import numpy as np

from baler_core.data.bounds import usable
from baler_core.data.distances import distance
from baler_core.data.variables import Variable
from baler_core.machine.records import dataclass


@dataclass(frozen=True)
class Pairs:
    """What can be compared in two arrays.

    Attributes
    ----------
    original
        float64, 1-D, in physical units (stored * scale + offset): only values that are finite on both sides, no fill
        value or flag, and within the limits that the file states.
    residual
        restored - original, in physical units, same shape.
    not_finite
        Pairs left out since one of them is NaN or infinite.
    fill
        Pairs left out since the original is a fill value, a flag, or beyond the limits.
    """

    original: np.ndarray
    residual: np.ndarray
    not_finite: int
    fill: int

    @property
    def restored(self) -> np.ndarray:
        """original + residual: float64, 1-D, physical units."""
        return self.original + self.residual


def is_measured(variable: Variable) -> bool:
    """Return whether residuals make sense: real numbers, neither booleans nor text nor long doubles."""
    return variable.is_numeric and variable.numpy_dtype.kind in "iuf"


def is_missing(variable: Variable, values: np.ndarray, *, limits: tuple[float, float] | None = None) -> np.ndarray:
    """Find the values that readers of the format show as missing: NaN, fill values, and what lies outside the limits.

    Parameters
    ----------
    values
        Stored values of any shape, of a variable for which `is_measured` holds.
    limits
        Those that the readers go by; None takes the variable's own.

    Returns
    -------
    bool, same shape.
    """
    low, high = variable.limits if limits is None else limits
    missing = ~usable(values, variable.fill, (low, high))
    if values.dtype.kind == "f":
        missing &= ~(np.isinf(values) & (values >= low) & (values <= high))
    return missing


def measured(variable: Variable, values: np.ndarray) -> np.ndarray:
    """Return boolean mask, same shape: stored values that are there, finite, and no flag."""
    return usable(values, (*variable.fill, *variable.flags), variable.limits)


def pair_values(variable: Variable, original: np.ndarray, restored: np.ndarray) -> Pairs:
    """Compare two arrays of stored values, same shape and dtype, of a variable for which `is_measured` holds.

    The difference is formed before anything is rounded: integers beyond 2^53 give exact residuals.
    """
    x, y = original.ravel(), restored.ravel()
    finite = np.isfinite(x) & np.isfinite(y) if x.dtype.kind == "f" else np.ones(x.shape, bool)
    kept = measured(variable, x) & finite
    not_finite = int(x.size - np.count_nonzero(finite))
    fill = int(x.size - np.count_nonzero(kept)) - not_finite
    if not kept.all():
        x, y = x[kept], y[kept]
    with np.errstate(over="ignore", invalid="ignore"):
        physical = x.astype(np.float64) * variable.scale + variable.offset
        return Pairs(physical, difference(y, x) * variable.scale, not_finite, fill)


def difference(restored: np.ndarray, original: np.ndarray) -> np.ndarray:
    """restored - original as float64, in stored units; of integers formed exactly, without overflow, and then rounded."""
    if original.dtype.kind == "f":
        return restored.astype(np.float64) - original.astype(np.float64)
    apart = distance(original, restored)
    return np.where(restored < original, -apart, apart)


def responses(pairs: Pairs) -> np.ndarray:
    """Return residual / original: float64, 1-D; infinite where only the original is 0, NaN for 0 / 0."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return pairs.residual / pairs.original
