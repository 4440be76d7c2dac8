"""Present the groups of an open .bal file to xarray as those of the original, values restored when they are used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.backends.common import AbstractDataStore
from xarray.backends.store import StoreBackendEntrypoint
from xarray.core import indexing

from baler_core.api.file import File
from baler_core.api.open_file import open_one
from baler_core.doors.xarray_objects import is_xarray, lazy_object
from baler_core.errors import DamagedFile, FormatError, UnknownVariable, did_you_mean
from baler_core.plugin.shown import Shown, ShownGroup, ShownVariable

Decoding: TypeAlias = dict[str, Any]
"""What `xr.open_dataset` is told about decoding, `drop_variables` included."""


def open_group(
    place: Any, group: str | None, decoding: Decoding, *, trained: str | Path | None = None, cache: str | int
) -> xr.Dataset:
    """Return the dataset of one group; arguments as of `BalerBackendEntrypoint.open_dataset`."""
    with _as_os_errors():
        file = open_one(place, trained=trained, cache=cache)
        try:
            return _dataset(file, _path(group), decoding)
        except BaseException:
            file.close()
            raise


def open_groups(
    place: Any, group: str | None, decoding: Decoding, *, trained: str | Path | None = None, cache: str | int = "256 MB"
) -> dict[str, xr.Dataset]:
    """Return the datasets of a group and of all below it, by path; one open file serves them."""
    with _as_os_errors():
        file = open_one(place, trained=trained, cache=cache)
        try:
            top = _path(group)
            below = [path for path in _groups(file) if path == top or not top or path.startswith(f"{top}/")]
            if top not in below:
                below.insert(0, top)
            return {f"/{path[len(top) :].lstrip('/')}": _dataset(file, path, decoding) for path in below}
        except BaseException:
            file.close()
            raise


@contextmanager
def _as_os_errors() -> Iterator[None]:
    """Give damage as xarray's callers expect it of files.

    Raises
    ------
    DamagedFile
        In place of a FormatError, of which it is one, as it is an OSError.
    """
    try:
        yield
    except FormatError as error:
        if isinstance(error, OSError):
            raise
        raise DamagedFile(str(error)) from error


def _path(group: str | None) -> str:
    return (group or "").strip("/")


def _groups(file: File) -> list[str]:
    if is_xarray(file):
        return [""]
    return list(_shown(file).groups)


def _dataset(file: File, group: str, decoding: Decoding) -> xr.Dataset:
    if file.reader == "python" and not group:
        return _of_object(file, decoding)
    store = BalerStore(file, group)
    dataset: xr.Dataset = StoreBackendEntrypoint().open_dataset(store, **decoding)
    return dataset


def _of_object(file: File, decoding: Decoding) -> xr.Dataset:
    """Return a Python object as a dataset; it is what it was, so that nothing is left to decode."""
    if is_xarray(file):
        dataset = lazy_object(file)
    else:
        from baler_core.api.opening import opened

        dataset = opened(file._stored.source.place(), file._opening.trained, "xarray", file._opening.cache)
    dropped = decoding.get("drop_variables") or []
    dataset = dataset.drop_vars([dropped] if isinstance(dropped, str) else list(dropped), errors="ignore")
    dataset.set_close(file.close)
    return dataset


class BalerStore(AbstractDataStore):  # type: ignore[misc, unused-ignore]
    """One group of an open file, not decoded.

    Raises
    ------
    UnknownVariable
        If there is no such group (a KeyError, too).
    """

    def __init__(self, file: File, group: str) -> None:
        self._file = file
        shown = _shown(file)
        if group not in shown.groups:
            raise UnknownVariable(f"{file.path}: there is no group {group!r}. {did_you_mean(group, shown.groups)}")
        self._group: ShownGroup = shown.groups[group]
        self._variables = [variable for variable in shown.variables if variable.group == group]

    def get_variables(self) -> Mapping[str, xr.Variable]:
        return {variable.name: self._variable(variable) for variable in self._variables}

    def get_attrs(self) -> Mapping[str, Any]:
        return dict(self._group.attributes)

    def get_dimensions(self) -> Mapping[str, int]:
        return {d: n for variable in self._variables for d, n in zip(variable.dims, variable.shape, strict=True)}

    def get_encoding(self) -> dict[str, Any]:
        return {"unlimited_dims": set(self._group.unlimited)}

    def close(self) -> None:
        self._file.close()

    def _variable(self, shown: ShownVariable) -> xr.Variable:
        encoding = {**shown.encoding, "source": str(self._file.path)}
        first = self._file[next(iter(shown.parts.values()))]
        if shown.dims:
            encoding["preferred_chunks"] = dict(zip(shown.dims, first.chunks, strict=False))
        data = indexing.LazilyIndexedArray(ShownValues(self._file, shown))
        return xr.Variable(shown.dims, data, dict(shown.attributes), encoding)


class ShownValues(BackendArray):  # type: ignore[misc, unused-ignore]
    """The values of a variable as the libraries of its format show them, restored when they are asked for."""

    def __init__(self, file: File, shown: ShownVariable) -> None:
        self._arrays = {members: file[name] for members, name in shown.parts.items()}
        self._padding, self._cells = shown.padding, shown.cells
        self.shape = shown.shape
        is_text = any(array.variable.dtype == "str" for array in self._arrays.values()) and () in self._arrays
        self.dtype = np.dtype("O", metadata={"element_type": str}) if is_text else shown.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._values)

    def _values(self, key: tuple[Any, ...]) -> np.ndarray:
        if self._cells:
            return _runs(np.asarray(self._part((), key), object), self._cells)
        if () in self._arrays:
            return self._as_shown(np.asarray(self._part((), key)))
        values: np.ndarray | None = None
        for members in self._arrays:
            part = np.asarray(self._part(members, key))
            values = np.zeros(part.shape, self.dtype) if values is None else values
            target: Any = values
            for member in members:
                target = target[member]
            target[...] = part
        assert values is not None
        return values

    def _as_shown(self, values: np.ndarray) -> np.ndarray:
        """Return the values with the sign that the file stores."""
        if values.dtype == self.dtype or self.dtype == object:
            return values
        same_bits = {values.dtype.kind, self.dtype.kind} <= set("iub") and values.dtype.itemsize == self.dtype.itemsize
        return values.view(self.dtype) if same_bits else values.astype(self.dtype)

    def _part(self, members: tuple[str, ...], key: tuple[Any, ...]) -> Any:
        array = self._arrays[members]
        if array.shape[:1] == self.shape[:1]:
            return array[key]
        # Rows of a dimension that grew for the sake of another variable.
        rows = np.full(self.shape, self._padding, array.dtype)
        rows[: array.shape[0]] = np.asarray(array)
        return rows[key]


def _runs(cells: np.ndarray, base: str) -> np.ndarray:
    """Return cells of bytes as arrays of numbers."""
    found = np.empty(cells.shape, object)
    for index in np.ndindex(cells.shape):
        found[index] = np.frombuffer(cells[index], np.dtype(base))
    return found


def _shown(file: File) -> Shown:
    """Return how the original's libraries show it; where its reader says nothing, what the schema says."""
    shown = file.shown()
    if shown is None:
        variables = []
        for array in file.values():
            group, _, name = array.name.rpartition("/")
            dims = tuple(dim.removeprefix(f"{group}/") for dim in array.dims)
            variables.append(ShownVariable(name, group, {(): array.name}, dims, array.shape, array.dtype, array.attrs))
        groups = {"": ShownGroup()}
        for variable in variables:
            steps = variable.group.split("/")
            groups |= {"/".join(steps[:depth]): ShownGroup() for depth in range(len(steps) + 1)}
        return Shown(groups, variables)
    _refuse_forged(file, shown)
    return shown


def _refuse_forged(file: File, shown: Shown) -> None:
    """A record of the original that does not fit the variables would show values under wrong names, or run out of them."""
    longest = max(file.sizes.values(), default=0)
    for variable in shown.variables:
        for members, name in variable.parts.items():
            if name not in file or not _has(variable.dtype, members):
                raise FormatError(f"{file.path}: is damaged: it shows a variable {name!r} that it does not hold")
            held = file[name].shape[: len(variable.shape)] if members else file[name].shape
            grown = variable.padding is not None and bool(held and variable.shape) and held[1:] == variable.shape[1:]
            # no dimension of a format grows beyond the longest variable
            whole = held == variable.shape or (grown and held[0] < variable.shape[0] <= longest)
            if len(variable.dims) != len(variable.shape) or not whole:
                raise FormatError(f"{file.path}: is damaged: {name!r} is shown as {variable.shape} and is {held}")


def _has(dtype: np.dtype[Any], members: tuple[str, ...]) -> bool:
    """Return whether elements have such a member."""
    for member in members:
        if member not in (dtype.names or ()):
            return False
        dtype = dtype[member]
    return True
