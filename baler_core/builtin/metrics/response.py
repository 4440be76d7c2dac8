"""The metric `response`: residual / original."""

from __future__ import annotations

import numpy as np

from baler_core.builtin.metrics.spread import SpreadMetric
from baler_core.data.comparison import Pairs, responses


class Response(SpreadMetric):
    """Response = (restored - original) / original, without units (arXiv 2305.02283, section 4).

    Per variable: mean, RMS, extremes and quantiles (of a random sample) of the defined responses; `inf` counts x / 0,
    `nan` counts 0 / 0 and values that are not finite. Fill values are left out.
    """

    name = "response"
    summary = "residual / original: mean, RMS, extremes, quantiles, undefined responses"

    def measure(self, pairs: Pairs) -> tuple[np.ndarray, dict[str, int]]:
        """Take the responses that are defined."""
        ratio = responses(pairs)
        defined = ratio[np.isfinite(ratio)]
        infinite = int(np.count_nonzero(np.isinf(ratio)))
        return defined, {"inf": infinite, "nan": ratio.size - defined.size - infinite + pairs.not_finite}
