"""The metrics `mean_bias` and `r2`: what errors do to the mean, and how much of the variance is left."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from baler_core.data.block import Block, values_of
from baler_core.data.comparison import is_measured, pair_values
from baler_core.data.running_statistics import Moments
from baler_core.data.variables import Variable
from baler_core.plugin.interfaces import Metric, MetricResult


class MeanBias(Metric):
    """Mean of residuals: `bias`, in units of the variable; `relative` to the mean of |original|; `mean_abs` of |residual|.

    `worst_block` is the largest |mean residual| of a block of rows, as files are compared in.
    """

    name = "mean_bias"
    summary = "mean residual, as it is and relative to the mean size of values; mean absolute residual"

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._residuals: dict[str, Moments] = {}
        self._sizes: dict[str, Moments] = {}
        self._values: dict[str, Moments] = {}
        self._worst: dict[str, float] = {}
        self._units: dict[str, str] = {}

    def update(self, original: Block, restored: Block, variables: Mapping[str, Variable]) -> None:
        """Take in one block of each."""
        for variable in variables.values():
            if is_measured(variable):
                name = variable.name
                pairs = pair_values(variable, values_of(original, name), values_of(restored, name))
                self._residuals.setdefault(name, Moments()).update(pairs.residual)
                self._sizes.setdefault(name, Moments()).update(np.abs(pairs.residual))
                self._values.setdefault(name, Moments()).update(np.abs(pairs.original))
                mean = abs(float(pairs.residual.mean())) if pairs.residual.size else 0.0
                self._worst[name] = max(mean, self._worst.get(name, 0.0))
                self._units.setdefault(name, variable.units)

    def result(self) -> MetricResult:
        """Return statistics per variable that has values."""
        values = {}
        for name, residual in self._residuals.items():
            if residual.count:
                size = self._values[name].mean
                values[name] = {
                    "bias": residual.mean,
                    "relative": residual.mean / size if size > 0 else math.nan if residual.mean else 0.0,
                    "mean_abs": self._sizes[name].mean,
                    "worst_block": self._worst[name],
                }
        return MetricResult(values, {name: units for name, units in self._units.items() if units})


class Determination(Metric):
    """Coefficient of determination, 1 - sum(residual²) / sum((original - mean)²); `unexplained` is the second part.

    Constant variables are left out, and those whose squares no float64 holds.
    """

    name = "r2"
    summary = "coefficient of determination of restored values, and the part of the variance that is lost"

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._residuals: dict[str, Moments] = {}
        self._spreads: dict[str, _Spread] = {}

    def update(self, original: Block, restored: Block, variables: Mapping[str, Variable]) -> None:
        """Take in one block of each."""
        for variable in variables.values():
            if is_measured(variable):
                name = variable.name
                pairs = pair_values(variable, values_of(original, name), values_of(restored, name))
                self._residuals.setdefault(name, Moments()).update(pairs.residual)
                self._spreads.setdefault(name, _Spread()).update(pairs.original)

    def result(self) -> MetricResult:
        """Return `r2` and `unexplained` per variable that varies."""
        values = {}
        for name, spread in self._spreads.items():
            if 0 < spread.squares < math.inf:
                lost = (
                    self._residuals[name].rms * self._residuals[name].rms * self._residuals[name].count / spread.squares
                )
                values[name] = {"r2": 1 - lost, "unexplained": lost}
        return MetricResult(values)


class _Spread:
    """Sum of squared deviations from the mean, merged block by block (Chan, Golub & LeVeque 1979)."""

    def __init__(self) -> None:
        self._count = 0
        self._mean = 0.0
        self.squares = 0.0

    def update(self, values: np.ndarray) -> None:
        if not values.size:
            return
        with np.errstate(all="ignore"):
            mean, count = float(values.mean()), self._count + values.size
            step = mean - self._mean
            self.squares += float(np.square(values - mean).sum()) + step * step * self._count * values.size / count
        self._mean += step * values.size / count
        self._count = count
