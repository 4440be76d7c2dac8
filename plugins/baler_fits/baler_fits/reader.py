"""The reader `fits`: opens and creates FITS files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

import baler_core
from baler_core import Reader, Schema
from baler_fits.sink import FitsSink
from baler_fits.source import FitsSource
from baler_fits.values.packing import ENDINGS

PLAIN = (".fits", ".fit", ".fts", ".fits.fz", ".fit.fz", ".fz")


class FitsOptions(baler_core.Options):
    """Options of the reader `fits`."""

    hdu: int | str | None = Field(
        default=None, description="Take this HDU alone, by number or name; its columns then have plain names."
    )
    tiles: Literal["decode", "keep"] = Field(
        default="decode", description="Tile-compressed images: as images, or byte for byte."
    )


class FitsReader(Reader):
    """Reads and writes FITS (flexible image transport system, standard 4.0).

    Images and cubes are one variable each, named by EXTNAME or `hdu0`, `hdu1` ...; a table gives one variable
    per column, `EXTNAME/column`. Integers shifted by BZERO or TZERO to another signedness are plain integers; other
    scalings stay in the variable's `scale` and `offset`. All header cards are kept. What is not modelled (ASCII tables,
    unknown extensions, damaged tables, bytes after the last HDU) is kept byte for byte. Files compressed as a whole (gzip,
    bzip2, xz, compress) are compressed so again when restored.
    """

    name = "fits"
    summary = "FITS images, cubes and tables"
    suffixes = (*PLAIN, *(f"{plain}.{packed}" for packed in ENDINGS for plain in PLAIN))
    Options: ClassVar[type[baler_core.Options]] = FitsOptions

    @classmethod
    def formulas(cls, names: Sequence[str]) -> Sequence[baler_core.Formula]:
        """Return relations that the names of a catalogue's columns suggest: colours, distances, coordinates."""
        from baler_fits.metrics.formulas import suggested_formulas

        return suggested_formulas(names)

    def open(self, path: Path, variables: Sequence[str] | None = None) -> FitsSource:
        """Open a FITS file."""
        return FitsSource(path, variables, hdu=self.options.hdu, decode_tiles=self.options.tiles == "decode")

    def create(self, path: Path, schema: Schema) -> FitsSink:
        """Start a FITS file."""
        return FitsSink(path, schema)

    def cut(self, schema: baler_core.Schema, whole: baler_core.Schema) -> baler_core.Cut:
        """Describe a file with some HDUs, and some columns and rows of tables."""
        from baler_fits.schema.cutting import cut_hdus

        return cut_hdus(schema, whole)

    def exported(
        self, schema: Schema, lossy: Mapping[str, baler_core.Rounded], sample: baler_core.Block
    ) -> baler_core.Exported | None:
        """Describe a file whose lossy images lie in tiles."""
        from baler_fits.exporting import exported_file

        return exported_file(schema, lossy)

    def finish_export(self, path: Path, schema: Schema, lossy: Mapping[str, baler_core.Rounded]) -> None:
        """Put the lossy images into tiles."""
        from baler_fits.exporting import store_in_tiles

        store_in_tiles(path, schema, lossy)
