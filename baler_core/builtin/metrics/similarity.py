"""The metric `dssim`: structural similarity of the data themselves, not of pictures of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from baler_core.builtin.metrics.planes import PlaneMetric
from baler_core.plugin.interfaces import MetricResult

_SIGMA, _REACH = 1.5, 5
_LEVELS = 255
_CONSTANT = 1e-8


class DataSimilarity(PlaneMetric):
    """Data structural similarity index, 1 for planes that look the same.

    Source: Baker, Pinard & Hammerling, "On a structural similarity index approach for floating-point data", IEEE Trans.
    Vis. Comput. Graph. 30 (2024) 6261 (arXiv:2202.02616): both planes are scaled to [0, 1] together and quantised to 256
    levels; Gaussian windows of 11 x 11 cells with a deviation of 1.5; constants 1e-8; five cells at the border left out;
    missing values leave the windows. `worst` is that of the worst plane, as there; above 0.9995 nobody sees a difference.
    """

    name = "dssim"
    summary = "data structural similarity of planes (Baker et al. 2024): the worst and the mean"

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._found: dict[str, list[float]] = {}

    def take(self, name: str, before: np.ndarray, after: np.ndarray) -> None:
        """Compute the index of one plane."""
        self._found.setdefault(name, []).append(data_similarity(before, after))

    def result(self) -> MetricResult:
        """Return the worst and the mean index, and of how many planes."""
        self.finish()
        values = {}
        for name, indices in self._found.items():
            known = np.array([index for index in indices if np.isfinite(index)])
            if known.size:
                values[name] = {"worst": float(known.min()), "mean": float(known.mean()), "planes": float(known.size)}
        return MetricResult(values)


def data_similarity(before: np.ndarray, after: np.ndarray) -> float:
    """Return the index of two planes (float64, at least 11 x 11, NaN for missing values); NaN if nothing is left."""
    x, y = _scaled(before, after)
    weights = _smoothed(np.isfinite(x).astype(np.float64))
    with np.errstate(all="ignore"):
        mean_x, mean_y, xx, yy, xy = (
            _smoothed(np.nan_to_num(values)) / weights for values in (x, y, x * x, y * y, x * y)
        )
        luminance = (2 * mean_x * mean_y + _CONSTANT) / (mean_x**2 + mean_y**2 + _CONSTANT)
        spread = xx - mean_x**2 + yy - mean_y**2
        structure = (2 * (xy - mean_x * mean_y) + _CONSTANT) / (spread + _CONSTANT)
    index = np.where(np.isfinite(x), luminance * structure, np.nan)[_REACH:-_REACH, _REACH:-_REACH]
    known = index[np.isfinite(index)]
    return float(known.mean()) if known.size else float("nan")


def _scaled(before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both planes in [0, 1], in steps of 1/255; missing where one of them is."""
    known = np.isfinite(before) & np.isfinite(after)
    if not known.any():
        return np.full(before.shape, np.nan), np.full(before.shape, np.nan)
    low = min(before[known].min(), after[known].min())
    high = max(before[known].max(), after[known].max())
    width = high - low
    if width == 0:
        low, width = 0.0, high if high else 1.0
    planes = (
        np.where(known, np.round((values - low) / width * _LEVELS) / _LEVELS, np.nan) for values in (before, after)
    )
    first, second = planes
    return first, second


def _smoothed(values: np.ndarray) -> np.ndarray:
    """Gaussian windows about each cell; nothing beyond the border."""
    offsets = np.arange(-_REACH, _REACH + 1)
    window = np.exp(-(offsets**2) / (2 * _SIGMA**2))
    window /= window.sum()
    for axis in range(2):
        padded = np.pad(values, [(_REACH, _REACH) if axis == each else (0, 0) for each in range(2)])
        length = values.shape[axis]
        parts = (np.take(padded, range(start, start + length), axis) * weight for start, weight in enumerate(window))
        values = np.sum(list(parts), axis=0)
    return values
