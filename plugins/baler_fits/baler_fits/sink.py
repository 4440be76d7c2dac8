"""Write a FITS file: values collect in a scratch file as they come, `close` puts the file together front to back."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from baler_core import Block, FormatError, Schema, Sink
from baler_fits.contents.hdus import padding_of, pieces_of
from baler_fits.contents.headers import BLOCK, header_bytes
from baler_fits.hdu_writers import HduTarget
from baler_fits.schema.differences import what_differs
from baler_fits.schema.skeleton import DATA_PADDING, HEADER_PADDING, QUANTISATION, TRAILING, Bones, attached_name
from baler_fits.values.checksums import has_checksums, with_checksums
from baler_fits.values.packing import is_packing, write_packed


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
        self.warnings: list[str] = []
        self._attachments = schema.attachments
        self._targets: list[HduTarget] = []
        self._scratch = cast(BinaryIO, tempfile.TemporaryFile(dir=path.parent))  # noqa: SIM115 (closed by close or abort)
        try:
            self._prepare(schema)
        except BaseException:
            self._scratch.close()
            raise

    def _prepare(self, schema: Schema) -> None:
        """Lay out the scratch file."""
        skeleton = schema.skeleton
        self._packed = skeleton.get("packed", "gzip" if skeleton.get("gzip") else "")
        records = skeleton.get("hdus", [])
        if not is_packing(self._packed) or not isinstance(records, list):
            raise FormatError("the record of a FITS file is damaged")
        start = 0
        for n, record in enumerate(records):
            target = HduTarget(Bones.from_json(record), schema, self._scratch, start)
            for what in (HEADER_PADDING, DATA_PADDING):
                if len(self._attachments.get(attached_name(n, what), b"")) >= BLOCK:
                    raise FormatError("the record of a FITS header is damaged: its padding is longer than a block")
            self._targets.append(target)
            start += target.size

    def write(self, block: Block) -> None:
        """Take in the next rows of some HDUs."""
        for target in self._targets:
            if any(name in block.variables for name in target.bones.variables):
                target.write(block)

    def close(self) -> None:
        """Write the file."""
        with self._path.open("wb") as file:
            write_packed(file, self._packed, self._pieces())
        self._scratch.close()

    def abort(self) -> None:
        """Release the scratch file, which vanishes with it."""
        self._scratch.close()

    def _pieces(self) -> Iterator[bytes]:
        """The bytes of the whole file."""
        for n, target in enumerate(self._targets):
            if target.unit.kind != "tiles":
                yield from self._hdu(n, target.bones.header, self._scratch, target.start, target.size)
                continue
            from baler_fits.values.tiling import compress_tiles

            scales = self._attachments.get(attached_name(n, QUANTISATION))
            made = compress_tiles(target.bones.header, target.pixels(), scales, self._path.parent)
            with made.data as data:
                yield from self._hdu(n, made.header, data, 0, data.seek(0, 2), made.loose)
        yield self._attachments.get(TRAILING, b"")

    def _hdu(self, n: int, header: str, data: BinaryIO, start: int, size: int, loose_tiles: int = 0) -> Iterator[bytes]:
        """Return the bytes of one HDU, whose data lie in an open file; report differences from the original."""
        bones = self._targets[n].bones
        fill = self._attachments.get(attached_name(n, HEADER_PADDING)) if len(header) == len(bones.header) else None
        padding = self._attachments.get(attached_name(n, DATA_PADDING)) if data is self._scratch else None
        padding = padding_of(header, size) if padding is None else padding
        if bones.size < 0 and not bones.untrue and has_checksums(header):
            header = with_checksums(
                header, pieces_of(data, start, size, padding), fill, unchanged=header == bones.header
            )
        self.warnings += what_differs(n, bones, header, loose_tiles)
        yield header_bytes(header, fill)
        yield from pieces_of(data, start, size, padding)
