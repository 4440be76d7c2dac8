"""The metric `residual`: restored - original."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from baler_core.builtin.metrics.spread import Spread, SpreadOptions
from baler_core.data.comparison import is_measured, pair_values
from baler_core.data.running_statistics import sample_size
from baler_core.data.variables import Variable, values_of
from baler_core.plugin.interfaces import Metric, MetricResult

if TYPE_CHECKING:
    import xarray as xr


class Residual(Metric):
    """Residual = restored - original, in physical units (arXiv 2305.02283, section 4).

    Per variable: count, mean, RMS, smallest, largest and quantiles (of a random sample); `left_out` counts pairs that
    are not finite or whose original is a fill value.
    """

    name = "residual"
    summary = "restored - original: mean, RMS, extremes, quantiles"
    Options = SpreadOptions

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._spreads: dict[str, Spread] = {}
        self._left_out: dict[str, int] = {}
        self._units: dict[str, str] = {}

    def update(self, original: xr.Dataset, restored: xr.Dataset, variables: Mapping[str, Variable]) -> None:
        """Take in one block of each."""
        measured = [v for v in variables.values() if is_measured(v)]
        size = sample_size(len(measured), most=self.options.sample)
        for variable in measured:
            name = variable.name
            pairs = pair_values(variable, values_of(original, name), values_of(restored, name))
            spread = self._spreads.setdefault(name, Spread(size))
            spread.moments.update(pairs.residual)
            spread.sample.update(pairs.residual)
            self._left_out[name] = self._left_out.get(name, 0) + pairs.not_finite + pairs.fill
            self._units[name] = variable.units

    def result(self) -> MetricResult:
        """Statistics per variable."""
        values = {
            name: {**spread.statistics(), "left_out": float(self._left_out[name])}
            for name, spread in self._spreads.items()
        }
        return MetricResult(values, {name: units for name, units in self._units.items() if units})
