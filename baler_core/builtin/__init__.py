"""The core's own plugin: built-in components, offered through the same hooks as everyone's."""

from __future__ import annotations

from baler_core.hookspecs import hookimpl
from baler_core.interfaces import Loss, Metric, Model, Preprocessor, Reader


@hookimpl
def baler_readers() -> list[type[Reader]]:
    """NumPy and CSV files."""
    from baler_core.builtin.readers.numpy_files import NpyReader, NpzReader

    return [NpyReader, NpzReader]


@hookimpl
def baler_preprocessors() -> list[type[Preprocessor]]:
    """Changes of variables that every field uses."""
    return []


@hookimpl
def baler_models() -> list[type[Model]]:
    """The built-in models."""
    from baler_core.builtin.models.exact import ExactModel
    from baler_core.builtin.models.scalar import ScalarModel
    from baler_core.builtin.models.transform.model import TransformModel

    return [ExactModel, ScalarModel, TransformModel]


@hookimpl
def baler_losses() -> list[type[Loss]]:
    """The built-in losses."""
    return []


@hookimpl
def baler_metrics() -> list[type[Metric]]:
    """The built-in metrics."""
    return []
