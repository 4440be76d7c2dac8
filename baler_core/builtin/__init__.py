"""Say where the built-in components are; the hooks that offer them, as any plugin's do, are in `offered`."""

from __future__ import annotations

from importlib import import_module
from typing import Any

HOOKS = "baler_core.builtin.offered"
"""The module with the hooks, which need not be called, nor pluggy imported, for the components of most files."""
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
