"""Learned, error-bounded compression of scientific data. What is exported here is what plugins may import."""

from __future__ import annotations

from typing import Any

from baler_core.bounds import BoundRules, ErrorBound, Tolerance
from baler_core.builtin.models.autoencoder import Autoencoder
from baler_core.comparison import Pairs, is_measured, pair_values
from baler_core.dataset import (
    Layout,
    Role,
    Schema,
    Variable,
    decode_array,
    encode_array,
    family_slices,
    make_block,
    select_names,
    values_of,
)
from baler_core.errors import (
    BalerError,
    ConfigError,
    DataError,
    FormatError,
    PluginError,
    did_you_mean,
)
from baler_core.formulas import Formula, evaluate_formula
from baler_core.hookspecs import hookimpl
from baler_core.interfaces import (
    Estimate,
    Loss,
    Metric,
    MetricResult,
    Model,
    Options,
    Preprocessor,
    Reader,
    Sink,
    Source,
    State,
    Streams,
    Tolerances,
    Training,
)
from baler_core.streaming import Moments, Sample

__version__ = "0.1.0"

__all__ = [
    "Autoencoder",
    "BalerError",
    "BoundRules",
    "ConfigError",
    "DataError",
    "ErrorBound",
    "Estimate",
    "FormatError",
    "Formula",
    "Layout",
    "Loss",
    "Metric",
    "MetricResult",
    "Model",
    "Moments",
    "Options",
    "Pairs",
    "PluginError",
    "Preprocessor",
    "Reader",
    "Role",
    "Sample",
    "Schema",
    "Sink",
    "Source",
    "State",
    "Streams",
    "Tolerance",
    "Tolerances",
    "Training",
    "Variable",
    "decode_array",
    "did_you_mean",
    "encode_array",
    "evaluate_formula",
    "family_slices",
    "hookimpl",
    "is_measured",
    "make_block",
    "pair_values",
    "select_names",
    "values_of",
]


def __getattr__(name: str) -> Any:
    """`compress`, `train`, `decompress` and `open`, imported when first used since they bring the whole house with them."""
    if name in ("compress", "train", "decompress", "open"):
        from baler_core import api

        return getattr(api, name)
    raise AttributeError(f"module 'baler_core' has no attribute {name!r}")
