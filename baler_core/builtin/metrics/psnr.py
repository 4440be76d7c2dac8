"""The metric `psnr`: errors against the range of a variable, as image and field compressors quote them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from baler_core.data.block import Block, values_of
from baler_core.data.comparison import is_measured, pair_values
from baler_core.data.running_statistics import Moments
from baler_core.data.variables import Variable
from baler_core.plugin.interfaces import Metric, MetricResult


class PeakSignalToNoise(Metric):
    """Range-normalised RMS error and PSNR = 20 log10(range / RMS residual), over finite, non-fill values.

    Definitions as in Z-checker (Tao et al., Int. J. High Perform. Comput. Appl. 33 (2019) 285): `range` = max - min of
    the original; `nrmse` = RMS residual / range; `psnr` in decibel, infinite for an exact copy; `max_error` = largest
    |residual| / range. A constant variable has a range of 0 and is left out.
    """

    name = "psnr"
    summary = "peak signal-to-noise ratio in decibel, and errors relative to the range"

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._originals: dict[str, Moments] = {}
        self._residuals: dict[str, Moments] = {}

    def update(self, original: Block, restored: Block, variables: Mapping[str, Variable]) -> None:
        """Take in one block of each."""
        for variable in variables.values():
            if is_measured(variable):
                name = variable.name
                pairs = pair_values(variable, values_of(original, name), values_of(restored, name))
                self._originals.setdefault(name, Moments()).update(pairs.original)
                self._residuals.setdefault(name, Moments()).update(pairs.residual)

    def result(self) -> MetricResult:
        """Return statistics per variable whose values are not all the same."""
        values = {
            name: _statistics(original.high - original.low, self._residuals[name])
            for name, original in self._originals.items()
            if original.count and original.high > original.low
        }
        return MetricResult(values)


def _statistics(width: float, residual: Moments) -> dict[str, float]:
    ratio = residual.rms / width
    return {
        "psnr": -20 * math.log10(ratio) if ratio > 0 else math.inf,
        "nrmse": ratio,
        "max_error": max(residual.high, -residual.low) / width,
    }
