"""Parquet and Arrow files opened: their schema, and their columns in pieces (row groups, record batches)."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baler_core import DataError
from baler_parquet.contents.messages import codec_of, first_batch

if TYPE_CHECKING:
    import pyarrow as pa

# About as much of a file is in memory at once, beside the block that is made of it.
PART_BYTES = 32 << 20


class ArrowFile(ABC):
    """An open file.

    Attributes
    ----------
    schema
        Of pyarrow, with all metadata.
    rows
        Of each piece.
    """

    kind: str
    schema: pa.Schema
    rows: list[int]

    def __init__(self, path: Path) -> None:
        self.path = path

    @abstractmethod
    def parts(self, columns: Sequence[int], first: int = 0) -> Iterator[tuple[int, list[pa.Array]]]:
        """Yield some columns, by position, in parts, from a piece on: which piece each belongs to, and its arrays."""

    def no_nulls(self, column: int) -> bool:
        """Return whether the file states that a column without nesting has no nulls."""
        return not self.schema.field(column).nullable

    @abstractmethod
    def close(self) -> None:
        """Release the file."""

    def guarded(self, parts: Iterator[tuple[int, list[pa.Array]]]) -> Iterator[tuple[int, list[pa.Array]]]:
        """Yield the parts; damage is reported as such."""
        import pyarrow as pa

        try:
            yield from parts
        except (pa.ArrowException, OSError, ValueError, NotImplementedError) as error:
            raise DataError(f"{self.path}: its values cannot be read: {first_line(error)}") from error


@contextmanager
def located(path: Path) -> Iterator[None]:
    """Say which file it is that cannot be read."""
    try:
        yield
    except DataError as error:
        raise error if str(error).startswith(str(path)) else DataError(f"{path}: {error}") from error


def first_line(error: Exception) -> str:
    """Return what an error says, in one line."""
    return " ".join(str(error).split())[:300] or type(error).__name__


class ParquetFile(ArrowFile):
    """A Parquet file, whose pieces are row groups."""

    kind = "parquet"

    def __init__(self, path: Path) -> None:
        """Open a file.

        Raises
        ------
        DataError
            If it is missing, damaged, encrypted, or no Parquet.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        super().__init__(path)
        try:
            self.file = pq.ParquetFile(path, pre_buffer=False)
            self.schema = self.file.schema_arrow
        except (pa.ArrowException, OSError, ValueError, NotImplementedError) as error:
            raise DataError(f"{path}: cannot be opened as Parquet: {first_line(error)}") from error
        if path.name.lower() in ("_metadata", "_common_metadata"):
            self.close()
            raise DataError(f"{path}: only tells where other files are: name those")
        self._probe()
        meta = self.file.metadata
        groups = [meta.row_group(n) for n in range(meta.num_row_groups)]
        self.rows = [int(group.num_rows) for group in groups]
        if any(rows < 0 for rows in self.rows) or sum(self.rows) != meta.num_rows:
            self.close()
            raise DataError(f"{path}: its row groups do not have the number of rows that it states: it is damaged")
        self._bytes = [max(1, int(group.total_byte_size)) for group in groups]

    def _probe(self) -> None:
        """Read a row of each row group.

        What pyarrow tells of columns, it tells without checking, and damaged metadata end the process there; reading
        values checks the same metadata, and raises an exception.
        """
        import pyarrow as pa

        try:
            for number in range(self.file.metadata.num_row_groups):
                next(self.file.iter_batches(1, [number]), None)
        except (pa.ArrowException, OSError, ValueError, NotImplementedError) as error:
            self.close()
            raise DataError(f"{self.path}: cannot be read as Parquet: {first_line(error)}") from error

    def parts(self, columns: Sequence[int], first: int = 0) -> Iterator[tuple[int, list[pa.Array]]]:
        yield from self.guarded(self._parts(columns, first))

    def _parts(self, columns: Sequence[int], first: int) -> Iterator[tuple[int, list[pa.Array]]]:
        names = [self.schema.names[place] for place in columns]
        # Names with dots may mean parts of others, and several columns may have the same.
        plain = all(self.schema.names.count(name) == 1 and "." not in name for name in names)
        chosen = names if plain else None
        for piece in range(first, len(self.rows)):
            rows = self.rows[piece]
            step = min(max(1, rows * PART_BYTES // self._bytes[piece]), max(1, rows), 1 << 20)
            found = 0
            for batch in self.file.iter_batches(step, [piece], chosen):
                found += len(batch)
                if found > rows:
                    break
                yield piece, [batch.column(n if plain else place) for n, place in enumerate(columns)]
            if found != rows and columns:
                raise ValueError(f"the row group {piece} does not hold the {rows} rows that it states")

    def no_nulls(self, column: int) -> bool:
        if super().no_nulls(column):
            return True
        leaf = self._leaves().get(column)
        if leaf is None:
            return False
        groups = (self.file.metadata.row_group(n).column(leaf) for n, rows in enumerate(self.rows) if rows)
        return all(g.is_stats_set and g.statistics.has_null_count and g.statistics.null_count == 0 for g in groups)

    def _leaves(self) -> dict[int, int]:
        """The column in the sense of Parquet for each of pyarrow that is not nested."""
        if not hasattr(self, "_leaf_of"):
            names = self.schema.names
            by_path = {self.file.schema.column(n).path: n for n in range(self.file.metadata.num_columns)}
            self._leaf_of = {
                place: by_path[name] for place, name in enumerate(names) if name in by_path and names.count(name) == 1
            }
        return self._leaf_of

    def close(self) -> None:
        self.file.close(force=True)


class IpcFile(ArrowFile):
    """A Feather or Arrow file, whose pieces are record batches.

    Attributes
    ----------
    codec
        How its buffers are compressed: empty, `lz4` or `zstd`.
    """

    def __init__(self, path: Path) -> None:
        """Open a file, or a stream that was saved as one.

        Raises
        ------
        DataError
            If it is missing, damaged, of the first version of Feather, or none of all.
        """
        import pyarrow as pa

        super().__init__(path)
        try:
            with path.open("rb") as file:
                magic = file.read(8)
            if magic[:4] == b"FEA1":
                raise DataError(
                    f"{path}: is of the first version of Feather, which pyarrow no longer reads: write it again with "
                    "pandas, in an environment with pyarrow 15"
                )
            self.kind = "file" if magic[:6] == b"ARROW1" else "stream"
            self._source = pa.memory_map(str(path))
            self.codec = codec_of(path, first_batch(path) if self.kind == "file" else 0)
            self._open()
        except (pa.ArrowException, OSError, ValueError) as error:
            raise DataError(f"{path}: cannot be opened as Feather or Arrow: {first_line(error)}") from error

    def _open(self) -> None:
        import pyarrow as pa

        if self.kind == "file":
            self._reader = pa.ipc.open_file(self._source)
            self.schema, number = self._reader.schema, self._reader.num_record_batches
            self.footer = dict(self._reader.metadata or {})
            self.rows = [len(self._reader.get_batch(n)) for n in range(number)]
        else:
            with pa.ipc.open_stream(self._source) as reader:
                self.schema, self.footer = reader.schema, {}
                self.rows = [len(batch) for batch in reader]

    def parts(self, columns: Sequence[int], first: int = 0) -> Iterator[tuple[int, list[pa.Array]]]:
        yield from self.guarded(self._parts(columns, first))

    def _parts(self, columns: Sequence[int], first: int) -> Iterator[tuple[int, list[pa.Array]]]:
        for piece, batch in self._batches(first):
            chosen = [batch.column(place) for place in columns]
            for array in chosen:
                array.validate(full=True)
            bytes_ = max(1, sum(array.nbytes for array in chosen))
            step = max(1, len(batch) * PART_BYTES // bytes_)
            for start in range(0, len(batch), step):
                yield piece, [array.slice(start, step) for array in chosen]

    def _batches(self, first: int) -> Iterator[tuple[int, Any]]:
        import pyarrow as pa

        if self.kind == "file":
            for piece in range(first, len(self.rows)):
                yield piece, self._reader.get_batch(piece)
        else:
            self._source.seek(0)
            with pa.ipc.open_stream(self._source) as reader:
                yield from itertools.islice(enumerate(reader), first, None)

    def close(self) -> None:
        self._source.close()
