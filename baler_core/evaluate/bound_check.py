"""Compare the largest error of each variable with the allowed one, and check its mask and distinct values."""

from __future__ import annotations

from dataclasses import field

import numpy as np

from baler_core.data.bounds import Tolerance
from baler_core.data.comparison import difference, is_measured, is_missing, pair_values
from baler_core.data.mean_errors import MeanError, measure
from baler_core.data.roles import LARGEST_NUMBER
from baler_core.data.sides import zero_of
from baler_core.data.tolerance import usable_packing
from baler_core.data.variables import Variable
from baler_core.evaluate.distinct_values import DistinctValues
from baler_core.machine.records import dataclass

# From this share of a variable's values on, exact zeros mean something: no rain, land, an empty cell.
MANY_ZEROS = 0.01
# Distinct values are counted up to so many, beyond which they name nothing that a person tells apart.
_MOST_DISTINCT = 1_000_000


@dataclass
class BoundCheck:
    """One variable's errors so far.

    Attributes
    ----------
    tolerance
        None where no bound is known: errors are found all the same.
    largest_error
        In physical units, over pairs of finite, non-fill values.
    allowed
        What is allowed, in physical units, to the value with the largest share; None where nothing was judged.
    share
        Largest error / allowed; infinite where nothing is allowed and there is an error.
    mask_changed
        Values that were valid and are missing now, or the other way.
    zeros, zeros_changed
        Values that were exactly 0, in physical units, and how many of them are not any more.
    signs_changed
        Values that were above 0 and are below it, or the other way.
    distinct
        Of whole numbers that changed, which may be ids: the values before and after; None beyond a million, and for
        integers that stand for real numbers by a scale factor.
    mean
        The sum of errors, where the tolerance limits errors on average.
    """

    variable: Variable
    tolerance: Tolerance | None
    values: int = 0
    changed: int = 0
    largest_error: float = 0.0
    allowed: float | None = None
    share: float = 0.0
    violations: int = 0
    mask_changed: int = 0
    zeros: int = 0
    zeros_changed: int = 0
    signs_changed: int = 0
    distinct: tuple[DistinctValues, DistinctValues] | None = field(
        default_factory=lambda: (DistinctValues(), DistinctValues())
    )
    mean: MeanError = field(default_factory=MeanError)

    def update(self, original: np.ndarray, restored: np.ndarray, each: Tolerance | None = None) -> None:
        """Take in the stored values of a block: same shape both.

        Parameters
        ----------
        each
            The tolerance of these values, where each has its own.
        """
        self.values += original.size
        different = _different(original, restored)
        count = int(np.count_nonzero(different))
        self.changed += count
        if count and is_measured(self.variable):
            x, y = original[different], restored[different]
            pairs = pair_values(self.variable, x, y)
            self.largest_error = max(self.largest_error, float(np.abs(pairs.residual).max(initial=0.0)))
            self.mask_changed += int(np.count_nonzero(_moved(self.variable, x, y)))
        self._count_zeros(original, restored)
        self._count_distinct(original, restored)
        if self.tolerance is None:
            return
        if not is_measured(self.variable):
            self.violations += count
        elif original.size:
            self._judge(original, restored, different, each or self.tolerance)

    @property
    def on_average(self) -> tuple[float, float] | None:
        """The error on average and its limit, in physical units or as shares of the values; None without a limit."""
        if self.tolerance is None or self.tolerance.mean is None:
            return None
        kind, limit = self.tolerance.mean
        return self.mean.value(kind), limit

    @property
    def distinct_counts(self) -> tuple[int, int] | None:
        """How many distinct whole numbers there were and are, where any changed; None beyond a million."""
        counts = self.distinct and (self.distinct[0].count(), self.distinct[1].count())
        return counts if self.changed and counts and counts[0] <= _MOST_DISTINCT else None

    def _count_zeros(self, original: np.ndarray, restored: np.ndarray) -> None:
        if not is_measured(self.variable) or not usable_packing(self.variable):
            return
        zero = zero_of(-self.variable.offset / self.variable.scale, original.dtype)
        if zero is not None and self.changed:
            fill = [value for value in self.variable.fill if value == value]
            valid = ~(np.isin(original, fill) | np.isin(restored, fill)) if fill else True
            with np.errstate(invalid="ignore"):
                self.signs_changed += int(np.count_nonzero(zero.crossed(original, restored) & valid))
        if zero is not None and zero.value is not None:
            were_zero = original == zero.value
            self.zeros += int(np.count_nonzero(were_zero))
            self.zeros_changed += int(np.count_nonzero(were_zero & (restored != zero.value)))

    def _count_distinct(self, original: np.ndarray, restored: np.ndarray) -> None:
        """Join the distinct values of a block to those so far, of whole numbers alone."""
        if self.distinct is None or not is_measured(self.variable) or self.variable.is_packed:
            return
        lossy = self.tolerance is None or self.tolerance.lossy
        if not (lossy and original.size and _may_be_ids(original)):
            self.distinct = None
            return
        for distinct, values in zip(self.distinct, (original, restored), strict=True):
            distinct.add(values)
        if self.distinct[0].at_least > _MOST_DISTINCT:
            self.distinct = None

    def _judge(self, original: np.ndarray, restored: np.ndarray, different: np.ndarray, tolerance: Tolerance) -> None:
        self.violations += int(np.count_nonzero(tolerance.violations(original, restored)))
        if tolerance.mean is not None:
            here = measure(tolerance, original, restored, scale=self.variable.scale)
            self.mean = self.mean.joined(here)
        if tolerance.kind in ("exact", "free"):
            return
        changed = different.any()
        x, y = (original[different], restored[different]) if changed else (original, original)
        allowed = (tolerance.taken(different) if changed else tolerance).allowed(x)
        with np.errstate(all="ignore"):
            error = np.abs(difference(y, x))
            share = np.divide(error, allowed, out=np.zeros_like(error), where=error > 0)
        worst = int(share.argmax()) if share.any() else int(allowed.argmax())
        if share.flat[worst] > self.share or self.allowed is None:
            self.share = float(share.flat[worst])
            self.allowed = float(allowed.flat[worst]) * abs(self.variable.scale)


def _moved(variable: Variable, original: np.ndarray, restored: np.ndarray) -> np.ndarray:
    """Boolean mask, same shape: what some readers showed and now show as missing, or the other way."""
    moved = np.zeros(original.shape, bool)
    for limits in dict.fromkeys((variable.limits, variable.stated_limits)):
        moved |= is_missing(variable, original, limits=limits) != is_missing(variable, restored, limits=limits)
    return moved


def _may_be_ids(values: np.ndarray) -> bool:
    """Whether all are whole numbers, and none is so large that it is whole whatever it measures."""
    if values.dtype.kind in "iu":
        return True
    with np.errstate(invalid="ignore"):
        small = np.abs(values) < LARGEST_NUMBER.get(values.dtype.itemsize, 2.0**64)
        return bool((small & (values == np.rint(values))).all())


def _different(original: np.ndarray, restored: np.ndarray) -> np.ndarray:
    """Boolean mask, same shape: where any bit of a value, or a text, changed."""
    if original.dtype.kind == "O":
        return np.asarray(original != restored, bool)
    width = original.dtype.itemsize
    flat = [np.ascontiguousarray(values).reshape(-1) for values in (original, restored)]
    if width in (1, 2, 4, 8):
        return np.asarray(flat[0].view(f"u{width}") != flat[1].view(f"u{width}")).reshape(original.shape)
    x, y = (values.view(np.uint8).reshape(values.size, width) for values in flat)
    return np.asarray((x != y).any(axis=1)).reshape(original.shape)
