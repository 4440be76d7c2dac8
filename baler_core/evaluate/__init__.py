"""Compare original and restored blocks: errors against bounds, metrics, sizes, and the data of figures."""

from __future__ import annotations

from baler_core.evaluate.compare import Wanted, compare
from baler_core.evaluate.drawings import Distribution, Drawings, Histogram, Picture
from baler_core.evaluate.files import Comparison, evaluate
from baler_core.evaluate.judgement import by_importance, overall, recorded, summary
from baler_core.evaluate.results import (
    DerivedResult,
    GroupResult,
    MetricOutcome,
    OtherCompressor,
    Results,
    Sizes,
    UnheldResult,
    VariableResult,
)

__all__ = [
    "Comparison",
    "DerivedResult",
    "Distribution",
    "Drawings",
    "GroupResult",
    "Histogram",
    "MetricOutcome",
    "OtherCompressor",
    "Picture",
    "Results",
    "Sizes",
    "UnheldResult",
    "VariableResult",
    "Wanted",
    "by_importance",
    "compare",
    "evaluate",
    "overall",
    "recorded",
    "summary",
]
