"""Offer the built-in components through the same hooks as any plugin."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from baler_core.plugin.hookspecs import hookimpl
from baler_core.plugin.interfaces import Loss, Metric, Model, Preprocessor
from baler_core.plugin.object_kind import ObjectKind
from baler_core.plugin.quantity import Quantity
from baler_core.plugin.reading import Reader

_READERS = "baler_core.builtin.readers"
_MODELS = "baler_core.builtin.models"
_OBJECTS = "baler_core.builtin.objects"
_PREPROCESSORS = "baler_core.builtin.preprocessors"
PLACES = {
    "reader": {
        "csv": f"{_READERS}.csv.files:CsvReader",
        "npy": f"{_READERS}.numpy.files:NpyReader",
        "npz": f"{_READERS}.numpy.files:NpzReader",
        "python": f"{_READERS}.numpy.python_objects:PythonReader",
        "whole_file": f"{_READERS}.whole_file:WholeFileReader",
    },
    "preprocessor": {
        "asinh": f"{_PREPROCESSORS}:Asinh",
        "log": f"{_PREPROCESSORS}:Log",
        "min_max": f"{_PREPROCESSORS}:MinMax",
        "standardise": f"{_PREPROCESSORS}:Standardise",
    },
    "model": {
        "conv_autoencoder": f"{_MODELS}.autoencoder.convolutional:ConvAutoencoder",
        "dense_autoencoder": f"{_MODELS}.autoencoder.dense:DenseAutoencoder",
        "exact": f"{_MODELS}.exact:ExactModel",
        "normalizing_flow": f"{_MODELS}.table.flow.model:NormalizingFlow",
        "predictive": f"{_MODELS}.fields.predictive.model:PredictiveModel",
        "scalar": f"{_MODELS}.scalar:ScalarModel",
        "table": f"{_MODELS}.table.model:TableModel",
        "transform": f"{_MODELS}.fields.transform.model:TransformModel",
        "variational_autoencoder": f"{_MODELS}.autoencoder.variational:VariationalAutoencoder",
    },
    "object": {
        "numpy": f"{_OBJECTS}.numpy_arrays:NumpyArrays",
        "pandas": f"{_OBJECTS}.pandas_frames:PandasFrames",
        "xarray": f"{_OBJECTS}.xarray_sets:XarraySets",
    },
}
"""Where components of a file lie, by kind and name: of these, those that a file needs are imported alone."""


def component_at(place: str) -> Any:
    """Return the class that a place `module:Class` names."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


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
