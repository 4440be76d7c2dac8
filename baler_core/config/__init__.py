"""Turn a configuration file into a checked Config: look up names, validate options, find inputs; report file:line."""

from __future__ import annotations

# As `typing` has it, which takes a while to import.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

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


def __getattr__(name: str) -> Any:
    """Return what is listed above, imported when it is first asked for: reading YAML takes longer to load than a setting."""
    from importlib import import_module

    places = {"load_config": "load", "Problem": "yaml_nodes"}
    if name not in __all__:
        raise AttributeError(f"module 'baler_core.config' has no attribute {name!r}")
    return getattr(import_module(f"baler_core.config.{places.get(name, 'settings')}"), name)
