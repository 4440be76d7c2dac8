"""The metric `response`: residual / original."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from baler_core.builtin.metrics.spread import Spread, SpreadOptions
from baler_core.data.comparison import is_measured, pair_values, responses
from baler_core.data.running_statistics import sample_size
from baler_core.data.variables import Variable, values_of
from baler_core.plugin.interfaces import Metric, MetricResult

if TYPE_CHECKING:
    import xarray as xr


class Response(Metric):
    """Response = (restored - original) / original, without units (arXiv 2305.02283, section 4).

    Per variable: mean, RMS, extremes and quantiles (of a random sample) of the defined responses; `inf` counts x / 0,
    `nan` counts 0 / 0 and values that are not finite. Fill values are left out.
    """

    name = "response"
    summary = "residual / original: mean, RMS, extremes, quantiles, undefined responses"
    Options = SpreadOptions

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._spreads: dict[str, Spread] = {}
        self._inf: dict[str, int] = {}
        self._nan: dict[str, int] = {}

    def update(self, original: xr.Dataset, restored: xr.Dataset, variables: Mapping[str, Variable]) -> None:
        """Take in one block of each."""
        measured = [v for v in variables.values() if is_measured(v)]
        size = sample_size(len(measured), most=self.options.sample)
        for variable in measured:
            name = variable.name
            pairs = pair_values(variable, values_of(original, name), values_of(restored, name))
            ratio = responses(pairs)
            defined = ratio[np.isfinite(ratio)]
            spread = self._spreads.setdefault(name, Spread(size))
            spread.moments.update(defined)
            spread.sample.update(defined)
            inf = int(np.count_nonzero(np.isinf(ratio)))
            self._inf[name] = self._inf.get(name, 0) + inf
            self._nan[name] = self._nan.get(name, 0) + ratio.size - defined.size - inf + pairs.not_finite

    def result(self) -> MetricResult:
        """Statistics per variable."""
        return MetricResult(
            {
                name: {**spread.statistics(), "inf": float(self._inf[name]), "nan": float(self._nan[name])}
                for name, spread in self._spreads.items()
            }
        )
