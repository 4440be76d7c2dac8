"""Offer the variables of an open .bal file as arrays, and what the file says about itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from baler_core.api.by_name import ByName
from baler_core.api.indexed_array import IndexedArray
from baler_core.builtin.objects.presenting import variable_attributes
from baler_core.builtin.readers.numpy.npy_array import dates_of
from baler_core.data.error_bound import ErrorBound
from baler_core.data.variables import Schema, Variable, leading_dimension, select_names
from baler_core.errors import ConfigError, OutsideError, did_you_mean
from baler_core.format.header import Header
from baler_core.machine.cached import cached_property
from baler_core.pipeline.decode import BalFile, make_component, not_believed
from baler_core.pipeline.partial import PartialReader
from baler_core.plugin.reading import Categories, Reader, TableColumn
from baler_core.plugin.shown import Shown

if TYPE_CHECKING:
    import pandas as pd


class StoredArray(IndexedArray):
    """A variable of an open file. Indexing restores what is asked for, as `numpy.asarray` restores all.

    Attributes
    ----------
    file
        Where it lies.
    variable
        What the file says of it.
    """

    def __init__(self, file: StoredFile, variable: Variable, dtype: np.dtype[Any]) -> None:
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
        """Return the shape of what is stored together: `chunks` as stated, else rows of a block and all of the rest."""
        if not self.shape:
            return ()
        longest = max((piece.stop - piece.start for piece in self.file._parts.pieces(self.name)), default=1)
        shape, wanted = (max(1, longest), *self.shape[1:]), self.file.header.chunks
        return tuple(min(length, wanted.get(dim, length)) for length, dim in zip(shape, self.dims, strict=True))

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


def _array_again(file: StoredFile, name: str) -> StoredArray:
    return file[name]


class StoredFile(ByName[StoredArray]):
    """The variables of an open file by name, and what it says about itself."""

    def __init__(self, stored: BalFile, cache: int) -> None:
        self._stored = stored
        self.path = stored.path
        self._parts = PartialReader(stored, cache)
        with not_believed(self.path, "baler-core"):
            self._dates = dates_of(self.schema.skeleton) if self.reader in ("npy", "npz") else {}
        super().__init__(self.schema.names)

    def _make(self, name: str) -> StoredArray:
        variable = self.schema[name]
        return StoredArray(self, variable, self._dates.get(name, variable.numpy_dtype))

    # ---- what the file says about itself

    @property
    def source_bytes(self) -> int:
        """Return how many bytes it takes."""
        return self._stored.source.size

    @property
    def header(self) -> Header:
        """Return all that the file says about itself."""
        return self._stored.header

    @property
    def schema(self) -> Schema:
        """Return variables, dimensions and skeleton, without attachments, which `attachments` reads."""
        return self._stored.header.schema

    @property
    def attachments(self) -> Mapping[str, bytes]:
        """Return parts of the original that are stored unchanged."""
        return self._stored.schema().attachments

    @property
    def reader(self) -> str:
        """Return the name of the reader that made it: `root`, `netcdf`, `python` and so on."""
        return self._stored.header.reader.name

    @property
    def sizes(self) -> Mapping[str, int]:
        """Return the length of every dimension."""
        return self.schema.sizes

    @property
    def counts(self) -> Mapping[str, str]:
        """Return for each jagged dimension the variable that tells how many of its rows belong to each event."""
        return self.schema.counts

    @property
    def bounds(self) -> Mapping[str, ErrorBound]:
        """Return the bound of each variable."""
        return dict(zip(self.schema.names, self._stored.header.bounds, strict=True))

    def shown(self) -> Shown | None:
        """Return how the libraries of the original's format show it; None where nothing but the schema is known.

        Raises
        ------
        FormatError
            If what the file keeps of the original is damaged.
        """
        with not_believed(self.path, self.header.reader.package):
            return self._reader.shown(self.schema)

    def columns_of_format(self, names: Collection[str]) -> Sequence[TableColumn]:
        """Return the columns that tables have in place of some of the variables asked for, as the reader knows them.

        Raises
        ------
        FormatError
            If what the file keeps of the original is damaged.
        """
        with not_believed(self.path, self.header.reader.package):
            return self._stored.registry.table_columns(self._reader, self._stored.schema(), names)

    def frame_as_read(self, frame: pd.DataFrame, start: int | None) -> pd.DataFrame:
        """Return a table of all columns as pandas reads it from the original: with its index.

        Raises
        ------
        FormatError
            If what the file keeps of the original is damaged.
        """
        if not self.has_reader or type(self._reader).frame_as_read is Reader.frame_as_read:
            return frame
        with not_believed(self.path, self.header.reader.package):
            return self._reader.frame_as_read(self._stored.schema(), frame, start)

    def missing_in_tables(self, variable: Variable, values: np.ndarray) -> np.ndarray | None:
        """Return where values of a variable stand for nothing in tables, beside nulls and fill values, as a mask."""
        if not self.has_reader:
            return None
        with not_believed(self.path, self.header.reader.package):
            return self._reader.missing_in_tables(variable, values)

    @cached_property
    def _reader(self) -> Reader:
        return cast(Reader, make_component("reader", self.header.reader, self._stored.registry, self.path))

    @cached_property
    def nulls(self) -> Mapping[str, Sequence[str]]:
        """Return for each variable that has nulls the variables that are true where there is one.

        Raises
        ------
        FormatError
            If what the file keeps of the original is damaged.
        """
        if not self.has_reader:
            return {}
        with not_believed(self.path, self.header.reader.package):
            stated = self._stored.registry.nulls(self._reader, self.schema)
        return {name: masks for name, masks in stated.items() if all(self._is_mask(mask, name) for mask in masks)}

    @cached_property
    def categories(self) -> Mapping[str, Categories]:
        """Return for each variable of codes which variable lists what they stand for.

        Raises
        ------
        FormatError
            If what the file keeps of the original is damaged.
        """
        if not self.has_reader:
            return {}
        with not_believed(self.path, self.header.reader.package):
            stated = self._stored.registry.categories(self._reader, self.schema)
            if stated:  # attachments, which may be large, tell whether their order has a meaning
                stated = self._stored.registry.categories(self._reader, self._stored.schema())
            if wrong := [name for name, about in stated.items() if not self._is_coded(name, about)]:
                raise ValueError(f"{wrong[0]!r} has no list of categories")
        return stated

    def _is_coded(self, name: str, about: Categories) -> bool:
        if name not in self or not self[name].dims or self[name].dtype.kind not in "iu":
            return False
        if not about.entries:
            return True
        if about.entries not in self or self[about.entries].ndim != 1:
            return False
        rows, listed = self[name].shape[0], self[about.entries].shape[0]
        return all(0 <= count <= rows and 0 <= place <= listed for count, place in about.starts)

    @property
    def has_reader(self) -> bool:
        """Return whether the reader that made it is installed, without which `shown` and `nulls` are not known."""
        return self.reader in self._stored.registry.offers["reader"]

    def _is_mask(self, mask: str, name: str) -> bool:
        if name not in self or mask not in self or self[mask].dtype != bool:
            return False
        return self[name].dims[: self[mask].ndim] == self[mask].dims

    # ---- values

    def rows(
        self, start: int, stop: int, *, names: Sequence[str] | str | None = None, dim: str | None = None
    ) -> dict[str, np.ndarray]:
        """Return some rows of a file's leading dimension: events of a tree, rows of a table, frames of fields.

        Variables along a jagged dimension come flat, with all their rows that belong to these.

        Parameters
        ----------
        names
            Patterns of variables; None takes all that lie along the dimension.
        dim
            The dimension; may be left out where there is one alone.

        Raises
        ------
        OutsideError
            If there are not so many rows (an IndexError, too).
        """
        patterns = [names] if isinstance(names, str) else names
        chosen = select_names(self.schema.names, patterns, str(self.path))
        dim = self.leading_of(chosen) if dim is None else dim
        along = [name for name in chosen if self[name].leading_dim == dim]
        if not along:
            leading = {array.leading_dim for array in self.values() if array.dims}
            raise OutsideError(
                f"{self.path}: no variable has rows along {dim!r}. {did_you_mean(str(dim), map(str, leading))}"
            )
        boxes = {name: self[name]._box_of_rows(start, stop) for name in along}
        found = self._parts.read_together(boxes)
        return {name: self[name]._masked(found[name], tuple(boxes[name])) for name in along}

    def leading_of(self, names: Sequence[str]) -> str:
        """Return the dimension whose rows variables are, together.

        Raises
        ------
        ConfigError
            If they lie along several.
        """
        listed = {about.entries for name, about in self.categories.items() if name in names}
        found = dict.fromkeys(
            d for d in (self[name].leading_dim for name in names if name not in listed) if d is not None
        )
        if len(found) != 1:
            raise ConfigError(
                f"{self.path}: rows of which dimension? Its variables lie along {', '.join(found) or 'none'}: "
                "name it as dim=, or variables along one of them as names="
            )
        return next(iter(found))

    def close(self) -> None:
        """Release the file; values cannot be asked for any more."""
        self._stored.close()
