"""The metric `correlation`: Pearson's coefficient between original and restored."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from baler_core.data.block import Block, values_of
from baler_core.data.comparison import is_measured, pair_values
from baler_core.data.variables import Variable
from baler_core.plugin.interfaces import Metric, MetricResult


class Correlation(Metric):
    """Pearson's correlation between original and restored values, over finite, non-fill values.

    `loss` is 1 - correlation, computed from the residual r and the original x without the cancellation of 1 - 0.999...:
    1 - rho = (var r - (s - sigma_x)²) / (2 sigma_x s), s² = var x + 2 cov(x, r) + var r. Constant variables are left out.
    """

    name = "correlation"
    summary = "Pearson correlation of original and restored"

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._sums: dict[str, _Covariance] = {}

    def update(self, original: Block, restored: Block, variables: Mapping[str, Variable]) -> None:
        """Take in one block of each."""
        for variable in variables.values():
            if is_measured(variable):
                name = variable.name
                pairs = pair_values(variable, values_of(original, name), values_of(restored, name))
                self._sums.setdefault(name, _Covariance()).update(pairs.original, pairs.residual)

    def result(self) -> MetricResult:
        """`correlation` and `loss` per variable that varies."""
        losses = {name: sums.lost_correlation() for name, sums in self._sums.items()}
        return MetricResult(
            {name: {"correlation": 1 - loss, "loss": loss} for name, loss in losses.items() if loss is not None}
        )


class _Covariance:
    """Variances and covariance of x and r, merged block by block (Chan, Golub & LeVeque 1979)."""

    def __init__(self) -> None:
        self._count = 0
        self._mean = np.zeros(2)
        self._products = np.zeros((2, 2))

    def update(self, x: np.ndarray, r: np.ndarray) -> None:
        if not x.size:
            return
        with np.errstate(all="ignore"):
            mean = np.array([x.mean(), r.mean()])
            centred = np.stack([x - mean[0], r - mean[1]])
            count = self._count + x.size
            step = mean - self._mean
            self._products += centred @ centred.T + np.outer(step, step) * (self._count * x.size / count)
            self._mean += step * (x.size / count)
        self._count = count

    def lost_correlation(self) -> float | None:
        """1 - rho; None if x or the restored values do not vary, or no float64 holds their squares."""
        if not np.isfinite(self._products).all():
            return None
        (xx, xr), (_, rr) = self._products
        restored = xx + 2 * xr + rr
        if not self._count or xx <= 0 or restored <= 0:
            return None
        sigma_x, sigma_y = math.sqrt(xx), math.sqrt(restored)
        difference = (2 * xr + rr) / (sigma_x + sigma_y)  # sigma_y - sigma_x
        return float(max(0.0, rr - difference**2) / (2 * sigma_x * sigma_y))
