"""Read the values of datasets: some rows, or all of them once, to name what is damaged or what a filter does not undo."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from baler_hdf5.contents.creation import access_properties
from baler_hdf5.schema.datasets import StoredDataset
from baler_hdf5.values.elements import read_elements
from baler_hdf5.values.fields import element_size

if TYPE_CHECKING:
    import h5py
    import numpy as np

UNREADABLE = (OSError, RuntimeError, KeyError, ValueError)
PIECE = 2**26


def read_rows(file: h5py.File, dataset: StoredDataset, rows: slice) -> np.ndarray:
    """Return the elements of some rows of the leading dimension (all of a scalar).

    Raises
    ------
    OSError, RuntimeError, KeyError, ValueError
        If the file is damaged there: `UNREADABLE`.
    """
    from h5py import h5d

    access = access_properties(dataset.shape, dataset.chunks, element_size(dataset.type))
    return read_elements(h5d.open(file.id, dataset.path.encode("utf-8"), access), dataset.type, rows)


def with_unreadable_named(file: h5py.File, datasets: Iterable[StoredDataset]) -> list[StoredDataset]:
    """Read all values once; a dataset where that fails comes back with a problem."""
    tried = []
    for dataset in datasets:
        try:
            if dataset.fields and not dataset.problem:
                for rows in _pieces(dataset):
                    read_rows(file, dataset, rows)
        except UNREADABLE as error:
            dataset = replace(dataset, problem=str(error))
        tried.append(dataset)
    return tried


def _pieces(dataset: StoredDataset) -> Iterator[slice]:
    """Rows of about `PIECE` bytes at a time, in whole chunks."""
    shape = dataset.shape or (1,)
    chunk = dataset.chunks[0] if dataset.chunks else 1
    step = chunk * max(1, PIECE // max(1, math.prod(shape[1:]) * element_size(dataset.type) * chunk))
    for start in range(0, shape[0], step):
        yield slice(start, min(start + step, shape[0]))
