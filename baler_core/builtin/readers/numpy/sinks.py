"""Write NumPy's files from blocks, array by array, without holding more than one of them."""

from __future__ import annotations

import io
import tempfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from baler_core.builtin.readers.numpy.npy_array import ArrayForm, join_fields, write_header
from baler_core.data.block import Block, values_of
from baler_core.data.variables import Schema
from baler_core.errors import FormatError
from baler_core.plugin.reading import Sink

_PIECE = 1 << 22
# Members of more bytes are described by 64-bit numbers.
_LONG_MEMBER = 1 << 30


class _ArrayWriter:
    """Appends the rows of one array to a region of a file; Fortran order waits for the last row.

    Parameters
    ----------
    checksum
        CRC-32 of what stands before the rows.
    """

    def __init__(self, file: IO[bytes], offset: int, form: ArrayForm, checksum: int = 0) -> None:
        self.form, self._file, self._offset = form, file, offset
        self.checksum = checksum
        self._position = 0
        self._waiting: list[np.ndarray] = []

    def append(self, values: Mapping[str, np.ndarray]) -> None:
        """Write the rows of a block, given as the variables they were split into."""
        rows = join_fields(values, self.form)
        if self.form.fortran:
            self._waiting.append(rows)
        else:
            self._put(np.ascontiguousarray(rows))

    def finish(self) -> None:
        """Write what has waited, and make sure that nothing is missing."""
        if self._waiting:
            whole = np.concatenate(self._waiting)
            self._waiting.clear()
            self._put(np.ascontiguousarray(whole.T))
        if self._position != self.form.nbytes:
            raise FormatError(
                f"the array {self.form.name!r} should take {self.form.nbytes} bytes, the blocks gave {self._position}"
            )

    def _put(self, values: np.ndarray) -> None:
        if values.nbytes:
            self._file.seek(self._offset + self._position)
            data = values.reshape(-1).view(np.uint8).data
            self._file.write(data)
            self.checksum = zlib.crc32(data, self.checksum)
            self._position += values.nbytes


def _values_of_form(block: Block, form: ArrayForm) -> dict[str, np.ndarray]:
    return {leaf.name: values_of(block, leaf.name) for leaf in form.leaves() if leaf.name in block.variables}


class NpySink(Sink):
    """An array file being written."""

    def __init__(self, path: Path, schema: Schema) -> None:
        form = ArrayForm.from_json(schema.skeleton["array"])
        self._file = path.open("wb")
        write_header(self._file, form)
        self._writer = _ArrayWriter(self._file, self._file.tell(), form)

    def write(self, block: Block) -> None:
        self._writer.append(_values_of_form(block, self._writer.form))

    def close(self) -> None:
        self._writer.finish()
        self._file.close()

    def abort(self) -> None:
        self._file.close()


class NpzSink(Sink):
    """An archive being written: rows go where they lie in it, or first to an unnamed file where it is to be compressed.

    A zip holds one member after the other, while blocks bring rows of several arrays at a time.
    """

    def __init__(self, path: Path, schema: Schema) -> None:
        forms = [ArrayForm.from_json(stored) for stored in schema.skeleton["arrays"]]
        if len({form.name for form in forms}) < len(forms):
            raise FormatError("two arrays of the archive have one name")
        self._members: _StoredMembers | _DeflatedMembers = (
            _DeflatedMembers(path, forms) if schema.skeleton["compressed"] else _StoredMembers(path, forms)
        )

    def write(self, block: Block) -> None:
        for writer in self._members.writers:
            values = _values_of_form(block, writer.form)
            if values:
                writer.append(values)

    def close(self) -> None:
        for writer in self._members.writers:
            writer.finish()
        self._members.close()

    def abort(self) -> None:
        self._members.file.close()


def _member(form: ArrayForm, compression: int) -> zipfile.ZipInfo:
    """Describe an array as a member; of a fixed date: the same values give the same file."""
    member = zipfile.ZipInfo(f"{form.name}.npy", (1980, 1, 1, 0, 0, 0))
    member.compress_type = compression
    return member


class _StoredMembers:
    """Members as they are, whose places follow from their sizes."""

    def __init__(self, path: Path, forms: Sequence[ArrayForm]) -> None:
        self._members: list[tuple[zipfile.ZipInfo, bytes]] = []
        self._end = 0
        firsts = []
        for form in forms:
            begin = io.BytesIO()
            write_header(begin, form)
            member = _member(form, zipfile.ZIP_STORED)
            member.external_attr, member.header_offset, member.CRC = 0o600 << 16, self._end, 0
            member.file_size = member.compress_size = len(begin.getvalue()) + form.nbytes
            self._members.append((member, begin.getvalue()))
            firsts.append(self._end + len(self._header(member, begin.getvalue())))
            self._end = firsts[-1] + form.nbytes
        self.file = path.open("w+b")
        self.writers = [
            _ArrayWriter(self.file, first, form, zlib.crc32(begin))
            for form, first, (_, begin) in zip(forms, firsts, self._members, strict=True)
        ]

    def _header(self, member: zipfile.ZipInfo, begin: bytes) -> bytes:
        return member.FileHeader(zip64=member.file_size - len(begin) > _LONG_MEMBER) + begin

    def close(self) -> None:
        """Write what stands before the rows, which tells their checksum, and the directory."""
        for (member, begin), writer in zip(self._members, self.writers, strict=True):
            member.CRC = writer.checksum
            self.file.seek(member.header_offset)
            self.file.write(self._header(member, begin))
        self.file.seek(0)
        with zipfile.ZipFile(self.file, "w") as archive:
            archive.filelist.extend(member for member, _ in self._members)
            archive.start_dir = self._end
        self.file.close()


class _DeflatedMembers:
    """Compressed members, made of their rows when these are complete."""

    def __init__(self, path: Path, forms: Sequence[ArrayForm]) -> None:
        self._path = path
        self.file = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115
        self.writers: list[_ArrayWriter] = []
        offset = 0
        for form in forms:
            self.writers.append(_ArrayWriter(self.file, offset, form))
            offset += form.nbytes

    def close(self) -> None:
        """Write the archive."""
        self.file.seek(0)
        with zipfile.ZipFile(self._path, "w", zipfile.ZIP_DEFLATED) as archive:
            for writer in self.writers:
                self._add(archive, writer.form)
        self.file.close()

    def _add(self, archive: zipfile.ZipFile, form: ArrayForm) -> None:
        with archive.open(_member(form, zipfile.ZIP_DEFLATED), "w", force_zip64=form.nbytes > _LONG_MEMBER) as target:
            write_header(target, form)
            left = form.nbytes
            while left:
                piece = self.file.read(min(left, _PIECE))
                target.write(piece)
                left -= len(piece)
