"""Write NumPy's files from blocks, array by array, without holding more than one of them."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO

import numpy as np

from baler_core.builtin.readers.numpy.npy_array import ArrayForm, join_fields, write_header
from baler_core.data.block import Block, values_of
from baler_core.data.variables import Schema
from baler_core.errors import FormatError
from baler_core.plugin.reading import Sink

_PIECE = 1 << 22


class _ArrayWriter:
    """Appends the rows of one array to a region of a file; Fortran order waits for the last row."""

    def __init__(self, file: IO[bytes], offset: int, form: ArrayForm) -> None:
        self.form, self._file, self._offset = form, file, offset
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
            self._file.write(values.reshape(-1).view(np.uint8).data)
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
    """An archive being written: rows are gathered in an unnamed file, members are made of it on closing.

    A zip holds one member after the other, while blocks bring rows of several arrays at a time.
    """

    def __init__(self, path: Path, schema: Schema) -> None:
        forms = [ArrayForm.from_json(stored) for stored in schema.skeleton["arrays"]]
        if len({form.name for form in forms}) < len(forms):
            raise FormatError("two arrays of the archive have one name")
        self._compression = zipfile.ZIP_DEFLATED if schema.skeleton["compressed"] else zipfile.ZIP_STORED
        self._path = path
        self._rows = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115
        self._writers: list[_ArrayWriter] = []
        offset = 0
        for form in forms:
            self._writers.append(_ArrayWriter(self._rows, offset, form))
            offset += form.nbytes

    def write(self, block: Block) -> None:
        for writer in self._writers:
            values = _values_of_form(block, writer.form)
            if values:
                writer.append(values)

    def close(self) -> None:
        with zipfile.ZipFile(self._path, "w", self._compression) as archive:
            offset = 0
            for writer in self._writers:
                writer.finish()
                self._add_member(archive, writer.form, offset)
                offset += writer.form.nbytes
        self._rows.close()

    def _add_member(self, archive: zipfile.ZipFile, form: ArrayForm, offset: int) -> None:
        # A fixed date: the same values give the same file.
        member = zipfile.ZipInfo(f"{form.name}.npy", (1980, 1, 1, 0, 0, 0))
        member.compress_type = self._compression
        with archive.open(member, "w", force_zip64=form.nbytes > 1 << 30) as target:
            write_header(target, form)
            self._rows.seek(offset)
            left = form.nbytes
            while left:
                piece = self._rows.read(min(left, _PIECE))
                target.write(piece)
                left -= len(piece)

    def abort(self) -> None:
        self._rows.close()
