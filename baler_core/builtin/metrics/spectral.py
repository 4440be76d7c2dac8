"""The metric `spectral_error`: what errors do to the power of fields at each scale."""

from __future__ import annotations

from typing import Any

import numpy as np

from baler_core.builtin.metrics.planes import PlaneMetric
from baler_core.plugin.interfaces import MetricResult

# Wavenumbers with less than this part of the strongest one's power hold nothing but rounding.
_FAINTEST = 1e-10


class SpectralError(PlaneMetric):
    """Power of planes by wavenumber (cycles along the shorter side), averaged over planes, restored against original.

    `rms` and `max` are those of |restored power / original power - 1|; `resolved` is the largest wavenumber below which
    the power of the residual stays below that of the original, as a part of the largest there is.
    """

    name = "spectral_error"
    summary = "relative error of the power of fields by wavenumber, and the scale down to which they are resolved"

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._sums: dict[str, np.ndarray] = {}

    def take(self, name: str, before: np.ndarray, after: np.ndarray) -> None:
        """Add the power of one plane; cells that are missing in either count as the mean of the original."""
        known = np.isfinite(before) & np.isfinite(after)
        if not known.any():
            return
        level = before[known].mean()
        x, y = (np.where(known, values, level) for values in (before, after))
        powers = np.stack([radial_power(values) for values in (x, y, y - x)])
        self._sums[name] = self._sums.get(name, np.zeros(powers.shape)) + powers

    def result(self) -> MetricResult:
        """Return the errors per field that varies."""
        self.finish()
        values = {}
        for name, sums in self._sums.items():
            before, after, residual = sums[:, 1:]
            held = before > _FAINTEST * before.max()
            if not held.any() or before.max() <= 0:
                continue
            relative = np.abs(after[held] / before[held] - 1)
            drowned = np.flatnonzero(held & (residual >= before))
            last = int(drowned[0]) if drowned.size else int(np.flatnonzero(held)[-1]) + 1
            values[name] = {
                "rms": float(np.sqrt(np.mean(relative**2))),
                "max": float(relative.max()),
                "resolved": last / before.size,
            }
        return MetricResult(values)


def radial_power(plane: np.ndarray) -> np.ndarray:
    """Return power by wavenumber of a plane, from 0 to half the shorter side: mean squares, split over rings."""
    power = np.square(np.abs(np.fft.fft2(plane) / plane.size))
    frequency = np.hypot(*np.meshgrid(*(np.fft.fftfreq(length) for length in plane.shape), indexing="ij"))
    ring = np.rint(frequency * min(plane.shape)).astype(np.int64)
    return np.bincount(ring.ravel(), power.ravel())[: min(plane.shape) // 2 + 1]
