"""The noise of an image, and the metric `noise`: how large residuals are beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from baler_core import Block, Metric, MetricResult, Variable
from baler_fits.metrics.images import pairs

if TYPE_CHECKING:
    from matplotlib.axes import Axes


# Pixel histograms run from -10 to 10,000 times the noise about the median, in steps even in asinh.
EDGES = np.sinh(np.linspace(np.arcsinh(-10.0), np.arcsinh(1.0e4), 141))
RESIDUALS = np.linspace(-2.0, 2.0, 81)


def noise_sigma(image: np.ndarray) -> float:
    """Return standard deviation of the noise of an image, blind to sources and gradients.

    From the median absolute second difference of pixels two apart along rows (DER_SNR: Stoehr et al. 2008, ASP
    Conf. Ser. 394, 505). Where most of them are zero (sparse counts) their root mean square is taken instead.

    Parameters
    ----------
    image
        Any float or integer dtype, shape (..., x); NaN is left out.

    Returns
    -------
    float
        In the units of the image; NaN for less than five pixels per row.
    """
    values = np.asarray(image, np.float64)
    if values.shape[-1] < 5:
        return float("nan")
    second = 2 * values[..., 2:-2] - values[..., :-4] - values[..., 4:]
    second = second[np.isfinite(second)]
    if not second.size:
        return float("nan")
    spread = 1.482602 * float(np.median(np.abs(second)))
    return (spread or float(np.sqrt(np.mean(second**2)))) / np.sqrt(6.0)


@dataclass
class _Sums:
    """What adds up over the planes of one variable."""

    median: float
    sigma: float
    sigmas: list[float] = field(default_factory=list)
    squares: float = 0.0
    count: int = 0
    largest: float = 0.0
    before: np.ndarray = field(default_factory=lambda: np.zeros(len(EDGES) - 1))
    after: np.ndarray = field(default_factory=lambda: np.zeros(len(EDGES) - 1))
    residuals: np.ndarray = field(default_factory=lambda: np.zeros(len(RESIDUALS) - 1))


class NoiseMetric(Metric):
    """Residuals of images in units of the image noise.

    Per image: `noise` (median over planes of `noise_sigma`), `residual_rms`, `residual_rms / noise` and
    `residual_max / noise`. A ratio of 0.1 adds half a percent to the noise.
    """

    name = "noise"
    summary = "residuals of images relative to the noise of the image"

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._sums: dict[str, _Sums] = {}
        self._units: dict[str, str] = {}

    def update(self, original: Block, restored: Block, variables: Mapping[str, Variable]) -> None:
        """Take in one block of each."""
        for variable, before, after in pairs(original, restored, variables):
            sigma, good = noise_sigma(before), np.isfinite(before)
            if not good.any():
                continue
            if variable.name not in self._sums:
                self._sums[variable.name] = _Sums(float(np.median(before[good])), sigma)
                self._units[variable.name] = variable.units
            sums, residual = self._sums[variable.name], (after - before)[good]
            if np.isfinite(sigma):
                sums.sigmas.append(sigma)
            sums.squares += float(np.sum(residual**2))
            sums.count += residual.size
            sums.largest = max(sums.largest, float(np.max(np.abs(residual))))
            self._fill(sums, before[good], after[good], residual)

    @staticmethod
    def _fill(sums: _Sums, before: np.ndarray, after: np.ndarray, residual: np.ndarray) -> None:
        """Add pixels to the histograms; what lies outside goes into the outermost bins."""
        if not sums.sigma > 0:
            return
        for pixels, histogram in ((before, sums.before), (after, sums.after)):
            histogram += np.histogram(((pixels - sums.median) / sums.sigma).clip(EDGES[0], EDGES[-1]), EDGES)[0]
        sums.residuals += np.histogram((residual / sums.sigma).clip(RESIDUALS[0], RESIDUALS[-1]), RESIDUALS)[0]

    def result(self) -> MetricResult:
        """Return the noise of each image, and residuals beside it."""
        values: dict[str, dict[str, float]] = {}
        for name, sums in self._sums.items():
            noise = float(np.median(sums.sigmas)) if sums.sigmas else float("nan")
            rms = float(np.sqrt(sums.squares / sums.count))
            relative = (
                {"residual_rms / noise": rms / noise, "residual_max / noise": sums.largest / noise} if noise > 0 else {}
            )
            values[name] = {"noise": noise, "residual_rms": rms, **relative}
        return MetricResult(values, self._units)

    def plots(self) -> Sequence[str]:
        """Return a histogram of pixels and one of residuals per image."""
        known = [name for name, sums in self._sums.items() if sums.sigma > 0]
        return [f"{name}: {what}" for name in known for what in ("pixels", "residuals")]

    def plot(self, title: str, axes: Axes) -> None:
        """Draw one of them: counts on a logarithmic axis."""
        name, _, what = title.rpartition(": ")
        sums = self._sums[name]
        if what == "pixels":
            axes.stairs(sums.before, EDGES, fill=True, color="C0", alpha=0.45, label="original")
            axes.stairs(sums.after, EDGES, color="C1", linestyle=(0, (3, 1.5)), label="restored")
            axes.set_xscale("symlog", linthresh=10.0)
            axes.set_xlabel("(pixel - median) / noise")
        else:
            axes.stairs(sums.residuals, RESIDUALS, color="C2", label="restored - original")
            axes.axvspan(-1, 1, color="0.9", zorder=0, label="noise")
            axes.set_xlabel("residual / noise")
        axes.set_yscale("log")
        axes.set_ylabel("pixels")
        axes.legend()
