"""Elements of HDF5 datasets as they lie in the file: slices of the leading dimension, read and written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from baler_hdf5.contents.build_datatypes import memory_type
from baler_hdf5.contents.datatypes import Json
from baler_hdf5.contents.raw_datatypes import raw_dtype

if TYPE_CHECKING:
    from h5py import h5d, h5s


def empty_elements(dataset: h5d.DatasetID, record: Json, shape: tuple[int, ...]) -> np.ndarray:
    """Return zeroed elements of the dataset's own type; a type that is an array adds its dimensions behind `shape`."""
    raw = raw_dtype(record)
    return np.zeros(shape, dataset.get_type().dtype if raw is None else raw)


def read_elements(dataset: h5d.DatasetID, record: Json, rows: slice) -> np.ndarray:
    """Return the elements of some rows (all of a scalar), fixed-size ones byte for byte as in the file.

    Raises
    ------
    OSError
        If the file is damaged there.
    """
    shape = _shape_of(dataset, rows)
    raw = raw_dtype(record)
    if raw is None:
        elements = empty_elements(dataset, record, shape)
        if elements.size:
            dataset.read(*_spaces(dataset, rows, shape), elements)
        return elements
    buffer = np.zeros(shape, f"V{raw.itemsize}")
    if buffer.size:
        dataset.read(*_spaces(dataset, rows, shape), buffer, mtype=dataset.get_type())
    return buffer.view(np.dtype([("value", raw)]))["value"]


def write_elements(
    dataset: h5d.DatasetID, record: Json, rows: slice, elements: np.ndarray, across: tuple[slice, ...] | None = None
) -> None:
    """Write some rows of elements that `empty_elements` gave and that have been filled in.

    Parameters
    ----------
    across
        Where they lie in the other dimensions; all of these without.
    """
    shape = _shape_of(dataset, rows)
    raw = raw_dtype(record)
    if not elements.size:
        return
    shape = shape if across is None else (shape[0], *(part.stop - part.start for part in across))
    spaces = _spaces(dataset, rows, shape, across)
    if raw is None:
        dataset.write(*spaces, np.ascontiguousarray(elements), mtype=memory_type(dataset.get_type(), elements.dtype))
        return
    buffer = np.frombuffer(np.ascontiguousarray(elements).tobytes(), f"V{raw.itemsize}").reshape(shape)
    dataset.write(*spaces, buffer, mtype=dataset.get_type())


def _shape_of(dataset: h5d.DatasetID, rows: slice) -> tuple[int, ...]:
    """The shape of a slice of rows; of a scalar, its own."""
    if not dataset.shape:
        return ()
    return (rows.stop - rows.start, *dataset.shape[1:])


def _spaces(
    dataset: h5d.DatasetID, rows: slice, shape: tuple[int, ...], across: tuple[slice, ...] | None = None
) -> tuple[h5s.SpaceID, h5s.SpaceID]:
    """Dataspaces of the slice in memory and in the file."""
    from h5py import h5s

    if not shape:
        return h5s.create(h5s.SCALAR), h5s.create(h5s.SCALAR)
    in_file: Any = dataset.get_space()
    begins = [0] * (len(shape) - 1) if across is None else [part.start for part in across]
    in_file.select_hyperslab((rows.start, *begins), shape)
    return h5s.create_simple(shape), in_file
