"""The metric `gradient`: differences in the spatial derivatives of fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import Field

from baler_core import Block, Metric, MetricResult, Options, Variable
from baler_hdf5.metrics.difference import Difference
from baler_hdf5.metrics.physical import fields_of_block
from baler_hdf5.metrics.velocity import derivative


class GradientOptions(Options):
    """Which fields, and how many of their dimensions are space."""

    variables: tuple[str, ...] = Field(default=("*",), description="Patterns of the variables to include.")
    dimensions: int = Field(default=2, ge=1, le=3, description="How many of the last dimensions are space.")


class Gradient(Metric):
    """Derivatives per grid step along the last dimensions, all components together."""

    name = "gradient"
    summary = "difference in the spatial derivatives of fields, per grid step"
    Options = GradientOptions
    options: GradientOptions

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._differences: dict[str, Difference] = {}
        self._units: dict[str, str] = {}

    def update(self, original: Block, restored: Block, variables: Mapping[str, Variable]) -> None:
        """Take in one block of each."""
        chosen = fields_of_block(original, restored, variables, self.options.variables, max(2, self.options.dimensions))
        for variable, one, other in chosen:
            difference = self._differences.setdefault(variable.name, Difference())
            self._units[variable.name] = variable.units
            for axis in range(self.options.dimensions):
                difference.add(derivative(one, 1.0, axis), derivative(np.asarray(other), 1.0, axis))

    def result(self) -> MetricResult:
        """Return statistics of the difference for each field."""
        values = {name: difference.statistics() for name, difference in self._differences.items()}
        return MetricResult(values, {name: f"{units} / step" for name, units in self._units.items() if units})
