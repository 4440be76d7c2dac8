"""Offer the files of a manifest as one: variables joined along their leading dimensions, restored when asked for."""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from baler_core.api.by_name import ByName
from baler_core.api.file import File
from baler_core.api.how_opened import Opening
from baler_core.api.indexed_array import IndexedArray
from baler_core.api.joined_tables import joined_arrow, joined_frames
from baler_core.api.partitions import (
    Partition,
    ordered,
    partitions_of,
    split_names,
    with_arrow,
    with_pandas,
)
from baler_core.api.stored_array import StoredArray
from baler_core.data.part import inside
from baler_core.data.variables import select_names
from baler_core.errors import ConfigError, DataError, FormatError, OutsideError
from baler_core.machine.addresses import address_of, beside, name_of
from baler_core.machine.cached import cached_property
from baler_core.machine.optional import need
from baler_core.pipeline.many.digests import growing_dimensions, schema_digest
from baler_core.pipeline.many.manifest import Manifest, PartRecord, read_manifest

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

logger = logging.getLogger(__name__)
_MOST_OPEN = 16


class FileSet(ByName["JoinedArray"]):
    """The files of a manifest, opened as they are needed; not to be used by several threads at once.

    Attributes
    ----------
    path
        Of the manifest; its address, if it lies elsewhere.
    manifest
        What it says: the parts, their rows and digests.
    """

    def __init__(self, path: Path | str, opening: Opening) -> None:
        self.path = Path(path) if (address := address_of(path)) is None else address
        self.manifest: Manifest = read_manifest(path)
        self._opening = opening
        self._open: dict[int, File] = {}
        if not self.manifest.parts:
            raise DataError(f"{path}: lists no finished file")
        _refuse_different(path, self.manifest.parts)
        if self.manifest.missing:
            logger.warning(
                "%s: %d of %d files are not there: they failed or are not finished",
                path,
                self.manifest.missing,
                self.manifest.files,
            )
        first = self.part(0)
        self._joined = growing_dimensions(first.schema)
        super().__init__(first.schema.names)

    def _make(self, name: str) -> JoinedArray:
        return JoinedArray(self, self.part(0)[name])

    def part(self, number: int) -> File:
        """Return one of the files, open.

        Raises
        ------
        FormatError
            If it is not the one that the manifest lists.
        """
        if number not in self._open:
            file = self.opened(number)
            while len(self._open) >= _MOST_OPEN:
                oldest = next(iter(self._open))
                self._open.pop(oldest).close()
            self._open[number] = file
        return self._open[number]

    def opened(self, number: int) -> File:
        """Return one of the files, opened anew: the caller closes it.

        Raises
        ------
        FormatError
            If it is not the one that the manifest lists.
        """
        record = self.manifest.parts[number]
        place = beside(self.path, record.file)
        another = f"{place}: is not the file that {name_of(self.path)} lists: run the compression again"
        if isinstance(place, Path) and place.is_file() and place.stat().st_size != record.file_bytes:
            raise FormatError(another)
        file = File(place, self._opening)
        rows = {dim: file.sizes[dim] for dim in growing_dimensions(file.schema)}
        alike = rows == record.rows and schema_digest(file.schema) == record.fields
        if not alike or file.fingerprint[0] != record.file_bytes:
            file.close()
            raise FormatError(another)
        return file

    def __repr__(self) -> str:
        return f"<baler_core.FileSet {str(self.path)!r}, {len(self.manifest.parts)} files, {len(self)} variables>"

    @cached_property
    def sizes(self) -> Mapping[str, int]:
        """Return the length of every dimension, over all files."""
        joined = {dim: sum(part.rows[dim] for part in self.manifest.parts) for dim in self._joined}
        return {**self.part(0).sizes, **joined}

    def starts(self, dim: str) -> list[int]:
        """Return where the rows of each file begin along a joined dimension, and where the last ones end."""
        return list(accumulate((part.rows[dim] for part in self.manifest.parts), initial=0))

    def is_joined(self, dim: str) -> bool:
        """Return whether the files are joined along a dimension."""
        return dim in self._joined

    def rows(
        self, start: int, stop: int, *, names: Sequence[str] | str | None = None, dim: str | None = None
    ) -> dict[str, np.ndarray]:
        """Return rows `start` to `stop` of a leading dimension, counted over all files; as `File.rows`.

        Raises
        ------
        OutsideError
            If there are not so many rows (an IndexError, too).
        """
        dim = self._leading(names) if dim is None else dim
        if not self.is_joined(dim):
            raise OutsideError(f"{self.path}: its files are not joined along {dim!r}, but along {self._joined}")
        starts = self.starts(dim)
        if not 0 <= start <= stop <= starts[-1]:
            raise OutsideError(f"{self.path}: has {starts[-1]:,} rows along {dim!r}: there are no rows {start}:{stop}")
        touched = overlaps(starts, start, stop)
        pieces = [self.part(number).rows(low, high, names=names, dim=dim) for number, low, high in touched]
        for name in pieces[0]:
            self.refuse_other_categories(name, [number for number, _, _ in touched])
        return {name: _joined([piece[name] for piece in pieces]) for name in pieces[0]}

    def refuse_other_categories(self, name: str, numbers: Sequence[int]) -> None:
        """Refuse to join codes of categories that mean something else in another file.

        Raises
        ------
        DataError
            If some of the files differ in them.
        """
        if name not in self.part(numbers[0]).categories:
            return
        listed = [np.asarray(file[file.categories[name].entries]) for file in map(self.part, numbers)]
        if any(not np.array_equal(listed[0], other) for other in listed[1:]):
            raise DataError(
                f"{self.path}: the categories of {name!r} differ between its files, and its values count in them: take "
                "to_arrow, to_pandas or to_polars"
            )

    def _leading(self, names: Sequence[str] | str | None) -> str:
        first = self.part(0)
        chosen = select_names(first.schema.names, [names] if isinstance(names, str) else names, str(self.path))
        try:
            return first.leading_of(chosen)
        except ConfigError as error:
            raise OutsideError(
                f"{self.path}: rows of which dimension? Name one of {', '.join(self._joined)} as dim="
            ) from error

    # ---- tables

    @cached_property
    def partitions(self) -> Sequence[Partition]:
        """Return what the names of the inputs' folders say, as `year=2020`: columns of tables, with a value for each file."""
        return partitions_of([part.input for part in self.manifest.parts], self.part(0).schema.names)

    def to_arrow(
        self, names: Sequence[str] | str | None = None, *, start: int | None = None, stop: int | None = None
    ) -> pa.Table:
        """Return variables along one dimension as a table of arrow, rows counted over all files; as `File.to_arrow`.

        What the names of folders say (`partitions`) are columns, too.
        """
        rest, partitions = split_names(names, self.partitions, self.part(0).schema.names)
        tables, alone = [], bool(partitions) and rest == []
        for number, a, b in self._tables(None if alone else rest, start, stop):
            own = None if alone else self.part(number).to_arrow(rest, start=a, stop=b)
            tables.append(with_arrow(own, partitions, number, b - a) if partitions else own)
        joined = joined_arrow(tables)
        return joined.select(ordered(names, joined.column_names)) if partitions else joined

    def to_pandas(
        self, names: Sequence[str] | str | None = None, *, start: int | None = None, stop: int | None = None
    ) -> pd.DataFrame:
        """Return the same as a table of pandas."""
        rest, partitions = split_names(names, self.partitions, self.part(0).schema.names)
        frames, alone = [], bool(partitions) and rest == []
        for number, a, b in self._tables(None if alone else rest, start, stop):
            own = None if alone else self.part(number).plain_frame(rest, a, b)
            frames.append(with_pandas(own, partitions, number, b - a) if partitions else own)
        joined = joined_frames(frames)
        return joined[ordered(names, list(joined.columns))] if partitions else joined

    def to_polars(
        self, names: Sequence[str] | str | None = None, *, start: int | None = None, stop: int | None = None
    ) -> pl.DataFrame:
        """Return the same as a table of polars."""
        need("a table of polars", "polars")
        import polars as pl

        frame = pl.from_arrow(self.to_arrow(names, start=start, stop=stop))
        assert isinstance(frame, pl.DataFrame)
        return frame

    def _tables(
        self, names: Sequence[str] | str | None, start: int | None, stop: int | None
    ) -> Iterator[tuple[int, int, int]]:
        """Yield the numbers of the files that hold some rows of a table, and which of theirs: those of a slice of all."""
        try:
            dim = self.part(0).leading_of(self.part(0).schema.names)
        except ConfigError:
            dim = self._leading(names)
        starts = self.starts(dim) if self.is_joined(dim) else [0, self.part(0).sizes[dim]]
        low, high, _ = slice(start, stop).indices(starts[-1])
        yield from overlaps(starts, low, max(low, high))

    def close(self) -> None:
        """Release all files."""
        while self._open:
            self._open.popitem()[1].close()


class JoinedArray(IndexedArray):
    """A variable of a set of files. Indexing restores what is asked for, from the files that hold it.

    Attributes
    ----------
    name, dims, dtype, attrs
        As those of the variable in each file.
    shape
        Over all files.
    """

    def __init__(self, files: FileSet, first: StoredArray) -> None:
        self._files = files
        self.name, self.dims, self.dtype, self.attrs = first.name, first.dims, first.dtype, first.attrs
        self.shape = tuple(files.sizes[dim] for dim in first.dims)

    def _read(self, box: tuple[slice, ...]) -> np.ndarray:
        if not self.dims or not self._files.is_joined(self.dims[0]):
            return inside(self._same, box)
        touched = overlaps(self._files.starts(self.dims[0]), box[0].start, box[0].stop)
        self._files.refuse_other_categories(self.name, [number for number, _, _ in touched])
        pieces = [self._files.part(number)[self.name][(slice(low, high), *box[1:])] for number, low, high in touched]
        return _joined(pieces)

    @cached_property
    def _same(self) -> np.ndarray:
        """The values of a variable that every file holds, the same in all."""
        first = np.asarray(self._files.part(0)[self.name])
        for number, record in enumerate(self._files.manifest.parts):
            other = np.asarray(self._files.part(number)[self.name])
            if not np.array_equal(first, other, equal_nan=first.dtype.kind in "fc"):
                raise DataError(
                    f"{self.name!r} differs between {self._files.manifest.parts[0].file} and {record.file}, and is not "
                    "joined along a dimension: open the files by themselves"
                )
        return first

    @property
    def _described(self) -> str:
        return f"{self.dtype}, joined,"


def _joined(pieces: Sequence[np.ndarray]) -> np.ndarray:
    """Return pieces as one array, masked if any is."""
    if any(isinstance(piece, np.ma.MaskedArray) for piece in pieces):
        return np.ma.concatenate(pieces)  # type: ignore[no-untyped-call]
    return np.concatenate(pieces)


def overlaps(starts: Sequence[int], start: int, stop: int) -> list[tuple[int, int, int]]:
    """Return (file, first row, end) of the rows in each file; an empty piece of one file where there are none."""
    first = min(max(0, bisect_right(starts, start) - 1), len(starts) - 2)
    found = [
        (number, max(start, starts[number]) - starts[number], min(stop, starts[number + 1]) - starts[number])
        for number in range(first, len(starts) - 1)
        if starts[number] < stop and starts[number + 1] > start
    ]
    return found or [(first, 0, 0)]


def _refuse_different(path: Path | str, parts: Sequence[PartRecord]) -> None:
    for part in parts:
        if part.fields != parts[0].fields or part.rows.keys() != parts[0].rows.keys():
            raise DataError(
                f"{path}: {part.file} and {parts[0].file} have different variables, units or grids: open the files by "
                "themselves"
            )
