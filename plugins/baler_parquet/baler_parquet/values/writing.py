"""Write pieces of a table (row groups, record batches) to files that are stored as the original was."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baler_parquet.contents.storage import Facts, candidates, columns_of, differences, facts_of, form_of

if TYPE_CHECKING:
    import pyarrow as pa

CODECS = ("UNCOMPRESSED", "SNAPPY", "GZIP", "BROTLI", "LZ4", "ZSTD")
ENCODINGS = ("PLAIN", "BYTE_STREAM_SPLIT", "DELTA_BINARY_PACKED", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY")
FALSE_POSITIVES = 0.05


class Output(ABC):
    """A file being written, piece by piece."""

    warnings: list[str]

    @abstractmethod
    def write(self, piece: pa.Table) -> None:
        """Append a piece."""

    @abstractmethod
    def close(self) -> None:
        """Complete the file."""

    @abstractmethod
    def abort(self) -> None:
        """Release the file."""


class ParquetOutput(Output):
    """A Parquet file; each piece becomes a row group."""

    def __init__(self, path: Path, schema: pa.Schema, storage: Mapping[str, Any]) -> None:
        import pyarrow.parquet as pq

        self.warnings = []
        self._path, self._storage = path, dict(storage)
        self._writer = pq.ParquetWriter(path, schema, **arguments(schema, self._storage))
        if schema.metadata and not self._storage["arrow_schema"]:
            # With the schema of Arrow, its metadata come by themselves.
            self._writer.add_key_value_metadata(schema.metadata)

    def write(self, piece: pa.Table) -> None:
        self._writer.write_table(piece, row_group_size=max(1, len(piece)))

    def close(self) -> None:
        """Complete the file, and find out how it differs from the original."""
        import pyarrow.parquet as pq

        self._writer.close()
        with pq.ParquetFile(self._path) as written:
            names = [written.schema.column(n).path for n in range(len(written.schema))]
            self.warnings = list(differences(self._storage["facts"], facts_of(written.metadata), names))

    def abort(self) -> None:
        self._writer.close()


class IpcOutput(Output):
    """A Feather or Arrow file, or a stream; each piece becomes a record batch."""

    def __init__(self, path: Path, schema: pa.Schema, storage: Mapping[str, Any], *, stream: bool) -> None:
        import pyarrow as pa

        self.warnings = []
        codec = {"": None, "lz4": "lz4", "zstd": "zstd"}[storage["codec"]]
        options = pa.ipc.IpcWriteOptions(compression=codec, unify_dictionaries=False)
        footer = {key.encode("latin-1"): value.encode("latin-1") for key, value in storage["footer"].items()}
        self._file = pa.OSFile(str(path), "wb")
        if stream:
            self._writer = pa.ipc.new_stream(self._file, schema, options=options)
        else:
            self._writer = pa.ipc.new_file(self._file, schema, options=options, metadata=footer or None)

    def write(self, piece: pa.Table) -> None:
        import pyarrow as pa

        if piece.num_columns:
            batch = piece.combine_chunks().to_batches()
            self._writer.write_batch(batch[0] if batch else _empty(piece))
        else:
            self._writer.write_batch(pa.RecordBatch.from_arrays([], schema=piece.schema))

    def close(self) -> None:
        self._writer.close()
        self._file.close()

    def abort(self) -> None:
        self._file.close()


def _empty(piece: pa.Table) -> pa.RecordBatch:
    """Return a batch without rows, with the dictionaries of its columns."""
    import pyarrow as pa

    columns = [one.chunk(0) if one.num_chunks else pa.array([], one.type) for one in piece.columns]
    return pa.RecordBatch.from_arrays(columns, schema=piece.schema)


def arguments(schema: pa.Schema, storage: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of `pyarrow.parquet.ParquetWriter` that store columns as the original does.

    Raises
    ------
    ValueError, TypeError, KeyError, IndexError
        If the record is damaged.
    """
    import pyarrow.parquet as pq

    facts: Facts = storage["facts"]
    plain = _plain(storage)
    paths = _paths(schema, plain)
    columns = columns_of(facts)
    given = dict(zip(paths, columns, strict=False))
    encodings = {path: one[1] for path, one in given.items() if one[1] in ENCODINGS}
    found: dict[str, Any] = {
        **plain,
        "compression": {path: _codec(one[0]) for path, one in given.items()} or "snappy",
        "use_dictionary": [path for path, one in given.items() if one[1] == "dictionary"] if given else True,
        "write_statistics": [path for path, one in given.items() if one[2]] if given else True,
        "data_page_version": "2.0" if storage["pages"] == "2.0" else "1.0",
        "write_page_index": bool(facts["index"]),
    }
    if any(encoding != "PLAIN" for encoding in encodings.values()):
        found["column_encoding"] = encodings
    filters = {path: {"ndv": _distinct(int(one[3])), "fpp": FALSE_POSITIVES} for path, one in given.items() if one[3]}
    if filters:
        found["bloom_filter_options"] = filters
    if storage.get("level"):  # of files that were exported
        found["compression_level"] = int(storage["level"])
    if facts["sorting"]:
        sorting = [pq.SortingColumn(int(n), bool(down), bool(nulls)) for n, down, nulls in facts["sorting"]]
        if any(not 0 <= one.column_index < len(paths) for one in sorting):
            raise ValueError("the file is sorted by a column that it does not have")
        found["sorting_columns"] = sorting
    return found


def _plain(storage: Mapping[str, Any]) -> dict[str, Any]:
    """What decides on the schema in Parquet."""
    version = storage["version"]
    if version not in ("1.0", "2.4", "2.6"):
        raise ValueError(f"version {version!r} of Parquet")
    return {
        "version": version,
        "use_compliant_nested_type": bool(storage["compliant"]),
        "store_decimal_as_integer": bool(storage["integers"]),
        "use_deprecated_int96_timestamps": bool(storage["int96"]),
        "store_schema": bool(storage["arrow_schema"]),
    }


def paths_of(schema: pa.Schema, storage: Mapping[str, Any]) -> list[str]:
    """Return the paths of the columns of a file, as Parquet has them."""
    return _paths(schema, _plain(storage))


def _paths(schema: pa.Schema, plain: Mapping[str, Any]) -> list[str]:
    written = file_of_no_rows(schema, plain).schema
    return [written.column(n).path for n in range(len(written))]


def file_of_no_rows(schema: pa.Schema, plain: Mapping[str, Any]) -> Any:
    """Return a file of no rows, opened, whose schemas tell how columns are written and read again."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, schema, **plain):
        pass
    return pq.ParquetFile(pa.BufferReader(sink.getvalue()))


def way_of_writing(schema: pa.Schema, original: Any, facts: Facts, *, arrow_schema: bool) -> tuple[dict[str, Any], str]:
    """Return how a file with the same schema in Parquet is written, and where that is not possible.

    Where no way gives the same schema, types come first: other writers have types in files of version 1 that pyarrow writes into
    later ones alone, and times in nanoseconds would not fit into what it makes of them.

    Parameters
    ----------
    original
        The schema in Parquet.
    """
    import pyarrow as pa

    wanted = form_of(original)
    ways = list(candidates(facts, {one[1] for one in wanted}))
    later = [{**way, "version": "2.6"} for way in ways if way["version"] == "1.0"]
    usable: list[tuple[int, dict[str, Any], str]] = []
    for way in [*ways, *later]:
        stored = {**way, "arrow_schema": arrow_schema}
        try:
            made = file_of_no_rows(schema, _plain(stored))
        except pa.ArrowException:
            continue
        if (form := form_of(made.schema)) == wanted:
            return stored, ""
        changed = _changed(schema, made.schema_arrow)
        usable.append((len(changed), stored, f"{_first_difference(wanted, form)}; {_as_read(changed)}"))
    if not usable:
        return {**ways[0], "arrow_schema": arrow_schema}, ""
    _, stored, difference = min(usable, key=lambda one: one[0])  # the first of those that are read most alike
    return stored, difference


def _changed(schema: pa.Schema, read: pa.Schema) -> list[str]:
    """Return which columns are read as something else than they were; types are equal whatever items of lists are called."""
    pairs = zip(schema, read, strict=True)
    return [f"{one.name} as {other.type}, not {one.type}" for one, other in pairs if str(one) != str(other)]


def _as_read(changed: Sequence[str]) -> str:
    more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
    return f"pyarrow reads {changed[0]}{more}" if changed else "what pyarrow reads is the same"


def _first_difference(wanted: list[tuple[Any, ...]], made: list[tuple[Any, ...]]) -> str:
    one, other = next(((a, b) for a, b in zip(wanted, made, strict=False) if a != b), (("more",), ("fewer columns",)))
    return f"{' '.join(map(str, one[:3]))} becomes {' '.join(map(str, other[:3]))}"


def _codec(name: Any) -> str:
    return {"UNCOMPRESSED": "NONE"}.get(name, name) if name in CODECS else "ZSTD"


def _distinct(length: int) -> int:
    """The number of distinct values for which a Bloom filter takes so many bytes."""
    size = 2 ** max(5, min(27, length.bit_length() - 1))
    return max(1, int(-0.99 * size * math.log(1 - FALSE_POSITIVES**0.125)))
