"""Writes a FITS file: values collect in a scratch file as they come, `close` puts the file together front to back."""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np

from baler_core import DataError, FormatError, Schema, Sink, Variable, values_of
from baler_fits.checksums import has_checksums, with_checksums
from baler_fits.headers import BLOCK, Keywords, header_bytes
from baler_fits.heap import places_in
from baler_fits.skeleton import Bones
from baler_fits.structure import data_size
from baler_fits.tiles import compress_tiles
from baler_fits.units import NotModelled, Unit, bytes_unit, unit_of
from baler_fits.values import to_stored

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
        self._scratch = cast(BinaryIO, tempfile.TemporaryFile(dir=path.parent))  # noqa: SIM115 (closed by close or abort)
        variables = {variable.name: variable for variable in schema.variables}
        self._targets: list[Target] = []
        start = 0
        for record in schema.skeleton.get("hdus", []):
            target = Target(Bones.from_json(record), variables, schema.counts, self._scratch, start)
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


class Target:
    """Where the data of one HDU go in the scratch file.

    Parameters
    ----------
    variables, counts
        Those of the whole schema.
    scratch, start
        The scratch file, and the first byte of this HDU's data in it.
    """

    def __init__(
        self, bones: Bones, variables: Mapping[str, Variable], counts: Mapping[str, str], scratch: BinaryIO, start: int
    ) -> None:
        self.bones, self.start = bones, start
        self._scratch = scratch
        self._row = 0
        self.unit, self.size = _restored_unit(bones)
        try:
            self._variables = [variables[name] for name in bones.variables]
        except KeyError as error:
            raise FormatError(f"the FITS header records name a variable that is not there: {error}") from error
        self.unit = _fitted(self.unit, self._variables)
        jagged = {n: f for n, f in enumerate(self.unit.fields) if f.pointer is not None}
        if len(jagged) != len(bones.lengths):
            raise FormatError("the record of a FITS table does not say how long its arrays are")
        # where the next array of each variable-length field goes in the heap
        self._next = dict(zip(jagged, np.cumsum([0, *bones.lengths]).tolist(), strict=False))
        self._counts = {n: counts.get(self._variables[n].dims[0], "") for n in jagged}

    def write(self, block: xr.Dataset) -> None:
        """Put the rows of a block behind the earlier ones."""
        first = self._variables[0].name if self._variables else ""
        rows = self._row_count(block, first)
        table = np.zeros(rows, self.unit.row_dtype)
        arrays: dict[int, list[bytes]] = {}
        for n, variable in enumerate(self._variables):
            values = values_of(block, variable.name)
            if self.unit.fields[n].pointer is None:
                table[f"f{n}"] = to_stored(values, self.unit.fields[n]).reshape(rows, *self.unit.fields[n].shape)
            else:
                arrays[n] = self._split(block, n, values)
        if arrays:
            self._write_heap(arrays, table)
        self._scratch.seek(self.start + self._row * self.unit.row_bytes)
        self._scratch.write(table.tobytes())
        self._row += rows

    def _row_count(self, block: xr.Dataset, name: str) -> int:
        """Rows of this HDU in a block."""
        counts = self._counts.get(0)
        return len(values_of(block, counts if counts else name))

    def _split(self, block: xr.Dataset, n: int, values: np.ndarray) -> list[bytes]:
        """The bytes of each array of a variable-length field."""
        if self._variables[n].is_text:
            return [bytes(text) for text in values]
        one = self.unit.fields[n]
        raw = to_stored(values, one).tobytes()
        ends = (np.cumsum(values_of(block, self._counts[n]), dtype=np.int64) * one.stored.itemsize).tolist()
        return [raw[a:b] for a, b in zip([0, *ends[:-1]], ends, strict=True)]

    def _write_heap(self, arrays: Mapping[int, list[bytes]], table: np.ndarray) -> None:
        """Write arrays to the heap, and their descriptors into the rows."""
        lengths = [np.array([len(piece) for piece in pieces], np.int64) for pieces in arrays.values()]
        by_row = self.bones.order == "rows"
        heap = self.start + self.unit.heap
        begin = min(self._next.values())
        places = places_in(self.bones.order, lengths)
        for n, own, where in zip(arrays, lengths, places, strict=True):
            if not by_row:
                begin, where = self._next[n], where - (where[0] if len(where) else 0)
            table[f"f{n}"][:, 0] = own // self.unit.fields[n].stored.itemsize
            table[f"f{n}"][:, 1] = np.where((own == 0) & self.bones.empty_at_start, 0, begin + where)
            if not by_row:
                self._put(heap + begin, arrays[n])
                self._next[n] += int(own.sum())
        if by_row:
            self._put(heap + begin, [piece for row in zip(*arrays.values(), strict=True) for piece in row])
            self._next = dict.fromkeys(self._next, begin + int(sum(own.sum() for own in lengths)))

    def _put(self, place: int, pieces: list[bytes]) -> None:
        self._scratch.seek(place)
        self._scratch.write(b"".join(pieces))

    def pixels(self) -> np.ndarray:
        """The whole image as a memory map of the scratch file (big-endian)."""
        self._scratch.flush()
        one = self.unit.fields[0]
        self._scratch.truncate(max(self._scratch.seek(0, 2), self.start + self.size))
        return np.memmap(self._scratch, one.stored, "r", self.start, (self.unit.rows, *one.shape))


def _restored_unit(bones: Bones) -> tuple[Unit, int]:
    """The data unit of a restored HDU, and its bytes in the scratch file."""
    if bones.size >= 0:
        return bytes_unit(bones.size), bones.size
    try:
        keywords = Keywords(bones.header)
        size = data_size(keywords, "the record of a FITS header")
        unit = unit_of(keywords, size)
    except (DataError, NotModelled) as error:
        raise FormatError(f"the record of a FITS header is damaged: {error}") from error
    return unit, unit.rows * unit.row_bytes if unit.kind == "tiles" else size


def _fitted(unit: Unit, variables: list[Variable]) -> Unit:
    """The unit with its logical fields as its variables have them.

    Raises
    ------
    FormatError
        If the variables are not those of the unit.
    """
    fields: list[Any] = []
    for one, variable in zip(unit.fields, variables, strict=False):
        logical = variable.dtype == "|b1"
        fields.append(replace(one, logical=True) if logical and one.is_text else one)
    if [one.dtype for one in fields] != [variable.dtype for variable in variables] or len(fields) != len(unit.fields):
        raise FormatError("the FITS headers do not describe the variables of this file")
    return replace(unit, fields=tuple(fields))
