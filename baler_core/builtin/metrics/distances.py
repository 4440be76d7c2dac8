"""The metrics `ks` and `emd`: distances between the distributions of original and restored values."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import Field

from baler_core.data.block import Block, values_of
from baler_core.data.comparison import is_measured, pair_values
from baler_core.data.running_statistics import PairSample, sample_size
from baler_core.data.variables import Variable
from baler_core.plugin.interfaces import Metric, MetricResult, Options


class DistanceOptions(Options):
    """How many values are compared."""

    sample: int = Field(
        default=100_000, ge=100, description="Pairs of values sampled per variable; fewer with many variables."
    )


class DistanceMetric(Metric):
    """A distance of two empirical distributions, of all pairs of finite, non-fill values or a random sample of them.

    The same places are sampled in both, so that differences are those of the values alone.
    """

    Options = DistanceOptions
    options: DistanceOptions

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._samples: dict[str, PairSample] = {}
        self._units: dict[str, str] = {}

    @abstractmethod
    def measure(self, before: np.ndarray, after: np.ndarray) -> dict[str, float]:
        """Return the distance of two samples of equal size, each sorted, of at least one value."""

    def update(self, original: Block, restored: Block, variables: Mapping[str, Variable]) -> None:
        """Take in one block of each."""
        chosen = [variable for variable in variables.values() if is_measured(variable)]
        size = sample_size(len(chosen), most=self.options.sample)
        for variable in chosen:
            name = variable.name
            pairs = pair_values(variable, values_of(original, name), values_of(restored, name))
            self._samples.setdefault(name, PairSample(size)).update(pairs.original, pairs.restored)
            self._units.setdefault(name, variable.units)

    def result(self) -> MetricResult:
        """Return the distance per variable, and of how many values."""
        values = {
            name: {**self.measure(*map(np.sort, sample.pairs)), "values": float(sample.pairs[0].size)}
            for name, sample in self._samples.items()
            if sample.seen
        }
        return MetricResult(values)


class KolmogorovSmirnov(DistanceMetric):
    """`distance`: largest difference of the two cumulative distributions, from 0 (equal) to 1."""

    name = "ks"
    summary = "Kolmogorov-Smirnov distance of the distributions of original and restored values"

    def measure(self, before: np.ndarray, after: np.ndarray) -> dict[str, float]:
        """Return the distance."""
        return {"distance": ks_distance(before, after)}


class EarthMover(DistanceMetric):
    """`distance`: mean way that values have to be moved to turn one distribution into the other, in their units.

    `relative` is the same divided by the standard deviation of the original. Also known as Wasserstein distance.
    """

    name = "emd"
    summary = "earth mover's (Wasserstein) distance of the distributions of original and restored values"

    def measure(self, before: np.ndarray, after: np.ndarray) -> dict[str, float]:
        """Return the distance."""
        distance, spread = emd_distance(before, after), float(before.std())
        return {"distance": distance, **({"relative": distance / spread} if spread > 0 else {})}

    def result(self) -> MetricResult:
        """Return the distances, with the units of variables."""
        found = super().result()
        return MetricResult(found.values, {name: self._units[name] for name in found.values if self._units[name]})


def ks_distance(before: np.ndarray, after: np.ndarray) -> float:
    """Return the Kolmogorov-Smirnov distance of two sorted samples of at least one value."""
    places = np.concatenate([before, after])
    below = [np.searchsorted(values, places, side="right") / values.size for values in (before, after)]
    return float(np.abs(below[0] - below[1]).max())


def emd_distance(before: np.ndarray, after: np.ndarray) -> float:
    """Return the earth mover's distance of two sorted samples of equal size."""
    return float(np.abs(after - before).mean())
