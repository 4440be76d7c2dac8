"""Turn a configuration file into a checked Config: look up names, validate options, find inputs; report file:line."""

from __future__ import annotations

from baler_core.config.load import load_config
from baler_core.config.settings import ComponentSpec, Config, InvalidConfig, ModelStorage, PreprocessSpec, RowsOrder
from baler_core.config.yaml_nodes import Problem

__all__ = [
    "ComponentSpec",
    "Config",
    "InvalidConfig",
    "ModelStorage",
    "PreprocessSpec",
    "Problem",
    "RowsOrder",
    "load_config",
]
