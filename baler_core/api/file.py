"""Offer the variables of a .bal file as arrays whose values are restored when they are asked for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from baler_core.api.by_name import ByName
from baler_core.api.stored_array import StoredArray
from baler_core.api.tables import columns_of, html_of, to_arrow, to_pandas, to_polars
from baler_core.builtin.readers.numpy.npy_array import dates_of
from baler_core.data.error_bound import ErrorBound
from baler_core.data.variables import Schema, select_names
from baler_core.errors import ConfigError, DataError, OutsideError, SourceError, did_you_mean
from baler_core.format.header import Header
from baler_core.machine.byte_source import ByteSource, Place
from baler_core.pipeline.decode import BalFile, make_component, not_believed
from baler_core.pipeline.partial import PartialReader
from baler_core.pipeline.trained_lookup import Lookup
from baler_core.plugin.reading import Categories, Reader, TableColumn
from baler_core.plugin.shown import Shown

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

CACHE = 256_000_000


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


class File(ByName[StoredArray]):
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
        self._dates = dates
        super().__init__(schema.names)

    def _make(self, name: str) -> StoredArray:
        variable = self.schema[name]
        return StoredArray(self, variable, self._dates.get(name, variable.numpy_dtype))

    def __repr__(self) -> str:
        lines = [f"<baler_core.File {str(self.path)!r}, {len(self)} variables>"]
        lines += [f"  {self[name]!r}" for name in list(self)[:20]]
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
            return self._reader.table_columns(self._stored.schema(), names)

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
            stated = self._reader.nulls(self.schema)
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
        dim = self._leading(chosen) if dim is None else dim
        along = [name for name in chosen if self[name].leading_dim == dim]
        if not along:
            leading = {array.leading_dim for array in self.values() if array.dims}
            raise OutsideError(
                f"{self.path}: no variable has rows along {dim!r}. {did_you_mean(str(dim), map(str, leading))}"
            )
        boxes = {name: self[name]._box_of_rows(start, stop) for name in along}
        found = self._parts.read_together(boxes)
        return {name: self[name]._masked(found[name], tuple(boxes[name])) for name in along}

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
        chosen = select_names(self.schema.names, patterns, str(self.path))
        if patterns is None:  # columns show their nulls themselves
            masks = {mask for found in self.nulls.values() for mask in found}
            chosen = [name for name in chosen if name not in masks]
        return columns_of(self, chosen, start, stop)

    def _leading(self, names: Sequence[str]) -> str:
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

    # ---- life

    def close(self) -> None:
        """Release the file; values cannot be asked for any more."""
        self._stored.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self._stored.source.place(), self._opening, self._stored.fingerprint)


def _again(place: Place, opening: Opening, fingerprint: tuple[int, ...]) -> File:
    file = File(place, opening)
    if file._stored.fingerprint != fingerprint:
        file.close()
        raise SourceError(f"{file.path}: has changed since it was opened first: open it again")
    return file
