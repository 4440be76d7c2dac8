"""Define limits of errors on average, and measure what they limit."""

from __future__ import annotations

import math

import numpy as np

from baler_core.data.bound_syntax import MeanKind
from baler_core.data.bounds import Tolerance, usable
from baler_core.data.distances import distance
from baler_core.machine.records import dataclass

# What adding up in another order may change.
_ROUNDING = 1e-9
_PIECE = 1 << 18


@dataclass(frozen=True)
class MeanError:
    """A sum of errors of values, or of their squares, and their number; of a block, or of all that were joined.

    Attributes
    ----------
    peak
        The unit of what is summed, under `rms`: squares of the largest errors may be too large or too small for a float.
    """

    total: float = 0.0
    count: int = 0
    peak: float = 1.0

    def joined(self, other: MeanError) -> MeanError:
        """Return the same of both."""
        if not self.total or not other.total:
            one = self if self.total else other
            return MeanError(one.total, self.count + other.count, one.peak)
        peak = max(self.peak, other.peak)
        total = sum(one.total * (one.peak / peak) ** 2 for one in (self, other))
        return MeanError(total, self.count + other.count, peak)

    def value(self, kind: MeanKind) -> float:
        """Return the error on average, in physical units or as a share of the values; 0 where nothing was measured."""
        if not self.count:
            return 0.0
        return self.peak * math.sqrt(self.total / self.count) if kind == "rms" else self.total / self.count


def within(error: float, limit: float) -> bool:
    """Return whether an error on average is within its limit, but for what rounding may have added."""
    return error <= limit * (1 + _ROUNDING)


def measure(tolerance: Tolerance, x: np.ndarray, y: np.ndarray, *, scale: float = 1.0) -> MeanError:
    """Measure what a tolerance with a limit on average limits: restored values `y` of one shape with the originals `x`.

    Values that are missing or not finite do not count, nor zeros under `mean_rel`.

    Parameters
    ----------
    scale
        Size of a stored unit in physical ones.
    """
    assert tolerance.mean is not None
    kind, found = tolerance.mean[0], MeanError()
    flat = x.ravel(), y.ravel()
    for first in range(0, x.size, _PIECE):
        before, after = (values[first : first + _PIECE] for values in flat)
        counted = usable(before, tolerance.missing)
        error = distance(before[counted], after[counted])
        with np.errstate(all="ignore"):
            if kind == "mean_rel":
                size = np.abs(before[counted].astype(np.float64) + tolerance.shift)
                error = error[size > 0] / size[size > 0]
            else:
                error = error * abs(scale)
            found = found.joined(_summed(error, squares=kind == "rms"))
    return found


def _summed(error: np.ndarray, *, squares: bool) -> MeanError:
    if not squares:
        return MeanError(float(error.sum()), error.size)
    peak = float(error.max(initial=0.0))
    if not 0 < peak < math.inf:
        return MeanError(peak, error.size)
    return MeanError(float(np.square(error / peak).sum()), error.size, peak)
