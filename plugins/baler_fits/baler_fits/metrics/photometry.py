"""The metric `photometry`: fluxes of the brightest sources, original and restored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

import baler_core
from baler_core import Block, Metric, MetricResult, Variable
from baler_fits.metrics.images import pairs
from baler_fits.metrics.source_finding import aperture_fluxes, find_sources, ring_reach, sky

if TYPE_CHECKING:
    from matplotlib.axes import Axes


MAGNITUDE = 2.5 / np.log(10)


class PhotometryOptions(baler_core.Options):
    """Options of the metric `photometry`."""

    radius: float = Field(default=4.0, gt=0, le=50, description="Radius of the aperture, in pixels.")
    threshold: float = Field(default=5.0, gt=0, description="Least height of a source, in units of the noise.")
    sources: int = Field(default=500, ge=1, description="At most this many sources per plane of an image.")


class PhotometryMetric(Metric):
    """Aperture photometry of the same sources, found in the original, in both images.

    Per image: `sources`, and of the magnitude difference restored - original (mag) `mean`, `rms` and `max`; and
    `max / noise`, the largest flux difference beside the noise of the flux (noise times the root of the pixels).
    Sources whose original flux is not positive have no magnitude and count in the last one only. An image that comes in
    several blocks is measured block by block, without the sources at their borders.
    """

    name = "photometry"
    summary = "fluxes of bright sources in circular apertures"
    Options: ClassVar[type[baler_core.Options]] = PhotometryOptions

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._fluxes: dict[str, list[np.ndarray]] = {}

    def update(self, original: Block, restored: Block, variables: Mapping[str, Variable]) -> None:
        """Take in one block of each."""
        radius = self.options.radius
        for variable, before, after in pairs(original, restored, variables):
            level, noise = sky(before)
            found = find_sources(before, level, noise, threshold=self.options.threshold, margin=ring_reach(radius))
            y, x = found.y[: self.options.sources], found.x[: self.options.sources]
            fluxes = [aperture_fluxes(image, y, x, radius) for image in (before, after)]
            # a sum over a circle scatters by the noise times the root of its pixels
            scatter = np.full(len(y), noise * np.sqrt(np.pi) * radius)
            self._fluxes.setdefault(variable.name, []).append(np.stack([*fluxes, scatter]))

    def _measured(self, name: str) -> np.ndarray:
        """float64, shape (3, sources): original and restored flux, and its noise, where all are known."""
        fluxes = np.concatenate(self._fluxes[name], axis=1)
        return fluxes[:, np.isfinite(fluxes).all(axis=0)]

    def result(self) -> MetricResult:
        """Return differences of magnitudes."""
        values: dict[str, dict[str, float]] = {}
        for name in self._fluxes:
            before, after, scatter = self._measured(name)
            values[name] = {"sources": float(len(before))}
            if not len(before):
                continue
            values[name]["max / noise"] = float(np.max(np.abs(after - before) / scatter))
            difference = _magnitudes(before, after)
            if len(difference):
                values[name] |= {
                    "mean": float(np.mean(difference)),
                    "rms": float(np.sqrt(np.mean(difference**2))),
                    "max": float(np.max(np.abs(difference))),
                }
        return MetricResult(values, dict.fromkeys(values, "mag"))

    def plots(self) -> Sequence[str]:
        """Return one plot per image with sources."""
        return [f"{name}: photometry" for name in self._fluxes if (self._measured(name)[:2] > 0).all(axis=0).any()]

    def plot(self, title: str, axes: Axes) -> None:
        """Magnitude difference against instrumental magnitude, bright sources on the left."""
        before, after, _ = self._measured(title.rpartition(": ")[0])
        positive = (before > 0) & (after > 0)
        axes.plot(-2.5 * np.log10(before[positive]), _magnitudes(before, after), ".", color="C2", alpha=0.6)
        axes.axhline(0.0, color="0.5", linewidth=0.8)
        axes.set_xlabel("instrumental magnitude of the original (mag)")
        axes.set_ylabel("restored - original (mag)")


def _magnitudes(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Magnitude differences of the sources with positive fluxes."""
    positive = (before > 0) & (after > 0)
    return -MAGNITUDE * np.log(after[positive] / before[positive])
