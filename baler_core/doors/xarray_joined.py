"""Present the files of a manifest to xarray as one set: each decoded by itself, joined along the leading dimensions."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from baler_core import DataError
from baler_core.api.file import File
from baler_core.api.file_set import FileSet, overlaps
from baler_core.api.open_file import as_os_errors, open_set
from baler_core.api.selection import selection_of
from baler_core.doors.xarray_store import Decoding, dataset_of_group, groups_of, path_of

# Files dropped are closed when nothing reads them any more.
_MOST_OPEN = 16


def open_joined(
    place: Any, group: str | None, decoding: Decoding, *, trained: str | Path | None = None, cache: str | int
) -> xr.Dataset:
    """Return the dataset of one group of all files; arguments as of `BalerBackendEntrypoint.open_dataset`."""
    with as_os_errors():
        return JoinedParts(place, path_of(group), decoding, trained, cache).dataset()


def open_joined_groups(
    place: Any, group: str | None, decoding: Decoding, *, trained: str | Path | None = None, cache: str | int
) -> dict[str, xr.Dataset]:
    """Return the datasets of a group and of all below it, by path."""
    with as_os_errors():
        top = path_of(group)
        with open_set(place, trained=trained, cache=cache) as files:
            paths = groups_of(files.part(0), top)
        return {
            f"/{path[len(top) :].lstrip('/')}": JoinedParts(place, path, decoding, trained, cache).dataset()
            for path in paths
        }


class JoinedParts:
    """One group of each file of a manifest as a dataset, opened when it is needed; several threads may ask.

    Attributes
    ----------
    files
        The manifest.
    """

    def __init__(
        self, place: Any, group: str, decoding: Decoding, trained: str | Path | None, cache: str | int
    ) -> None:
        self._given = place, group, decoding, trained, cache
        self.files: FileSet = open_set(place, trained=trained, cache=cache)
        self._kept: OrderedDict[int, xr.Dataset] = OrderedDict()
        self._lock = Lock()

    def part(self, number: int) -> xr.Dataset:
        """Return the dataset of a file."""
        with self._lock:
            found = self._kept.get(number)
            if found is None:
                found = self._kept[number] = dataset_of_group(self.files.opened(number), self._given[1], self._given[2])
            self._kept.move_to_end(number)
            if len(self._kept) > _MOST_OPEN:
                self._kept.popitem(last=False)
            return found

    def dataset(self) -> xr.Dataset:
        """Return all files as one dataset."""
        first, file = self.part(0), self.files.part(0)
        variables = {}
        for name, variable in first.variables.items():
            joined = self._rows(file, variable)
            values = indexing.LazilyIndexedArray(_JoinedValues(self, str(name), variable, joined))
            encoding = {**variable.encoding, "source": str(self.files.path)}
            if joined and (chunks := variable.encoding.get("preferred_chunks")):
                along = variable.dims[0]
                encoding["preferred_chunks"] = {**chunks, along: _cut(joined, int(chunks.get(along, joined[0])))}
            variables[name] = xr.Variable(variable.dims, values, variable.attrs, encoding)
        dataset = xr.Dataset(variables, attrs=first.attrs).set_coords(list(first.coords))
        dataset.encoding = {**first.encoding, "source": str(self.files.path)}
        dataset.set_close(self.files.close)
        return dataset

    def _rows(self, file: File, variable: xr.Variable) -> list[int]:
        """Return the rows of a variable in each file; none where every file has the same values."""
        if not variable.dims:
            return []
        group, dim = self._given[1], str(variable.dims[0])
        stored = next((d for d in (f"{group}/{dim}", dim) if d.lstrip("/") in file.sizes), dim).lstrip("/")
        if not self.files.is_joined(stored):
            return []
        return [part.rows[stored] for part in self.files.manifest.parts]

    def __reduce__(self) -> tuple[Any, ...]:
        return JoinedParts, self._given


def _cut(rows: Sequence[int], length: int) -> tuple[int, ...]:
    """Return chunks of at most a length, none of which crosses from one file to the next; files, where the first is one."""
    length = max(rows) if length >= rows[0] else length
    return tuple(min(length, count - start) for count in rows for start in range(0, count, max(1, length)))


class _JoinedValues(BackendArray):  # type: ignore[misc, unused-ignore]
    """The values of a variable in all files, restored when they are asked for."""

    def __init__(self, parts: JoinedParts, name: str, first: xr.Variable, rows: Sequence[int]) -> None:
        self._parts, self._name, self.dtype = parts, name, first.dtype
        self._starts = list(accumulate(rows, initial=0)) if rows else []
        self.shape = (self._starts[-1], *first.shape[1:]) if rows else first.shape

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        with as_os_errors():  # which users of xarray expect
            return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._values)

    def _values(self, key: tuple[Any, ...]) -> np.ndarray:
        box, inside = selection_of(key, self.shape, self._name)
        if not self._starts:
            return np.asarray(self._same(box)[inside])
        touched = overlaps(self._starts, box[0].start, box[0].stop)
        pieces = [self._piece(number, (slice(low, high), *box[1:])) for number, low, high in touched]
        return np.asarray((pieces[0] if len(pieces) == 1 else np.concatenate(pieces))[inside])

    def _piece(self, number: int, box: tuple[slice, ...]) -> np.ndarray:
        variables: Mapping[Any, xr.Variable] = self._parts.part(number).variables
        if self._name not in variables or not np.can_cast(variables[self._name].dtype, self.dtype, "safe"):
            raise DataError(
                f"{self._parts.files.path}: {self._name!r} is of another type in {self._file(number)} than in "
                f"{self._file(0)}: open the files by themselves"
            )
        return np.asarray(variables[self._name][box].values).astype(self.dtype, copy=False)

    def _same(self, box: tuple[slice, ...]) -> np.ndarray:
        """Return a part of the values that every file has."""
        first = self._piece(0, box)
        for number in range(1, len(self._parts.files.manifest.parts)):
            if not _equal(first, self._piece(number, box)):
                raise DataError(
                    f"{self._parts.files.path}: {self._name!r} differs between {self._file(0)} and {self._file(number)}, and "
                    "is not joined along a dimension: open the files by themselves"
                )
        return first

    def _file(self, number: int) -> str:
        return self._parts.files.manifest.parts[number].file


def _equal(first: np.ndarray, other: np.ndarray) -> bool:
    if first.dtype.kind in "fcmM":
        return np.array_equal(first, other, equal_nan=True)
    return np.array_equal(first, other)
