"""Present the variables of an open file to xarray as the libraries of the original's format show them."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from baler_core.api.file import File
from baler_core.api.open_file import as_os_errors
from baler_core.errors import FormatError, UnknownVariable, look_up
from baler_core.plugin.shown import Shown, ShownGroup, ShownVariable


def shown_groups(file: File) -> Shown:
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


class MissingGroup(UnknownVariable, OSError):
    """A group was asked for that a file does not have: an OSError, as of other engines of xarray, and a KeyError."""


def group_shown(file: File, name: str) -> tuple[ShownGroup, list[ShownVariable]]:
    """Return a group and its variables.

    Raises
    ------
    MissingGroup
        If there is no such group.
    """
    shown = shown_groups(file)
    by_path = {path or "/": group for path, group in shown.groups.items()}  # which is what the root is called
    try:
        group = look_up(name or "/", by_path, file.path, "group")
    except UnknownVariable as error:
        raise MissingGroup(str(error)) from error
    return group, [variable for variable in shown.variables if variable.group == name]


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


def variable_of(file: File, shown: ShownVariable) -> xr.Variable:
    """Return a variable with its attributes and encoding, whose values are restored when they are used."""
    encoding = {**shown.encoding, "source": str(file.path)}
    first = file[next(iter(shown.parts.values()))]
    if shown.dims:
        encoding["preferred_chunks"] = dict(zip(shown.dims, first.chunks, strict=False))
    data = indexing.LazilyIndexedArray(ShownValues(file, shown))
    return xr.Variable(shown.dims, data, dict(shown.attributes), encoding)


class ShownValues(BackendArray):  # type: ignore[misc, unused-ignore]
    """The values of a variable as the libraries of its format show them, restored when they are asked for."""

    def __init__(self, file: File, shown: ShownVariable) -> None:
        self._arrays = {members: file[name] for members, name in shown.parts.items()}
        self._padding, self._cells = shown.padding, shown.cells
        self.shape = shown.shape
        is_text = any(array.variable.dtype == "str" for array in self._arrays.values()) and () in self._arrays
        as_objects = is_text and shown.dtype.kind != "T"
        self.dtype = np.dtype("O", metadata={"element_type": str}) if as_objects else shown.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        with as_os_errors():  # which users of xarray expect
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
        same_bits = {values.dtype.kind, self.dtype.kind} <= set("iubV") and values.dtype.itemsize == self.dtype.itemsize
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
