"""Present the groups of an open .bal file to xarray as those of the original, values restored when they are used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import xarray as xr
from xarray.backends.common import AbstractDataStore
from xarray.backends.store import StoreBackendEntrypoint

from baler_core.api.file import File
from baler_core.api.lazy_sets import is_xarray, lazy_object
from baler_core.api.open_file import as_os_errors, open_one
from baler_core.api.shown_variables import group_shown, shown_groups, variable_of

_SIGNATURES = (b"CDF", b"\x89HDF")

Decoding: TypeAlias = dict[str, Any]
"""What `xr.open_dataset` is told about decoding, `drop_variables` included."""


def open_group(
    place: Any, group: str | None, decoding: Decoding, *, trained: str | Path | None = None, cache: str | int
) -> xr.Dataset:
    """Return the dataset of one group; arguments as of `BalerBackendEntrypoint.open_dataset`."""
    with as_os_errors():
        file = open_one(place, trained=trained, cache=cache)
        try:
            if whole := file.kept_whole(*_SIGNATURES):
                file.close()
                return xr.open_dataset(whole, group=group, **decoding)
            return dataset_of_group(file, path_of(group), decoding)
        except BaseException:
            file.close()
            raise


def open_groups(
    place: Any, group: str | None, decoding: Decoding, *, trained: str | Path | None = None, cache: str | int = "256 MB"
) -> dict[str, xr.Dataset]:
    """Return the datasets of a group and of all below it, by path; one open file serves them."""
    with as_os_errors():
        file = open_one(place, trained=trained, cache=cache)
        try:
            if whole := file.kept_whole(*_SIGNATURES):
                file.close()
                return dict(xr.open_groups(whole, group=group, **decoding))
            top = path_of(group)
            return {
                f"/{path[len(top) :].lstrip('/')}": dataset_of_group(file, path, decoding)
                for path in groups_of(file, top)
            }
        except BaseException:
            file.close()
            raise


def path_of(group: str | None) -> str:
    """Return the path of a group as files have it."""
    return (group or "").strip("/")


def groups_of(file: File, top: str) -> list[str]:
    """Return the paths of a group and of all below it."""
    groups = [""] if is_xarray(file) else list(shown_groups(file).groups)
    below = [path for path in groups if path == top or not top or path.startswith(f"{top}/")]
    return below if top in below else [top, *below]


def dataset_of_group(file: File, group: str, decoding: Decoding) -> xr.Dataset:
    """Return the dataset of one group of an open file, which it closes in the end."""
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

        dataset = opened(file._stored.source.again(), file._opening.trained, "xarray", file._opening.cache)
    dropped = decoding.get("drop_variables") or []
    dataset = dataset.drop_vars([dropped] if isinstance(dropped, str) else list(dropped), errors="ignore")
    dataset.set_close(file.close)
    return dataset


class BalerStore(AbstractDataStore):  # type: ignore[misc, unused-ignore]
    """One group of an open file, not decoded.

    Raises
    ------
    MissingGroup
        If there is no such group.
    """

    def __init__(self, file: File, group: str) -> None:
        self._file = file
        self._group, self._variables = group_shown(file, group)

    def get_variables(self) -> Mapping[str, xr.Variable]:
        return {variable.name: variable_of(self._file, variable) for variable in self._variables}

    def get_attrs(self) -> Mapping[str, Any]:
        return dict(self._group.attributes)

    def get_dimensions(self) -> Mapping[str, int]:
        return {d: n for variable in self._variables for d, n in zip(variable.dims, variable.shape, strict=True)}

    def get_encoding(self) -> dict[str, Any]:
        return {"unlimited_dims": set(self._group.unlimited)}

    def close(self) -> None:
        self._file.close()
