"""What residual and response have in common: mean, RMS, extremes and quantiles of one number per value."""

from __future__ import annotations

from pydantic import Field

from baler_core.data.running_statistics import Moments, Sample
from baler_core.plugin.interfaces import Options

_QUANTILES = {"p05": 0.05, "median": 0.5, "p95": 0.95}


class SpreadOptions(Options):
    """Options of metrics that state quantiles."""

    sample: int = Field(
        default=10_000, ge=100, description="Values sampled per variable for quantiles; fewer with many variables."
    )


class Spread:
    """Moments of all values and quantiles of a sample of them."""

    def __init__(self, size: int) -> None:
        self.moments = Moments()
        self.sample = Sample(size)

    def statistics(self) -> dict[str, float]:
        """`count`, `mean`, `rms`, `min`, `p05`, `median`, `p95`, `max`; without values, only the count."""
        moments = self.moments
        if not moments.count:
            return {"count": 0.0}
        quantiles = dict(zip(_QUANTILES, self.sample.quantiles(_QUANTILES.values()), strict=True))
        return {
            "count": float(moments.count),
            "mean": moments.mean,
            "rms": moments.rms,
            "min": moments.low,
            **quantiles,
            "max": moments.high,
        }
