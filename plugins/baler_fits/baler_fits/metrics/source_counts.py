"""The metric `source_counts`: how many sources there are above some thresholds, original and restored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

import baler_core
from baler_core import Block, Metric, MetricResult, Variable
from baler_fits.metrics.images import pairs
from baler_fits.metrics.source_finding import Sources, find_sources, sky

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class SourceCountsOptions(baler_core.Options):
    """Options of the metric `source_counts`."""

    thresholds: tuple[float, ...] = Field(
        default=(3.0, 5.0, 10.0, 30.0), min_length=1, description="Heights above the sky, in units of the noise."
    )
    distance: int = Field(default=1, ge=0, description="Sources no further apart than this are the same, in pixels.")


class SourceCountsMetric(Metric):
    """Local maxima above thresholds in both images; sky level and noise are those of the original.

    Per image and threshold t: `original > t`, `restored > t` (counts) and `lost > t`, the fraction of the original
    sources that have no restored one of any height above the lowest threshold at the same place.
    """

    name = "source_counts"
    summary = "number of sources above thresholds in units of the noise"
    Options: ClassVar[type[baler_core.Options]] = SourceCountsOptions

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._found: dict[str, list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = {}

    def update(self, original: Block, restored: Block, variables: Mapping[str, Variable]) -> None:
        """Take in one block of each."""
        lowest = min(self.options.thresholds)
        for variable, before, after in pairs(original, restored, variables):
            level, noise = sky(before)
            was = find_sources(before, level, noise, threshold=lowest)
            now = find_sources(after, level, noise, threshold=lowest)
            kept = same_place(was, now, before.shape, self.options.distance)
            self._found.setdefault(variable.name, []).append((was.height, now.height, was.height[~kept]))

    def _heights(self, name: str) -> tuple[np.ndarray, ...]:
        """Heights of the original sources, of the restored ones, and of the lost ones."""
        return tuple(np.concatenate(parts) for parts in zip(*self._found[name], strict=True))

    def result(self) -> MetricResult:
        """Return counts per threshold."""
        values: dict[str, dict[str, float]] = {}
        for name in self._found:
            was, now, lost = self._heights(name)
            values[name] = {}
            for threshold in self.options.thresholds:
                count, gone = np.count_nonzero(was > threshold), np.count_nonzero(lost > threshold)
                values[name][f"original > {threshold:g}"] = float(count)
                values[name][f"restored > {threshold:g}"] = float(np.count_nonzero(now > threshold))
                if count:
                    values[name][f"lost > {threshold:g}"] = float(gone / count)
        return MetricResult(values)

    def plots(self) -> Sequence[str]:
        """Return one plot per image with sources."""
        return [f"{name}: source counts" for name in self._found if len(self._heights(name)[0])]

    def plot(self, title: str, axes: Axes) -> None:
        """Number of sources brighter than a height, both axes logarithmic."""
        was, now, _ = self._heights(title.rpartition(": ")[0])
        for heights, style in (
            (was, {"color": "C0", "linewidth": 3.0, "label": "original"}),
            (now, {"color": "C1", "linestyle": "--", "label": "restored"}),
        ):
            axes.step(np.sort(heights)[::-1], np.arange(1, len(heights) + 1), where="post", **style)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("height above the sky / noise")
        axes.set_ylabel("sources higher than this")
        axes.legend()


def same_place(was: Sources, now: Sources, shape: tuple[int, ...], distance: int) -> np.ndarray:
    """Return boolean, (original sources,): whether a restored source lies within `distance` pixels in y and in x."""
    near = np.zeros(shape, bool)
    for dy in range(-distance, distance + 1):
        for dx in range(-distance, distance + 1):
            near[(now.y + dy).clip(0, shape[0] - 1), (now.x + dx).clip(0, shape[1] - 1)] = True
    return near[was.y, was.x]
