"""Return sets of xarray that were compressed as such, with values that are restored when they are used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

import numpy as np
import xarray as xr

from baler_core.api.file import File
from baler_core.api.lazy_sets import lazy_values
from baler_core.builtin.objects.xarray_sets import XarraySets
from baler_core.pipeline.decode import not_believed


def is_xarray(file: File) -> bool:
    """Return whether a file holds a Dataset or a DataArray."""
    return file.reader == "python" and file.schema.skeleton.get("kind") == "xarray"


def lazy_object(file: File) -> xr.Dataset:
    """Return the dataset; indexes, dates, texts and the like are restored at once.

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
            found = lazy_values(array)
            return found
        return np.asarray(array)

    def __iter__(self) -> Iterator[str]:
        return iter(self._file)

    def __len__(self) -> int:
        return len(self._file)
