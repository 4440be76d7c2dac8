"""Read the values of an HDF5 or NetCDF-4 file, block by block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from baler_core import Block, DataError, Source, Variable, make_block
from baler_hdf5.contents.surroundings import read_surroundings
from baler_hdf5.schema.datasets import WITHOUT_IT, StoredDataset
from baler_hdf5.schema.schema import Contents, read_contents
from baler_hdf5.schema.stored_values import UNREADABLE, read_rows
from baler_hdf5.values.fields import as_shown, extract

if TYPE_CHECKING:
    import h5py


class Hdf5Source(Source):
    """An open HDF5 file.

    Parameters
    ----------
    path
        Must be an HDF5 file.
    patterns
        Of the variables to take (all without); dimension scales of what is taken come along.
    allow_missing
        Whether datasets that cannot be read are left out.
    netcdf
        Whether it is meant for readers of NetCDF.

    Raises
    ------
    DataError
        If a name without wildcards is not there, or the file is damaged.
    """

    reads_in_threads = True

    def __init__(
        self, path: Path, patterns: Sequence[str] | None = None, *, allow_missing: bool = False, netcdf: bool = False
    ) -> None:
        import h5py

        self._path = path
        self.opens_fast = not allow_missing  # which reads all values once
        self.warnings: list[str] = []
        try:
            self._file: h5py.File = h5py.File(path, "r")
        except (OSError, RuntimeError) as error:
            raise damaged(path, error) from error
        try:
            self._contents: Contents = read_contents(
                self._file, patterns, path.name, self.warnings.append, allow_missing=allow_missing, netcdf=netcdf
            )
            found = read_surroundings(path, self._file.userblock_size)
        except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
            self._file.close()
            raise damaged(path, error) from error
        except BaseException:
            self._file.close()
            raise
        self.elsewhere = self._contents.elsewhere
        self.schema = replace(self._contents.schema, attachments=found)
        self._owners = {name: dataset for dataset in self._contents.datasets for name in dataset.fields}
        self._shown = {variable.name: variable.dtype for variable in self.schema.variables}

    def read(self, variables: Sequence[Variable], rows: slice) -> Block:
        """Return some rows: numbers little-endian, packed values as stored."""
        arrays: dict[str, np.ndarray] = {}
        for variable in variables:
            if variable.name not in arrays:
                arrays.update(self._read(self._owners[variable.name], rows))
        return make_block({variable.name: (variable.dims, arrays[variable.name]) for variable in variables})

    def move_rows(self, order: np.ndarray) -> None:
        """Do nothing: only values belong to a row."""

    def close(self) -> None:
        """Release the file."""
        self._file.close()

    def _read(self, dataset: StoredDataset, rows: slice) -> dict[str, np.ndarray]:
        """All variables of one dataset, for some rows of its leading dimension."""
        try:
            elements = read_rows(self._file, dataset, rows)
        except UNREADABLE as error:
            raise DataError(f"{self._path}: dataset {dataset.path!r} cannot be read: {error}; {WITHOUT_IT}") from error
        values = {
            name: as_shown(extract(elements, field, self._contents.path_of), self._shown[name])
            for name, field in dataset.fields.items()
        }
        if dataset.shape:
            return values
        # the rows of a scalar are those of the arrays it is made of
        return {name: array[rows] if array.shape else array for name, array in values.items()}


def damaged(path: Path, error: BaseException) -> DataError:
    """Return the message for a file that has HDF5's signature and is not readable all the same."""
    return DataError(f"{path}: cut short or damaged, not readable as HDF5 ({error})")
