"""Offer the variables of a .bal file as arrays whose values are restored when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np

from baler_core.api.selection import selection_of
from baler_core.api.tables import columns_of, html_of, to_arrow, to_pandas, to_polars
from baler_core.builtin.objects.presenting import variable_attributes
from baler_core.builtin.readers.numpy.npy_array import dates_of
from baler_core.config.schema import parse_size
from baler_core.data.error_bound import ErrorBound
from baler_core.data.variables import Schema, Variable, leading_dimension, select_names
from baler_core.errors import ConfigError, DataError, OutsideError, SourceError, UnknownVariable, did_you_mean
from baler_core.format.header import Header
from baler_core.machine.byte_source import ByteSource, Place
from baler_core.pipeline.decode import BalFile, make_component, not_believed
from baler_core.pipeline.partial import PartialReader
from baler_core.pipeline.trained_lookup import Lookup
from baler_core.plugin.reading import Reader
from baler_core.plugin.shown import Shown

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

CACHE = "256 MB"


@dataclass(frozen=True)
class Opening:
    """How a file was opened: enough to open it again.

    Attributes
    ----------
    trained
        The file of trained models that it refers to.
    cache
        Bytes of restored values that are kept.
    memory
        At most so many bytes may a group of a block take.
    """

    trained: Path | None
    cache: int
    memory: int | None


class File(Mapping[str, "StoredArray"]):
    """An open .bal file: its variables by name, restored when their values are asked for, and only what is needed.

    Several threads may use it at once. A copy in another process (`pickle`) opens the file again.

    Attributes
    ----------
    path
        Where it lies; `<bytes>` in memory.
    """

    def __init__(self, place: Place | ByteSource, opening: Opening) -> None:
        self._opening = opening
        self._stored = BalFile(place, None, Lookup(opening.trained), memory=opening.memory)
        if not self._stored.header.blocks:
            self._stored.close()
            raise DataError(f"{self._stored.path}: holds trained models and no data; use it with compress(trained=...)")
        self.path = self._stored.path
        self._parts = PartialReader(self._stored, opening.cache)
        schema = self._stored.header.schema
        with not_believed(self.path, "baler-core"):
            stored_dates = self._stored.header.reader.name in ("npy", "npz")
            dates = dates_of(schema.skeleton) if stored_dates else {}
        self._arrays = {v.name: StoredArray(self, v, dates.get(v.name, v.numpy_dtype)) for v in schema.variables}

    # ---- variables by name

    def __getitem__(self, name: str) -> StoredArray:
        found = self._arrays.get(name)
        if found is None:
            raise UnknownVariable(
                f"{self.path}: there is no variable {name!r}. {did_you_mean(str(name), self._arrays)}"
            )
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __contains__(self, name: object) -> bool:
        return name in self._arrays

    def __repr__(self) -> str:
        lines = [f"<baler_core.File {str(self.path)!r}, {len(self)} variables>"]
        lines += [f"  {array!r}" for array in list(self._arrays.values())[:20]]
        return "\n".join([*lines, *(["  ..."] if len(self) > 20 else [])])

    def _repr_html_(self) -> str:
        return html_of(self)

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
        reader = cast(Reader, make_component("reader", self.header.reader, self._stored.registry, self.path))
        with not_believed(self.path, self.header.reader.package):
            return reader.shown(self.schema)

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
        reader = cast(Reader, make_component("reader", self.header.reader, self._stored.registry, self.path))
        with not_believed(self.path, self.header.reader.package):
            stated = reader.nulls(self.schema)
        return {name: masks for name, masks in stated.items() if all(self._is_mask(mask, name) for mask in masks)}

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
        dim = self._leading(chosen) if dim is None else dim
        along = [name for name in chosen if self._arrays[name].leading_dim == dim]
        if not along:
            leading = {array.leading_dim for array in self._arrays.values() if array.dims}
            raise OutsideError(
                f"{self.path}: no variable has rows along {dim!r}. {did_you_mean(str(dim), map(str, leading))}"
            )
        boxes = {name: self._arrays[name]._box_of_rows(start, stop) for name in along}
        found = self._parts.read_together(boxes)
        return {name: found[name].view(self._arrays[name].dtype) for name in along}

    def to_pandas(
        self, names: Sequence[str] | str | None = None, *, start: int | None = None, stop: int | None = None
    ) -> pd.DataFrame:
        """Return variables along one dimension as a table, lists per row as objects; arguments as for `to_arrow`."""
        return to_pandas(self._columns(names, start, stop))

    def to_polars(
        self, names: Sequence[str] | str | None = None, *, start: int | None = None, stop: int | None = None
    ) -> pl.DataFrame:
        """Return variables along one dimension as a table of polars; arguments as for `to_arrow`."""
        return to_polars(self._columns(names, start, stop))

    def to_arrow(
        self, names: Sequence[str] | str | None = None, *, start: int | None = None, stop: int | None = None
    ) -> pa.Table:
        """Return variables along one dimension as a table of arrow; lists per row are lists there.

        Parameters
        ----------
        names
            Patterns of variables; None takes all.
        start, stop
            The rows, as in a slice; None takes all.

        Raises
        ------
        DataError
            If they lie along several dimensions.
        MissingPackage
            If arrow (polars) is not installed.
        """
        return to_arrow(self._columns(names, start, stop))

    def _columns(self, names: Sequence[str] | str | None, start: int | None, stop: int | None) -> dict[str, Any]:
        patterns = [names] if isinstance(names, str) else names
        return columns_of(self, select_names(self.schema.names, patterns, str(self.path)), start, stop)

    def _leading(self, names: Sequence[str]) -> str:
        found = dict.fromkeys(d for d in (self._arrays[name].leading_dim for name in names) if d is not None)
        if len(found) != 1:
            raise ConfigError(
                f"{self.path}: rows of which dimension? Its variables lie along {', '.join(found) or 'none'}: "
                "name it as dim=, or variables along one of them as names="
            )
        return next(iter(found))

    # ---- life

    def close(self) -> None:
        """Release the file; values cannot be asked for any more."""
        self._stored.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self._stored.source.place(), self._opening, self._stored.fingerprint)


class StoredArray:
    """A variable of an open file. Indexing restores what is asked for, as `numpy.asarray` restores all.

    Attributes
    ----------
    name
        Of the variable.
    dims
        Names of its dimensions.
    shape, dtype
        Of all its values; text has dtype object.
    """

    def __init__(self, file: File, variable: Variable, dtype: np.dtype[Any]) -> None:
        self.file = file
        self.variable = variable
        self.name, self.dims, self.dtype = variable.name, variable.dims, dtype
        self.shape = tuple(file.schema.sizes[dim] for dim in variable.dims)

    @property
    def ndim(self) -> int:
        """Return the number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Return the number of values."""
        return int(np.prod(self.shape, dtype=object))

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

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError(f"{self.name!r} is a single value and has no length")
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        """Return what numpy would return for the same key, of which only the rows, tiles and blocks needed are restored.

        Raises
        ------
        OutsideError
            If a number lies outside (an IndexError, too).
        """
        box, inside = selection_of(key, self.shape, self.name)
        return self._read(box)[inside]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError(f"{self.name!r} is stored compressed: an array of it is always a copy")
        values = self._read(tuple(slice(0, length) for length in self.shape))
        return values if dtype is None else values.astype(dtype, copy=False)

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
        return self.file._parts.read(self.name, box).view(self.dtype)

    def __repr__(self) -> str:
        shape = ", ".join(f"{dim}: {length}" for dim, length in zip(self.dims, self.shape, strict=True))
        return f"<{self.name} {self.variable.dtype} ({shape})>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _array_again, (self.file, self.name)


def open_file(
    place: Place | ByteSource,
    *,
    trained: str | Path | None = None,
    cache: str | int = CACHE,
    memory: str | int | None = None,
) -> File:
    """Open a .bal file, reading its header alone; values are restored when they are asked for.

    Parameters
    ----------
    place
        A path, an address that fsspec opens (`https://...`), the bytes of a file, or a binary file object.
    trained
        The file of trained models that it refers to; without it, that is looked for beside the .bal file.
    cache
        How many bytes of restored values are kept for the next question: `"256 MB"`.
    memory
        At most so many bytes may a group of a block take; None allows half of what the machine has.

    Raises
    ------
    BalerError
        If the file is damaged, or a plugin that it needs is missing.
    """
    limit = None if memory is None else _bytes("memory", memory)
    return File(place, Opening(None if trained is None else Path(trained), _bytes("cache", cache), limit))


def _bytes(argument: str, stated: str | int) -> int:
    try:
        size = parse_size(stated)
    except ValueError as error:
        raise ConfigError(f"open_file({argument}={stated!r}): {error}") from error
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise ConfigError(f"open_file({argument}={stated!r}): wanted a size such as 256 MB")
    return size


def _again(place: Place, opening: Opening, fingerprint: tuple[int, ...]) -> File:
    file = File(place, opening)
    if file._stored.fingerprint != fingerprint:
        file.close()
        raise SourceError(f"{file.path}: has changed since it was opened first: open it again")
    return file


def _array_again(file: File, name: str) -> StoredArray:
    return file[name]
