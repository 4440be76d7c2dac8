"""Offer the built-in components through the same hooks as any plugin."""

from __future__ import annotations

from baler_core.plugin.hookspecs import hookimpl
from baler_core.plugin.interfaces import Loss, Metric, Model, Preprocessor
from baler_core.plugin.object_kind import ObjectKind
from baler_core.plugin.quantity import Quantity
from baler_core.plugin.reading import Reader


@hookimpl
def baler_readers() -> list[type[Reader]]:
    """NumPy and CSV files, Python objects as files of arrays, and any file as it is."""
    from baler_core.builtin.readers.csv.files import CsvReader
    from baler_core.builtin.readers.numpy.files import NpyReader, NpzReader
    from baler_core.builtin.readers.numpy.python_objects import PythonReader
    from baler_core.builtin.readers.whole_file import WholeFileReader

    return [CsvReader, NpyReader, NpzReader, PythonReader, WholeFileReader]


@hookimpl
def baler_preprocessors() -> list[type[Preprocessor]]:
    """Return changes of variables that every field uses."""
    from baler_core.builtin.preprocessors import Asinh, Log, MinMax, Standardise

    return [Asinh, Log, MinMax, Standardise]


@hookimpl
def baler_models() -> list[type[Model]]:
    """Return the built-in models."""
    from baler_core.builtin.models.autoencoder.convolutional import ConvAutoencoder
    from baler_core.builtin.models.autoencoder.dense import DenseAutoencoder
    from baler_core.builtin.models.exact import ExactModel
    from baler_core.builtin.models.fields.predictive.model import PredictiveModel
    from baler_core.builtin.models.fields.transform.model import TransformModel
    from baler_core.builtin.models.scalar import ScalarModel
    from baler_core.builtin.models.table.model import TableModel

    return [
        ConvAutoencoder,
        DenseAutoencoder,
        ExactModel,
        PredictiveModel,
        ScalarModel,
        TableModel,
        TransformModel,
    ]


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
    from baler_core.builtin.objects.numpy_arrays import NumpyArrays
    from baler_core.builtin.objects.pandas_frames import PandasFrames
    from baler_core.builtin.objects.xarray_sets import XarraySets

    return [NumpyArrays, PandasFrames, XarraySets]
