"""The reader `vtk`: opens a file for reading, and starts one to be written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from baler_core import Reader, Schema, Sink, Source


class VtkReader(Reader):
    """Meshes and grids in VTK's formats."""

    name = "vtk"
    summary = "VTK meshes, polygons and grids: XML (.vtu .vtp .vti .vtr .vts) and legacy (.vtk), text or binary"
    # Files that name others are opened for the sentence that says what to do with them.
    suffixes = (
        ".vtu",
        ".vtp",
        ".vti",
        ".vtr",
        ".vts",
        ".vtk",
        ".pvd",
        ".vtm",
        ".pvtu",
        ".pvtp",
        ".pvti",
        ".pvtr",
        ".pvts",
    )

    def open(self, path: Path, variables: Sequence[str] | None = None) -> Source:
        """Open a file; each array is decoded once for its length.

        Raises
        ------
        DataError
            If the file is missing, damaged, of another kind, or compressed by a method that is not kept.
        """
        from baler_vtk.source import VtkSource

        return VtkSource(path, variables)

    def create(self, path: Path, schema: Schema) -> Sink:
        """Start a file with the text of the original, and arrays of the same form."""
        from baler_vtk.sink import VtkSink

        return VtkSink(path, schema)
