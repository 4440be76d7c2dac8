"""Offer a variable of an open .bal file as an array."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from baler_core.api.indexed_array import IndexedArray
from baler_core.builtin.objects.presenting import variable_attributes
from baler_core.data.error_bound import ErrorBound
from baler_core.data.variables import Variable, leading_dimension
from baler_core.errors import OutsideError

if TYPE_CHECKING:
    from baler_core.api.file import File


class StoredArray(IndexedArray):
    """A variable of an open file. Indexing restores what is asked for, as `numpy.asarray` restores all.

    Attributes
    ----------
    file
        Where it lies.
    variable
        What the file says of it.
    """

    def __init__(self, file: File, variable: Variable, dtype: np.dtype[Any]) -> None:
        self.file = file
        self.variable = variable
        self.name, self.dims, self.dtype = variable.name, variable.dims, dtype
        self.shape = tuple(file.schema.sizes[dim] for dim in variable.dims)

    @property
    def attrs(self) -> dict[str, Any]:
        """Return units, title, fill values and packing by their CF names; values are as stored."""
        return variable_attributes(self.variable)

    @property
    def bound(self) -> ErrorBound:
        """Return its bound."""
        return self.file.bounds[self.name]

    @property
    def leading_dim(self) -> str | None:
        """Return the dimension whose rows `rows` counts: of jagged variables, the one that their counts lie along."""
        return leading_dimension(self.variable, self.file.schema)

    @property
    def chunks(self) -> tuple[int, ...]:
        """Return the shape of what is stored together: rows of a block, and all of the other dimensions."""
        if not self.shape:
            return ()
        longest = max((piece.stop - piece.start for piece in self.file._parts.pieces(self.name)), default=1)
        return (max(1, longest), *self.shape[1:])

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Return the values of rows `start` to `stop` of its leading dimension (events, where it is jagged).

        Raises
        ------
        OutsideError
            If there are not so many rows (an IndexError, too).
        """
        return self._read(self._box_of_rows(start, stop))

    def _box_of_rows(self, start: int, stop: int) -> tuple[slice, ...]:
        """Return where rows of the leading dimension lie."""
        leading = self.leading_dim
        if leading is None:
            raise OutsideError(f"{self.name!r} is a single value and has no rows")
        length = self.file.sizes[leading]
        if not 0 <= start <= stop <= length:
            raise OutsideError(f"{self.name!r} has {length:,} rows along {leading!r}: there are no rows {start}:{stop}")
        rows = self._rows(self.dims[0], slice(start, stop))
        return (rows, *(slice(0, n) for n in self.shape[1:]))

    def _rows(self, dim: str, rows: slice) -> slice:
        """Return the rows of a dimension that belong to rows of the leading one."""
        if dim == self.leading_dim:
            return rows
        parent = self._rows(self.file.schema[self.file.counts[dim]].dims[0], rows)
        return self.file._parts.rows_of(dim, parent)

    def _read(self, box: tuple[slice, ...]) -> np.ndarray:
        return self._masked(self.file._parts.read(self.name, box), box)

    def _masked(self, values: np.ndarray, box: tuple[slice, ...]) -> np.ndarray:
        """Return a box of stored values, masked if the variable has nulls."""
        values = values.view(self.dtype)
        masks = [self.file[mask] for mask in self.file.nulls.get(self.name, ())]
        if not masks:
            return values
        null = np.zeros(values.shape, bool)
        for mask in masks:
            there = self.file._parts.read(mask.name, box[: mask.ndim])
            null |= there.reshape(there.shape + (1,) * (values.ndim - there.ndim))
        return np.ma.MaskedArray(values, null)

    @property
    def _described(self) -> str:
        return self.variable.dtype

    def __reduce__(self) -> tuple[Any, ...]:
        return _array_again, (self.file, self.name)


def _array_again(file: File, name: str) -> StoredArray:
    return file[name]
