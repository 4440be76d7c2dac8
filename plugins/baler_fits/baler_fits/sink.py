"""Writes a FITS file: values collect in a scratch file as they come, `close` puts the file together front to back."""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from baler_core import Schema, Sink
from baler_fits.checksums import has_checksums, with_checksums
from baler_fits.headers import BLOCK, Keywords, header_bytes
from baler_fits.skeleton import Bones
from baler_fits.targets import Target
from baler_fits.tiles import compress_tiles

if TYPE_CHECKING:
    import xarray as xr

PIECE = 1 << 20  # a multiple of 4, so that checksums add up piece by piece


class FitsSink(Sink):
    """A FITS file being written.

    Parameters
    ----------
    path
        Where it will be; a scratch file of about its size lies beside it until it is complete.
    schema
        As `FitsSource` made it.

    Raises
    ------
    FormatError
        If the headers in the skeleton and the variables do not belong together.
    """

    def __init__(self, path: Path, schema: Schema) -> None:
        self._path = path
        self._gzip = bool(schema.skeleton.get("gzip"))
        self._targets: list[Target] = []
        self._scratch = cast(BinaryIO, tempfile.TemporaryFile(dir=path.parent))  # noqa: SIM115 (closed by close or abort)
        try:
            self._prepare(schema)
        except BaseException:
            self._scratch.close()
            raise

    def _prepare(self, schema: Schema) -> None:
        """Lay out the scratch file."""
        start = 0
        for record in schema.skeleton.get("hdus", []):
            target = Target(Bones.from_json(record), schema, self._scratch, start)
            self._targets.append(target)
            start += target.size

    def write(self, block: xr.Dataset) -> None:
        """Take in the next rows of some HDUs."""
        for target in self._targets:
            if any(name in block.variables for name in target.bones.variables):
                target.write(block)

    def close(self) -> None:
        """Write the file."""
        with self._path.open("wb") as file:
            if self._gzip:
                with gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as stream:
                    self._assemble(cast(BinaryIO, stream))
            else:
                self._assemble(file)
        self._scratch.close()

    def abort(self) -> None:
        """Release the scratch file, which vanishes with it."""
        self._scratch.close()

    def _assemble(self, file: BinaryIO) -> None:
        for target in self._targets:
            bones, data, start, size = target.bones, self._scratch, target.start, target.size
            header = bones.header
            if target.unit.kind == "tiles":
                header, data = compress_tiles(header, target.pixels(), self._path.parent)
                start, size = 0, data.seek(0, 2)
            padding = b" " if Keywords(header).text("XTENSION") == "TABLE" else b"\0"
            if not header:
                padding = b""
            if bones.size < 0 and has_checksums(header):
                header = with_checksums(header, _pieces(data, start, size, padding))
            file.write(header_bytes(header))
            for piece in _pieces(data, start, size, padding):
                file.write(piece)
            if data is not self._scratch:
                data.close()


def _pieces(file: BinaryIO, start: int, size: int, padding: bytes) -> Iterator[bytes]:
    """A stretch of a file and what pads it to whole blocks; bytes that were never written are zero."""
    for at in range(0, size, PIECE):
        file.seek(start + at)
        length = min(PIECE, size - at)
        piece = file.read(length).ljust(length, b"\0")
        yield piece + padding * (-size % BLOCK) if at + length == size else piece
