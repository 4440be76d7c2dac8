"""Find datasets that stand for netCDF dimensions without a variable, and the one value of all their elements."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from baler_core import FormatError
from baler_hdf5.contents.datatypes import Json
from baler_hdf5.contents.raw_datatypes import decode_bytes, encode_bytes

if TYPE_CHECKING:
    import h5py

_NAME = b"This is a netCDF dimension but not a netCDF variable"
# Placeholders whose values are stored count as variables beyond so many bytes.
_LARGEST = 1 << 20


def is_placeholder(dataset: h5py.Dataset) -> bool:
    """Return whether a dataset is a dimension of netCDF without a variable, by its NAME."""
    from h5py import h5a

    if not h5a.exists(dataset.id, b"CLASS") or not h5a.exists(dataset.id, b"NAME"):
        return False
    name = dataset.attrs["NAME"]
    return isinstance(name, bytes) and name.startswith(_NAME)


def has_own_values(dataset: h5py.Dataset) -> bool:
    """Return whether a placeholder holds stored values that are not all the same, so that it counts as a variable."""
    return bool(dataset.id.get_storage_size()) and bool(dataset.size) and _elements(dataset) is None


def describe_constant(dataset: h5py.Dataset) -> dict[str, Json]:
    """Record the value of all elements of a placeholder; nothing where an unwritten dataset shows the same.

    Some libraries write NaN there, where netCDF-C writes nothing.
    """
    if not is_placeholder(dataset) or not dataset.id.get_storage_size() or not dataset.size:
        return {}
    element = _elements(dataset)
    unwritten = np.asarray(dataset.fillvalue, dataset.dtype)
    if element is None or element.tobytes() == unwritten.tobytes():
        return {}
    return {"constant": encode_bytes(element)}


def write_constant(dataset: h5py.Dataset, stored: str) -> None:
    """Give all elements of a placeholder the value that `describe_constant` recorded.

    Raises
    ------
    FormatError
        If the dataset is larger than any that is recorded so.
    """
    if dataset.shape is None or math.prod(dataset.shape) * dataset.dtype.itemsize > _LARGEST:
        raise FormatError(f"the dataset {dataset.name!r} is too large for a netCDF dimension without values")
    dataset[...] = np.full(dataset.shape, decode_bytes(stored, dataset.dtype, ()))


def _elements(dataset: h5py.Dataset) -> np.ndarray | None:
    """The element that all of a small numeric dataset equal, 0-d; None if they differ."""
    if dataset.dtype.kind not in "iuf" or math.prod(dataset.shape) * dataset.dtype.itemsize > _LARGEST:
        return None
    values = dataset[()].reshape(-1)
    rows = np.ascontiguousarray(values).view(np.uint8).reshape(values.size, -1)
    return values[:1].reshape(()) if bool((rows == rows[0]).all()) else None
