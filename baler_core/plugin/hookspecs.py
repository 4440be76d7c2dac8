"""Specify the hooks: one per kind of component, without arguments, each returning classes."""

from __future__ import annotations

import pluggy

from baler_core.plugin.interfaces import Loss, Metric, Model, Preprocessor
from baler_core.plugin.object_kind import ObjectKind
from baler_core.plugin.quantity import Quantity
from baler_core.plugin.reading import Reader

hookspec = pluggy.HookspecMarker("baler")
hookimpl = pluggy.HookimplMarker("baler")


@hookspec
def baler_readers() -> list[type[Reader]]:  # type: ignore[empty-body]
    """Return classes that read and write a file format."""


@hookspec
def baler_preprocessors() -> list[type[Preprocessor]]:  # type: ignore[empty-body]
    """Return classes that change variables before the model."""


@hookspec
def baler_models() -> list[type[Model]]:  # type: ignore[empty-body]
    """Return classes that code groups of variables."""


@hookspec
def baler_losses() -> list[type[Loss]]:  # type: ignore[empty-body]
    """Return classes that training minimises."""


@hookspec
def baler_metrics() -> list[type[Metric]]:  # type: ignore[empty-body]
    """Return classes that compare original and restored values."""


@hookspec
def baler_quantities() -> list[type[Quantity]]:  # type: ignore[empty-body]
    """Return classes that formulas of derived quantities may call."""


@hookspec
def baler_objects() -> list[type[ObjectKind]]:  # type: ignore[empty-body]
    """Return classes that take Python objects apart and put them together again."""
