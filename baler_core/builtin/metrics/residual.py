"""The metric `residual`: restored - original."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from baler_core.builtin.metrics.spread import SpreadMetric
from baler_core.data.block import Block
from baler_core.data.comparison import Pairs
from baler_core.data.variables import Variable
from baler_core.plugin.interfaces import MetricResult


class Residual(SpreadMetric):
    """Residual = restored - original, in physical units (arXiv 2305.02283, section 4).

    Per variable: count, mean, RMS, smallest, largest and quantiles (of a random sample); `left_out` counts pairs that
    are not finite or whose original is a fill value.
    """

    name = "residual"
    summary = "restored - original: mean, RMS, extremes, quantiles"

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._units: dict[str, str] = {}

    def measure(self, pairs: Pairs) -> tuple[np.ndarray, dict[str, int]]:
        """Take the residuals."""
        return pairs.residual, {"left_out": pairs.not_finite + pairs.fill}

    def update(self, original: Block, restored: Block, variables: Mapping[str, Variable]) -> None:
        """Take in one block of each."""
        super().update(original, restored, variables)
        self._units.update({name: variable.units for name, variable in variables.items() if variable.units})

    def result(self) -> MetricResult:
        """Collect the statistics of each variable, and its units."""
        found = super().result()
        return MetricResult(found.values, {name: self._units[name] for name in found.values if name in self._units})
