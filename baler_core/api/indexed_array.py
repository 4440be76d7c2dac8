"""Offer values that are restored when they are asked for by what numpy takes in square brackets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from baler_core.api.selection import selection_of


class IndexedArray(ABC):
    """An array of which boxes are restored. Indexing gives what is asked for, `numpy.asarray` all.

    Attributes
    ----------
    name
        Of the variable.
    dims
        Names of its dimensions.
    shape, dtype
        Of all its values; text has dtype object.
    """

    name: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @abstractmethod
    def _read(self, box: tuple[slice, ...]) -> np.ndarray:
        """Return a box; masked where there are nulls."""

    @property
    def ndim(self) -> int:
        """Return the number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Return the number of values."""
        return int(np.prod(self.shape, dtype=object))

    @property
    def nbytes(self) -> int:
        """Return how many bytes all its values take once they are restored."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError(f"{self.name!r} is a single value and has no length")
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        """Return what numpy would return for the same key, of which only the rows, tiles and blocks needed are restored.

        Values of variables with nulls are masked arrays.

        Raises
        ------
        OutsideError
            If a number lies outside (an IndexError, too).
        """
        box, inside = selection_of(key, self.shape, self.name)
        return self._read(box)[inside]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Return all values; floats are NaN where there are nulls, others what stands for them in the file."""
        if copy is False:
            raise ValueError(f"{self.name!r} is stored compressed: an array of it is always a copy")
        values = self._read(tuple(slice(0, length) for length in self.shape))
        if isinstance(values, np.ma.MaskedArray):
            values = values.filled(np.nan) if values.dtype.kind in "fc" else np.asarray(values)
        return values if dtype is None else values.astype(dtype, copy=False)

    def __repr__(self) -> str:
        shape = ", ".join(f"{dim}: {length}" for dim, length in zip(self.dims, self.shape, strict=True))
        return f"<{self.name} {self._described} ({shape})>"

    @property
    def _described(self) -> str:
        return str(self.dtype)
