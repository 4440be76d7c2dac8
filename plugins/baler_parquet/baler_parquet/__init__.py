"""The baler plugin for Parquet, Feather and Arrow files, and for tables of pyarrow."""

from __future__ import annotations

from baler_core import ObjectKind, Reader, hookimpl


@hookimpl
def baler_readers() -> list[type[Reader]]:
    """Return the readers `parquet` and `arrow`."""
    from baler_parquet.reader import ArrowReader, ParquetReader

    return [ParquetReader, ArrowReader]


@hookimpl
def baler_objects() -> list[type[ObjectKind]]:
    """Return tables of pyarrow."""
    from baler_parquet.objects.arrow_tables import ArrowTables

    return [ArrowTables]
