"""The largest error of each variable against the error it may have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from baler_core.bounds import Tolerance
from baler_core.comparison import difference, is_measured, pair_values
from baler_core.dataset import Variable


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
    """

    variable: Variable
    tolerance: Tolerance | None
    values: int = 0
    changed: int = 0
    largest_error: float = 0.0
    allowed: float | None = None
    share: float = 0.0
    violations: int = 0

    def update(self, original: np.ndarray, restored: np.ndarray) -> None:
        """Take in the stored values of a block: same shape both."""
        self.values += original.size
        different = _different(original, restored)
        count = int(np.count_nonzero(different))
        self.changed += count
        if count and is_measured(self.variable):
            x, y = original[different], restored[different]
            pairs = pair_values(self.variable, x, y)
            self.largest_error = max(self.largest_error, float(np.abs(pairs.residual).max(initial=0.0)))
        if self.tolerance is None:
            return
        if not is_measured(self.variable):
            self.violations += count
        elif original.size:
            self._judge(original, restored, different)

    def _judge(self, original: np.ndarray, restored: np.ndarray, different: np.ndarray) -> None:
        assert self.tolerance is not None
        self.violations += int(np.count_nonzero(self.tolerance.violations(original, restored)))
        if self.tolerance.kind in ("exact", "free"):
            return
        x, y = (original[different], restored[different]) if different.any() else (original, original)
        allowed = self.tolerance.allowed(x)
        with np.errstate(all="ignore"):
            error = np.abs(difference(y, x))
            share = np.divide(error, allowed, out=np.zeros_like(error), where=error > 0)
        worst = int(share.argmax()) if share.any() else int(allowed.argmax())
        if share.flat[worst] > self.share or self.allowed is None:
            self.share = float(share.flat[worst])
            self.allowed = float(allowed.flat[worst]) * abs(self.variable.scale)


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
