"""Offer the built-in components through the same hooks as any plugin."""

from __future__ import annotations

from typing import Any

from baler_core.builtin import PLACES, component_at
from baler_core.plugin.hookspecs import hookimpl
from baler_core.plugin.interfaces import Loss, Metric, Model, Preprocessor
from baler_core.plugin.object_kind import ObjectKind
from baler_core.plugin.quantity import Quantity
from baler_core.plugin.reading import Reader


def _all(kind: str) -> list[Any]:
    return [component_at(place) for place in PLACES[kind].values()]


@hookimpl
def baler_readers() -> list[type[Reader]]:
    """NumPy and CSV files, Python objects as files of arrays, and any file as it is."""
    return _all("reader")


@hookimpl
def baler_preprocessors() -> list[type[Preprocessor]]:
    """Return changes of variables that every field uses."""
    return _all("preprocessor")


@hookimpl
def baler_models() -> list[type[Model]]:
    """Return the built-in models."""
    return _all("model")


@hookimpl
def baler_losses() -> list[type[Loss]]:
    """Return the built-in losses."""
    from baler_core.builtin.losses import Huber, MeanAbsolute, MeanSquared, SparseMeanSquared

    return [Huber, MeanAbsolute, MeanSquared, SparseMeanSquared]


@hookimpl
def baler_metrics() -> list[type[Metric]]:
    """Return the built-in metrics."""
    from baler_core.builtin.metrics import METRICS

    return METRICS


@hookimpl
def baler_quantities() -> list[type[Quantity]]:
    """Return sums and means."""
    from baler_core.builtin.quantities import Mean, Sum

    return [Mean, Sum]


@hookimpl
def baler_objects() -> list[type[ObjectKind]]:
    """Return arrays of numpy, sets of xarray, tables of pandas."""
    return _all("object")
