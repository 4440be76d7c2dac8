"""The readers `parquet` and `arrow`: open a file for reading, and start a file to be written."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from baler_core import Categories, Exported, Reader, Rounded, Schema, Sink, Source, TableColumn

if TYPE_CHECKING:
    import pandas as pd

    from baler_core import Block


class _TableReader(Reader):
    """What both kinds of file tell of their columns in the same way."""

    def nulls(self, schema: Schema) -> Mapping[str, Sequence[str]]:
        """Return the masks of columns; that of a struct is none of its fields'."""
        from baler_parquet.schema.layout import masks_of

        return masks_of(schema)

    def categories(self, schema: Schema) -> Mapping[str, Categories]:
        """Return which columns are codes of a dictionary."""
        from baler_parquet.schema.layout import categories_of

        return categories_of(schema)

    def table_columns(self, schema: Schema, names: Collection[str]) -> Sequence[TableColumn]:
        """Return the columns as `pyarrow` reads them from the original, but for those with dictionaries."""
        from baler_parquet.schema.table_columns import table_columns

        return table_columns(schema, names)

    def frame_as_read(self, schema: Schema, frame: pd.DataFrame, start: int | None) -> pd.DataFrame:
        """Return a table with the index, types and attributes that pandas has written into the file."""
        from baler_parquet.schema.pandas_form import as_read_by_pandas

        return as_read_by_pandas(schema, frame, start)


class ParquetReader(_TableReader):
    """Tables in Parquet: one variable per column; lists are jagged, structs are taken apart."""

    name = "parquet"
    summary = "Parquet files: flat and nested columns, nulls, dictionaries; row groups and metadata are kept"
    suffixes = (".parquet", ".pq", ".parq")

    def open(self, path: Path, variables: Sequence[str] | None = None) -> Source:
        """Open a file; columns with lists, nulls or dictionaries are read once for these.

        Raises
        ------
        DataError
            If the file is missing, damaged or encrypted, or has no such column.
        """
        from baler_parquet.contents.files import ParquetFile
        from baler_parquet.schema.storage import storage_of_file
        from baler_parquet.source import ArrowSource

        file = ParquetFile(path)
        return ArrowSource(file, variables, lambda schema, places: storage_of_file(file, schema, places))

    def create(self, path: Path, schema: Schema) -> Sink:
        """Start a file with the same columns, types, row groups, compression and metadata as the original."""
        from baler_parquet.sink import ArrowSink

        return ArrowSink(path, schema)

    def exported(self, schema: Schema, lossy: Mapping[str, Rounded], sample: Block) -> Exported | None:
        """Describe a file compressed with Zstandard, the bytes of lossy columns split into streams where that is smaller."""
        from baler_parquet.schema.exporting import exported_file

        return exported_file(schema, lossy, sample)


class ArrowReader(_TableReader):
    """Tables in Feather, and Arrow's own files and streams."""

    name = "arrow"
    summary = (
        "Feather and Arrow files: flat and nested columns, nulls, dictionaries; record batches and metadata are kept"
    )
    suffixes = (".feather", ".arrow", ".ipc", ".arrows")

    def open(self, path: Path, variables: Sequence[str] | None = None) -> Source:
        """Open a file; columns with lists, nulls or dictionaries are read once for these.

        Raises
        ------
        DataError
            If the file is missing or damaged, or has no such column.
        """
        from baler_parquet.contents.files import IpcFile
        from baler_parquet.source import ArrowSource

        file = IpcFile(path)
        footer = {key.decode("latin-1"): value.decode("latin-1") for key, value in file.footer.items()}
        return ArrowSource(file, variables, lambda schema, places: ({"codec": file.codec, "footer": footer}, []))

    def create(self, path: Path, schema: Schema) -> Sink:
        """Start a file with the same columns, types, record batches, compression and metadata as the original."""
        from baler_parquet.sink import ArrowSink

        return ArrowSink(path, schema)

    def exported(self, schema: Schema, lossy: Mapping[str, Rounded], sample: Block) -> Exported | None:
        """Describe a file compressed with Zstandard."""
        from baler_parquet.schema.exporting import exported_file

        return exported_file(schema, lossy, sample)
