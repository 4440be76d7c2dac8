"""Open a .bal file, and offer its variables as tables of pandas, polars and arrow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from baler_core.api.format_columns import named_columns
from baler_core.api.how_opened import Opening
from baler_core.api.stored_array import StoredFile
from baler_core.api.tables import columns_of, html_of, to_arrow, to_pandas, to_polars
from baler_core.data.patterns import matching_names
from baler_core.data.variables import select_names
from baler_core.errors import DataError, SourceError
from baler_core.machine.byte_source import ByteSource, Place
from baler_core.pipeline.decode import BalFile
from baler_core.pipeline.trained_lookup import Lookup

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa


class File(StoredFile):
    """An open .bal file: its variables by name, restored when their values are asked for, and only what is needed.

    Several threads may use it at once. A copy in another process (`pickle`) opens the file again.

    Attributes
    ----------
    path
        Where it lies; `<bytes>` in memory.
    """

    def __init__(self, place: Place | ByteSource, opening: Opening) -> None:
        self._opening = opening
        stored = BalFile(place, None, Lookup(opening.trained), memory=opening.memory)
        if not stored.header.blocks:
            stored.close()
            raise DataError(f"{stored.path}: holds trained models and no data; use it with compress(trained=...)")
        super().__init__(stored, opening.cache)

    @property
    def fingerprint(self) -> tuple[int, ...]:
        """Return what tells it from files that hold something else: its length, and the checksum of its index."""
        return self._stored.fingerprint

    def __repr__(self) -> str:
        lines = [f"<baler_core.File {str(self.path)!r}, {len(self)} variables>"]
        lines += [f"  {self[name]!r}" for name in list(self)[:20]]
        return "\n".join([*lines, *(["  ..."] if len(self) > 20 else [])])

    def _repr_html_(self) -> str:
        return html_of(self)

    # ---- tables

    def to_pandas(
        self, names: Sequence[str] | str | None = None, *, start: int | None = None, stop: int | None = None
    ) -> pd.DataFrame:
        """Return variables along one dimension as a table, lists per row as objects; arguments as for `to_arrow`.

        All of them have the index that pandas has written into the original (Parquet, Feather); some have it as columns.
        """
        frame = self.plain_frame(names, start, stop)
        return frame if names is not None else self.frame_as_read(frame, start)

    def plain_frame(self, names: Sequence[str] | str | None, start: int | None, stop: int | None) -> pd.DataFrame:
        """Return the same without an index of its own, to be joined with others."""
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

    def kept_whole(self, *signatures: bytes) -> bytes:
        """Return a file that was kept byte for byte and begins with one of `signatures`; empty if this is another."""
        if self.reader != "whole_file" or len(self) != 1:
            return b""
        (stored,) = self.values()
        begin = stored[: max(map(len, signatures))].tobytes()
        return stored[:].tobytes() if begin.startswith(signatures) else b""

    def _columns(self, names: Sequence[str] | str | None, start: int | None, stop: int | None) -> dict[str, Any]:
        if names is None:  # columns show their nulls themselves
            masks = {mask for found in self.nulls.values() for mask in found}
            return columns_of(self, [name for name in self.schema.names if name not in masks], start, stop, every=True)
        patterns = [names] if isinstance(names, str) else list(names)
        columns = named_columns(self, patterns)
        patterns = [part for one in patterns for part in ([one] if one in columns else self._parts_of(one))]
        stated = [
            one for one in patterns if matching_names([one], self.schema.names) or not matching_names([one], columns)
        ]
        known = [*self.schema.names, *columns]
        chosen = select_names(self.schema.names, stated, str(self.path)) if stated else []
        # columns lie as they were asked for
        found = dict.fromkeys(name for one in patterns for name in matching_names([one], known))
        return columns_of(self, list(found | dict.fromkeys(chosen)), start, stop)

    def _parts_of(self, name: str) -> list[str]:
        """Return the variables that a column of parts (`st` of `st.a` and `st.b`) is made of; any other name as it is."""
        parts = [] if name in self else [one for one in self.schema.names if one.startswith((f"{name}.", f"{name}/"))]
        return parts or [name]

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self._stored.source.place(), self._opening, self.fingerprint)


def _again(place: Place, opening: Opening, fingerprint: tuple[int, ...]) -> File:
    file = File(place, opening)
    if file.fingerprint != fingerprint:
        file.close()
        raise SourceError(f"{file.path}: has changed since it was opened first: open it again")
    return file
