"""Convert a .bal file to a Python object: of the compressed kind, or as a dataset, arrays or a table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from baler_core.api.open_file import open_one, refuse_manifest
from baler_core.builtin.readers.numpy.npy_array import dates_of, joined
from baler_core.data.block import values_of
from baler_core.data.variables import Schema
from baler_core.errors import ConfigError, DataError, FormatError, did_you_mean
from baler_core.machine.byte_source import Place, open_source
from baler_core.pipeline.decode import BalFile, not_believed
from baler_core.pipeline.trained_lookup import Lookup
from baler_core.plugin.object_kind import ObjectKind
from baler_core.plugin.registry import Registry

if TYPE_CHECKING:
    import xarray as xr

    from baler_core.api.file import File

Form = Literal["original", "xarray", "numpy", "pandas"]


def opened(place: Place, trained: Path | None, form: Form | None, cache: str | int) -> Any:
    """Return what a .bal file holds; the variables of a data file as a dataset that restores values when they are used.

    Parameters
    ----------
    form
        `original`: an object of the kind that was compressed. None: the same, but a dataset for arrays of numpy. A data
        file gives a dataset in both cases.

    Raises
    ------
    BalerError
        If the file is damaged, a plugin is missing, or it holds nothing of the form asked for.
    """
    if form is not None and form not in get_args(Form):
        if form in ("arrow", "polars"):
            raise ConfigError(f"open(as_={form!r}): tables of {form} are made by open_file(path).to_{form}()")
        raise ConfigError(f"open(as_=...): there is no form {form!r}. {did_you_mean(str(form), get_args(Form))}")
    refuse_manifest(place)
    if form != "numpy":
        file = open_one(open_source(place), trained=trained, cache=cache)
        if file.reader != "python":
            return _lazily(file, form)
        file.close()
    with BalFile(open_source(place), None, Lookup(trained)) as stored:
        schema = stored.schema()
        if not stored.header.blocks:
            raise DataError(f"{stored.path}: holds trained models and no data; use it with compress(trained=...)")
        return _presented(stored, schema, _arrays(stored), form)


def _lazily(file: File, form: Form | None) -> Any:
    """Return a data file as a table, or as a dataset whose values are restored when they are used."""
    if form == "pandas":
        with file:
            return _table(file)
    from baler_core.api.lazy_sets import lazy_dataset

    return lazy_dataset(file)


def _presented(stored: BalFile, schema: Schema, arrays: dict[str, np.ndarray], form: Form | None) -> Any:
    """Return restored arrays as the object that they were, or as arrays with the dates among them."""
    reader = stored.header.reader
    with not_believed(stored.path, f"the kind of object {schema.skeleton.get('kind', reader.name)!r}"):
        try:
            if reader.name == "python":
                return _object(schema, arrays, stored.registry, form)
            dates = dates_of(schema.skeleton) if reader.name in ("npy", "npz") else {}
            return {name: values.view(dates.get(name, values.dtype)) for name, values in arrays.items()}
        except DataError as error:
            raise DataError(f"{stored.path}: {error}") from error


def _arrays(stored: BalFile) -> dict[str, np.ndarray]:
    """The restored values of every variable, whole."""
    parts: dict[str, list[np.ndarray]] = {}
    for block in stored.blocks():
        for name in map(str, block.variables):
            parts.setdefault(name, []).append(values_of(block, name))
    variables = stored.header.schema.variables
    if missing := {v.name for v in variables} - parts.keys():
        raise FormatError(f"{stored.path}: is damaged: there are no values of {sorted(missing)[0]!r}")
    return {v.name: joined(parts[v.name], v) for v in variables}


def _table(file: File) -> Any:
    """The variables of a data file as a table: of rows, with nulls as pandas has them, or of the places of a grid."""
    listed = {about.entries for about in file.categories.values()}
    columns = [array for name, array in file.items() if name not in listed]
    along, dims = {array.leading_dim for array in columns}, {array.dims for array in columns}
    rows = len(along) == 1 and None not in along and not any(array.dtype.kind in "mM" for array in columns)
    known = file.has_reader and file.shown() is not None
    if rows and not known and (_one_column_each(dims) or _has_columns(file)):
        return file.to_pandas()
    from baler_core.api.lazy_sets import lazy_dataset
    from baler_core.builtin.objects.presenting import decoded, frame_of, grid_frame_of

    alone = len({array.dims for array in file.values()}) == 1 and all(array.ndim == 1 for array in file.values())
    try:
        return (frame_of if alone else grid_frame_of)(decoded(lazy_dataset(file)))
    except DataError as error:
        raise DataError(f"{file.path}: {error}") from error


def _one_column_each(dims: set[tuple[str, ...]]) -> bool:
    return len(dims) == 1 and all(len(one) == 1 for one in dims)


def _has_columns(file: File) -> bool:
    """Return whether the original is a table, whatever its columns hold: lists, categories, what its reader makes of them."""
    return bool(file.categories or file.counts or file.columns_of_format(list(file)))


def _object(schema: Schema, arrays: Mapping[str, np.ndarray], registry: Registry, form: Form | None) -> Any:
    skeleton = schema.skeleton
    name, package = str(skeleton.get("kind")), str(skeleton.get("package", ""))
    kind = registry.object_kind(name, "" if package == "baler-core" else package)()
    value = kind.put_together(skeleton["object"], arrays)
    if form is None:
        form = "xarray" if name == "numpy" else "original"
    if form == "original" or (form == "numpy" and name == "numpy"):
        return value
    if form == "numpy":
        return dict(arrays)
    try:
        return _turned(kind, value, form)
    except (ValueError, TypeError) as error:
        raise DataError(f"its contents cannot be returned as_={form!r} ({error}): leave as_ out") from error


def _turned(kind: ObjectKind, value: Any, form: Form) -> Any:
    """A restored object as a dataset or a table."""
    frame = kind.frame(value) if form == "pandas" else None
    if frame is not None:
        return frame
    dataset: xr.Dataset | None = kind.dataset(value)
    if dataset is None:
        raise DataError(f"its contents (of the kind {kind.name!r}) cannot be returned as_={form!r}: leave as_ out")
    if form != "pandas":
        return dataset
    from baler_core.builtin.objects.presenting import frame_of

    return frame_of(dataset)
