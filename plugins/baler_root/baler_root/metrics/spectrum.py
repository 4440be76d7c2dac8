"""Compare one physics quantity before and after: mean, width, differences, and a plot with ratio panel."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS = 50


@dataclass
class QuantityMoments:
    """Count, mean and sum of squared deviations of values that come in blocks (Chan, Golub and LeVeque 1979)."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, values: np.ndarray) -> None:
        """Take in values, float64."""
        if not values.size:
            return
        mean, total = float(values.mean()), self.count + values.size
        shift = mean - self.mean
        self.squares += float(np.square(values - mean).sum()) + shift**2 * self.count * values.size / total
        self.mean += shift * values.size / total
        self.count = total

    @property
    def width(self) -> float:
        """Standard deviation."""
        return math.sqrt(self.squares / self.count) if self.count else math.nan


@dataclass
class QuantitySpectrum:
    """One quantity, original and restored, filled block by block.

    Attributes
    ----------
    label, units
        For the plot's axis.
    skipped
        Pairs of values left out because one of them was not finite.
    """

    label: str
    units: str = ""
    original: QuantityMoments = field(default_factory=QuantityMoments)
    restored: QuantityMoments = field(default_factory=QuantityMoments)
    difference: QuantityMoments = field(default_factory=QuantityMoments)
    largest: float = 0.0
    skipped: int = 0
    edges: np.ndarray = field(default_factory=lambda: np.zeros(0))
    bins: np.ndarray = field(default_factory=lambda: np.zeros((2, BINS)))

    def add(self, original: np.ndarray, restored: np.ndarray) -> None:
        """Take in values of the same objects, float64, same length."""
        finite = np.isfinite(original) & np.isfinite(restored)
        self.skipped += int(np.count_nonzero(~finite))
        before, after = original[finite], restored[finite]
        if not before.size:
            return
        if not self.edges.size:
            self.edges = _edges(before)
        self.original.add(before)
        self.restored.add(after)
        self.difference.add(after - before)
        self.largest = max(self.largest, float(np.abs(after - before).max()))
        self.bins += [np.histogram(values, self.edges)[0] for values in (before, after)]

    def statistics(self) -> dict[str, float]:
        """Return what is reported: in the quantity's units, except for the counts."""
        if not self.original.count:
            return {"count": 0.0, "skipped": float(self.skipped)}
        rms = math.hypot(self.difference.mean, self.difference.width)
        return {
            "count": float(self.original.count),
            "skipped": float(self.skipped),
            "mean original": self.original.mean,
            "mean restored": self.restored.mean,
            "width original": self.original.width,
            "width restored": self.restored.width,
            "mean difference": self.difference.mean,
            "RMS difference": rms,
            "largest difference": self.largest,
        }

    def plot(self, axes: Axes) -> None:
        """Both histograms, and below them restored / original with the original's statistical uncertainty."""
        before, after = self.bins
        lower = axes.inset_axes((0.0, 0.0, 1.0, 0.24))
        upper = axes.inset_axes((0.0, 0.28, 1.0, 0.72), sharex=lower)
        axes.set_axis_off()
        upper.stairs(before, self.edges, fill=True, color="C0", alpha=0.45, label="original")
        upper.stairs(after, self.edges, color="C1", linestyle=(0, (3, 1.5)), label="restored")
        with np.errstate(all="ignore"):
            ratio, uncertainty = after / before, 1 / np.sqrt(before)
        centres = (self.edges[1:] + self.edges[:-1]) / 2
        band = np.nan_to_num(uncertainty, nan=0.0, posinf=0.0)
        lower.stairs(1 + band, self.edges, baseline=1 - band, fill=True, color="#dddddd")
        lower.axhline(1, color="#555555", linewidth=0.8)
        lower.plot(centres, np.where(np.isfinite(ratio), ratio, np.nan), ".", color="C1", markersize=4)
        reach = min(0.5, max(0.02, 1.3 * float(np.nan_to_num(np.abs(ratio - 1), nan=0.0, posinf=0.0).max())))
        lower.set_ylim(1 - reach, 1 + reach)
        lower.set_xlim(self.edges[0], self.edges[-1])
        lower.set_xlabel(f"{self.label} [{self.units}]" if self.units else self.label, loc="right")
        lower.set_ylabel("restored / original", fontsize="small")
        upper.set_ylabel("entries per bin", loc="top")
        upper.tick_params(labelbottom=False)
        upper.set_ylim(0, 1.3 * max(1.0, float(self.bins.max())))
        upper.legend(frameon=False)
        for panel in (upper, lower):
            panel.minorticks_on()
            panel.tick_params(which="both", direction="in", top=True, right=True)


def _edges(values: np.ndarray) -> np.ndarray:
    """Equal bins over the bulk of a first block's values."""
    low, high = np.quantile(values, [0.002, 0.98])
    margin = 0.25 * (high - low) or max(abs(high), 1.0) * 1e-3
    return np.linspace(max(0.0, low - margin) if low >= 0 else low - margin, high + margin, BINS + 1)
