"""The reader `zarr`: opens a store for reading, and starts one to be written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from baler_core import Reader, Schema, Shown, Sink, Source


class ZarrReader(Reader):
    """Zarr stores of versions 2 and 3, as folders or in a ZIP file."""

    name = "zarr"
    summary = "Zarr 2 and 3 stores, folders or .zip: groups, arrays of any rank and type, attributes, chunks, codecs"
    suffixes = (".zarr", ".zarr.zip", ".zip")
    folders = ("zarr.json", ".zgroup", ".zarray")

    def open(self, path: Path, variables: Sequence[str] | None = None) -> Source:
        """Open a store without reading values.

        Raises
        ------
        DataError
            If it is missing or damaged, has no such array, or has links or claims that are not safe to follow.
        """
        from baler_zarr.source import ZarrSource

        return ZarrSource(path, variables)

    def create(self, path: Path, schema: Schema) -> Sink:
        """Start a store with the same groups, arrays, attributes, chunks and codecs as the original."""
        from baler_zarr.sink import ZarrSink

        return ZarrSink(path, schema)

    def shown(self, schema: Schema) -> Shown | None:
        """Return how zarr and xarray show the store."""
        from baler_zarr.schema.shown import shown_zarr

        return shown_zarr(schema)
