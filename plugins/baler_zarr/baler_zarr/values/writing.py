"""Write rows of an array, chunk by chunk; chunks that the original lacks are left out."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from baler_zarr.values.elements import Field, stored
from baler_zarr.values.opened import OpenArray


class ArrayOutput:
    """An array being written.

    Parameters
    ----------
    missing
        Places in the grid of the chunks that are not written, since the original lacks them.
    """

    def __init__(self, array: OpenArray, fields: Sequence[Field], missing: Collection[tuple[int, ...]]) -> None:
        self._array, self._fields, self._missing = array, fields, frozenset(missing)
        self._gaps = {place[0] for place in self._missing if place}
        self._target: Any = array.zarr.with_config({"write_empty_chunks": True})
        # Shards may lack some of their chunks, too: those that hold nothing but the fill value.
        self._sparse: Any = array.zarr.with_config({"write_empty_chunks": False})
        self._pending: list[dict[str, np.ndarray]] = []
        self._start = self._rows = 0

    def write(self, values: Mapping[str, np.ndarray]) -> None:
        """Append rows, or give the single element."""
        part = {field.name: values[field.name] for field in self._fields}
        if not self._array.shape:
            if () not in self._missing:
                self._put((), stored(part, self._fields, self._array.dtype))
            self._start = 1
            return
        self._pending.append(part)
        self._rows += len(part[self._fields[0].name])
        step = self._array.chunks[0]
        ready = self._rows - (self._start + self._rows) % step
        if self._start + self._rows >= self._array.shape[0]:
            ready = self._rows
        if ready > 0:
            self._flush(ready)

    def close(self) -> None:
        """Check that all is there.

        Raises
        ------
        ValueError
            If it is not.
        """
        wanted = self._array.shape[0] if self._array.shape else 1
        if self._start != wanted or self._rows:
            raise ValueError(f"the array {self._array.record.name!r} has {self._start} rows of {wanted}")

    def _flush(self, rows: int) -> None:
        whole = {
            field.name: np.concatenate([part[field.name] for part in self._pending])
            if len(self._pending) > 1
            else self._pending[0][field.name]
            for field in self._fields
        }
        ready = {name: values[:rows] for name, values in whole.items()}
        self._write_rows(stored(ready, self._fields, self._array.dtype))
        self._start += rows
        self._rows -= rows
        self._pending = [{name: values[rows:] for name, values in whole.items()}] if self._rows else []

    def _write_rows(self, values: np.ndarray) -> None:
        array, start = self._array, self._start
        if values.shape[1:] != array.shape[1:] or start + len(values) > array.shape[0]:
            raise ValueError(f"the array {array.record.name!r} has the shape {array.shape}")
        if not values.size:
            return
        first, last = start // array.chunks[0], -(-(start + len(values)) // array.chunks[0])
        if not any(band in self._gaps for band in range(first, last)):
            self._put((slice(start, start + len(values)),), values)
            return
        for place in itertools.product(range(first, last), *map(range, array.grid[1:])):
            if place not in self._missing:
                region = array.region(place)
                inside = (slice(region[0].start - start, region[0].stop - start), *region[1:])
                self._put(region, values[inside])

    def _put(self, region: tuple[slice, ...], values: np.ndarray) -> None:
        array = self._array
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                is_sparse = array.zarr.shards is not None and not hides_bits(values, array.zarr.fill_value)
                (self._sparse if is_sparse else self._target)[region] = values
        except OSError:
            raise
        # Of zarr and its codecs, which raise whatever their parts do.
        except Exception as error:
            said = " ".join(str(error).split())[:200] or type(error).__name__
            raise ValueError(f"the array {array.record.name!r} cannot be encoded: {said}") from error


def hides_bits(values: np.ndarray, fill: Any) -> bool:
    """Return whether some values equal the fill value, as zarr compares them, and have other bits: NaNs, complex zeros."""
    if values.dtype.kind not in "fcV" or fill is None:
        return False
    held = np.asarray(fill, values.dtype)
    if values.dtype.kind == "f" and not np.isnan(held):  # zarr tells the zeros apart
        return False
    alike = values == held
    if values.dtype.kind != "V" and np.isnan(held):
        alike = np.isnan(values)
    return bool(np.any(values[alike].reshape(-1).view("u1").reshape(-1, values.dtype.itemsize) != _bytes_of(held)))


def _bytes_of(value: np.ndarray) -> np.ndarray:
    return np.frombuffer(value.tobytes(), "u1")
