"""Present an open file as an xarray.Dataset whose values are restored when they are used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from baler_core.api.file import File
from baler_core.api.open_file import as_os_errors
from baler_core.builtin.objects.presenting import dataset_of
from baler_core.builtin.objects.xarray_sets import XarraySets
from baler_core.pipeline.decode import not_believed
from baler_core.plugin.shown import ShownVariable

if TYPE_CHECKING:
    from baler_core.api.stored_array import StoredArray

_OF_THE_KIND_OF_VALUES = {"_FillValue", "missing_value", "valid_min", "valid_max", "valid_range"}


class LazyValues(BackendArray):
    """The values of a variable, as xarray's backends give them: indexed now, restored when they are used."""

    def __init__(self, array: StoredArray) -> None:
        self.array = array
        self.shape, self.dtype = array.shape, dtype_with_nulls(array)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        with as_os_errors():  # which users of xarray expect
            return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._values)

    def _values(self, key: tuple[Any, ...]) -> np.ndarray:
        values = self.array[key]
        if not isinstance(values, np.ma.MaskedArray):
            return np.asarray(values)
        if self.dtype.kind != "f":
            return np.asarray(values)
        found = np.asarray(values).astype(self.dtype)
        found[np.ma.getmaskarray(values)] = np.nan
        return found


def dtype_with_nulls(array: StoredArray) -> np.dtype[Any]:
    """Return the dtype that has NaN for nulls: float64 for integers that it holds exactly, their own for others."""
    small = array.dtype.kind in "biu" and array.dtype.itemsize <= 4
    return np.dtype(np.float64) if small and array.name in array.file.nulls else array.dtype


def lazy_dataset(file: File) -> xr.Dataset:
    """Return all variables of a data file, of which dates and coordinates are restored at once.

    Closing the dataset closes the file.
    """
    at_once = {name: (array.dims, np.asarray(array)) for name, array in file.items() if _is_needed(array)}
    attributes, overall = _attributes(file)
    known = dataset_of(at_once, {name: attributes[name] for name in at_once}).variables
    variables = {
        name: known[name] if name in at_once else xr.Variable(array.dims, lazy_values(array), attributes[name])
        for name, array in file.items()
    }
    inner = {name: variable for name, variable in variables.items() if name in variable.dims}
    rest = {name: variable for name, variable in variables.items() if name not in inner}
    dataset = xr.Dataset(rest, coords=xr.Coordinates(inner, indexes={}) if inner else None, attrs=overall)
    dataset.set_close(file.close)
    return dataset


def _attributes(file: File) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Return the attributes of each variable and of the whole: the original's own, where its reader tells them."""
    found = {name: array.attrs for name, array in file.items()}
    for name, masks in file.nulls.items():
        found[name]["null"] = list(masks) if len(masks) > 1 else masks[0]
    shown = file.shown() if file.has_reader else None
    if shown is None:
        return found, {}
    for variable in shown.variables:
        stored = variable.parts.get(())
        if stored is not None and stored in file:
            found[stored] = _as_stored(variable, file[stored].dtype)
    root = shown.groups.get("")
    return found, dict(root.attributes) if root is not None else {}


def _as_stored(shown: ShownVariable, stored: np.dtype[Any]) -> dict[str, Any]:
    """Return attributes whose numbers have the sign of the values, where the file has them of the other sign."""
    attributes = dict(shown.attributes)
    if shown.dtype == stored or not {shown.dtype.kind, stored.kind} <= set("iu"):
        return attributes
    attributes.pop("_Unsigned", None)
    for name in _OF_THE_KIND_OF_VALUES & attributes.keys():
        value = np.asarray(attributes[name])
        if value.dtype == shown.dtype and value.dtype.itemsize == stored.itemsize:
            attributes[name] = value.view(stored.newbyteorder("="))[()]
    return attributes


def lazy_values(array: StoredArray) -> indexing.MemoryCachedArray:
    """Return what a variable of xarray holds of values that are restored when they are used, and kept then."""
    lazy: Any = indexing.LazilyIndexedArray(LazyValues(array))
    return indexing.MemoryCachedArray(indexing.CopyOnWriteArray(lazy))  # type: ignore[no-untyped-call]


def _is_needed(array: StoredArray) -> bool:
    """Return whether the set cannot be made without the values: dates that xarray may hold otherwise, and coordinates."""
    return array.dtype.kind in "mM" or array.name in array.dims or not array.dims


def is_xarray(file: File) -> bool:
    """Return whether a file holds a Dataset or a DataArray."""
    return file.reader == "python" and file.schema.skeleton.get("kind") == "xarray"


def lazy_object(file: File) -> xr.Dataset:
    """Return a set that was compressed as such; indexes, dates, texts and the like are restored at once.

    Raises
    ------
    FormatError
        If what describes it is damaged.
    """
    with not_believed(file.path, "baler-core"):
        stored = file.schema.skeleton["object"]
        kind, values = XarraySets(), cast(Mapping[str, np.ndarray], _Values(file, _plain(stored)))
        return kind.dataset(kind.put_together(stored, values))


def _plain(stored: Any) -> set[str]:
    """Return the variables of which nothing but their values as they are is wanted."""
    coords = {int(place) for place in stored.get("coords", [])}
    return {title for place, (title, form, _) in enumerate(stored["variables"]) if not form and place not in coords}


class _Values(Mapping[str, Any]):
    """The variables of a file: those that may wait as xarray's lazy arrays, others restored."""

    def __init__(self, file: File, waiting: set[str]) -> None:
        self._file, self._waiting = file, waiting

    def __getitem__(self, name: str) -> Any:
        array = self._file[name]
        if name in self._waiting and array.dtype.kind in "biufc" and array.dims:
            return lazy_values(array)
        return np.asarray(array)

    def __iter__(self) -> Iterator[str]:
        return iter(self._file)

    def __len__(self) -> int:
        return len(self._file)
