"""The metric `sre`: how many values moved by more than a small part of themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import Field

from baler_core.data.block import Block, values_of
from baler_core.data.comparison import is_measured, pair_values
from baler_core.data.variables import Variable
from baler_core.plugin.interfaces import Metric, MetricResult, Options


class SpatialOptions(Options):
    """What counts as moved."""

    threshold: float = Field(default=1.0e-4, gt=0, description="Relative error beyond which a value counts.")


class SpatialRelativeError(Metric):
    """Percentage of values whose relative error |residual / original| is above a threshold; of 0 the residual itself.

    Source: Baker et al., Geosci. Model Dev. 9 (2016) 4381; climate scientists ask for at most 5 %.
    """

    name = "sre"
    summary = (
        "spatial relative error: percentage of values that moved by more than 1e-4 of themselves (option threshold)"
    )
    Options = SpatialOptions
    options: SpatialOptions

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._values: Counter[str] = Counter()
        self._moved: Counter[str] = Counter()

    def update(self, original: Block, restored: Block, variables: Mapping[str, Variable]) -> None:
        """Take in one block of each."""
        for variable in variables.values():
            if is_measured(variable):
                name = variable.name
                pairs = pair_values(variable, values_of(original, name), values_of(restored, name))
                size = np.where(pairs.original == 0, 1.0, np.abs(pairs.original))
                with np.errstate(over="ignore"):
                    self._moved[name] += int(np.count_nonzero(np.abs(pairs.residual) / size > self.options.threshold))
                self._values[name] += pairs.original.size

    def result(self) -> MetricResult:
        """Return the percentage per variable that has values."""
        return MetricResult(
            {name: {"percent": 100.0 * self._moved[name] / count} for name, count in self._values.items() if count}
        )
