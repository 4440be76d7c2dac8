"""The built-in metrics, one or a few of a kind per file."""

from __future__ import annotations

from baler_core.builtin.metrics.correlation import Correlation
from baler_core.builtin.metrics.distances import EarthMover, KolmogorovSmirnov
from baler_core.builtin.metrics.mean_bias import Determination, MeanBias
from baler_core.builtin.metrics.psnr import PeakSignalToNoise
from baler_core.builtin.metrics.residual import Residual
from baler_core.builtin.metrics.response import Response
from baler_core.builtin.metrics.similarity import DataSimilarity
from baler_core.builtin.metrics.spatial import SpatialRelativeError
from baler_core.builtin.metrics.spectral import SpectralError
from baler_core.plugin.interfaces import Metric

METRICS: list[type[Metric]] = [
    Correlation,
    DataSimilarity,
    Determination,
    EarthMover,
    KolmogorovSmirnov,
    MeanBias,
    PeakSignalToNoise,
    Residual,
    Response,
    SpatialRelativeError,
    SpectralError,
]

__all__ = [
    "METRICS",
    "Correlation",
    "DataSimilarity",
    "Determination",
    "EarthMover",
    "KolmogorovSmirnov",
    "MeanBias",
    "PeakSignalToNoise",
    "Residual",
    "Response",
    "SpatialRelativeError",
    "SpectralError",
]
