"""The built-in metrics, one per file."""

from __future__ import annotations

from baler_core.builtin.metrics.correlation import Correlation
from baler_core.builtin.metrics.psnr import PeakSignalToNoise
from baler_core.builtin.metrics.residual import Residual
from baler_core.builtin.metrics.response import Response
from baler_core.plugin.interfaces import Metric

METRICS: list[type[Metric]] = [Correlation, PeakSignalToNoise, Residual, Response]

__all__ = ["METRICS", "Correlation", "PeakSignalToNoise", "Residual", "Response"]
