"""The base of metrics that state the spread of one number per value: mean, RMS, extremes and quantiles."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import Field

from baler_core.data.block import Block, values_of
from baler_core.data.comparison import Pairs, is_measured, pair_values
from baler_core.data.running_statistics import Moments, Sample, sample_size
from baler_core.data.variables import Variable
from baler_core.plugin.interfaces import Metric, MetricResult, Options

_QUANTILES = {"p05": 0.05, "median": 0.5, "p95": 0.95}


class SpreadOptions(Options):
    """Options of metrics that state quantiles."""

    sample: int = Field(
        default=10_000, ge=100, description="Values sampled per variable for quantiles; fewer with many variables."
    )


class Spread:
    """Moments of all values, quantiles of a sample of them, and counts of what has no number."""

    def __init__(self, size: int) -> None:
        self.moments = Moments()
        self.sample = Sample(size)
        self.counts: Counter[str] = Counter()

    def update(self, values: np.ndarray, counts: Mapping[str, int]) -> None:
        """Take in the finite numbers of a block, and add to the counts."""
        self.moments.update(values)
        self.sample.update(values)
        self.counts.update(counts)

    def statistics(self) -> dict[str, float]:
        """`count`, `mean`, `rms`, `min`, `p05`, `median`, `p95`, `max`, then the counts; without values, only counts."""
        moments, counts = self.moments, {name: float(count) for name, count in self.counts.items()}
        if not moments.count:
            return {"count": 0.0, **counts}
        quantiles = dict(zip(_QUANTILES, self.sample.quantiles(_QUANTILES.values()), strict=True))
        return {
            "count": float(moments.count),
            "mean": moments.mean,
            "rms": moments.rms,
            "min": moments.low,
            **quantiles,
            "max": moments.high,
            **counts,
        }


class SpreadMetric(Metric):
    """Base of metrics for the spread of one number per pair of values, in physical units; subclasses define it."""

    Options = SpreadOptions

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._spreads: dict[str, Spread] = {}

    @abstractmethod
    def measure(self, pairs: Pairs) -> tuple[np.ndarray, dict[str, int]]:
        """Compute the finite numbers of a block (float64), and counts of pairs that have none, by name."""

    def update(self, original: Block, restored: Block, variables: Mapping[str, Variable]) -> None:
        """Take in one block of each."""
        measured = [v for v in variables.values() if is_measured(v)]
        size = sample_size(len(measured), most=self.options.sample)
        for variable in measured:
            name = variable.name
            pairs = pair_values(variable, values_of(original, name), values_of(restored, name))
            self._spreads.setdefault(name, Spread(size)).update(*self.measure(pairs))

    def result(self) -> MetricResult:
        """Collect the statistics of each variable."""
        return MetricResult({name: spread.statistics() for name, spread in self._spreads.items()})
