"""Read and write NumPy's files: one array (`.npy`) or a zip of named arrays (`.npz`)."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, ClassVar

from baler_core.builtin.readers.numpy.npy_array import ArrayForm, ArrayRows, MappedRows, StreamedRows, read_header
from baler_core.builtin.readers.numpy.schema import OpenArrays, arrays_schema, chosen_arrays, cut_forms
from baler_core.builtin.readers.numpy.sinks import NpySink, NpzSink
from baler_core.data.variables import Schema, Variable, leading_slices
from baler_core.errors import DataError
from baler_core.plugin.reading import Cut, Reader, Sink, Source

if TYPE_CHECKING:
    import numpy as np

    from baler_core.data.block import Block

# Deflate never shrinks by more than 1032.
_LARGEST_DEFLATE_RATIO = 1040


class NpyReader(Reader):
    """One array; its variable is called `data`, the fields of a structured array `data/field`."""

    name: ClassVar[str] = "npy"
    summary: ClassVar[str] = "NumPy array files"
    suffixes: ClassVar[tuple[str, ...]] = (".npy",)

    def open(self, path: Path, variables: Sequence[str] | None = None) -> Source:
        """Open an array file; its values stay on disk until blocks are asked for."""
        return _NpySource(path, variables)

    def create(self, path: Path, schema: Schema) -> Sink:
        """Start an array file of the dtype, byte order and memory order that the skeleton holds."""
        return NpySink(path, schema)

    def cut(self, schema: Schema, whole: Schema) -> Cut:
        """Describe an array of fewer rows or fields."""
        (form,) = cut_forms([schema.skeleton["array"]], schema)
        return Cut(replace(schema, skeleton={**schema.skeleton, "array": form}))


class NpzReader(Reader):
    """Named arrays; arrays of one shape share their dimensions, so that equally long columns form a table."""

    name: ClassVar[str] = "npz"
    summary: ClassVar[str] = "NumPy archives of named arrays"
    suffixes: ClassVar[tuple[str, ...]] = (".npz",)

    def open(self, path: Path, variables: Sequence[str] | None = None) -> Source:
        """Open an archive; members are decompressed row by row when blocks are asked for."""
        return _NpzSource(path, variables)

    def create(self, path: Path, schema: Schema) -> Sink:
        """Start an archive with the names, order and compression that the skeleton holds."""
        return NpzSink(path, schema)

    def cut(self, schema: Schema, whole: Schema) -> Cut:
        """Describe an archive of fewer arrays or rows."""
        forms = cut_forms(schema.skeleton["arrays"], schema)
        return Cut(replace(schema, skeleton={**schema.skeleton, "arrays": forms}))


class _NpySource(Source):
    reads_in_threads = True

    def __init__(self, path: Path, patterns: Sequence[str] | None) -> None:
        self._path = path
        try:
            with path.open("rb") as file:
                whole = read_header(file, "data", str(path))
                self._offset = file.tell()
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
        found = path.stat().st_size - self._offset
        if found < whole.nbytes:
            raise DataError(f"{path}: cut short, wanted {whole.nbytes} bytes of values, found {found}")
        if found > whole.nbytes:
            self.warnings = [f"{path.name}: {found - whole.nbytes} bytes after the array are left out"]
        self._whole = whole
        self._forms = chosen_arrays([whole], patterns, str(path))
        self.schema = arrays_schema(self._forms, {"array": self._forms[0].to_json()})

    def move_rows(self, order: np.ndarray) -> None:
        """Do nothing: only values belong to a row."""

    def read(self, variables: Sequence[Variable], rows: slice) -> Block:
        arrays = OpenArrays(self._forms, self._opened)
        try:
            return arrays.read(variables, rows)
        finally:
            arrays.close()

    def _opened(self, form: ArrayForm) -> ArrayRows:
        return MappedRows(self._path, self._whole, self._offset)


class _NpzSource(Source):
    reads_in_threads = True

    def __init__(self, path: Path, patterns: Sequence[str] | None) -> None:
        self._path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise DataError(f"{path}: not a NumPy archive, or cut short ({error})") from error
        try:
            self._read_members(patterns)
        except BaseException:
            self._zip.close()
            raise

    def _read_members(self, patterns: Sequence[str] | None) -> None:
        self._members: dict[str, zipfile.ZipInfo] = {}
        wholes: list[ArrayForm] = []
        self.warnings = []
        for member in self._zip.infolist():
            name = member.filename.removesuffix(".npy")
            if name in self._members:
                raise DataError(f"{self._path}: holds two arrays named {name!r}")
            if name == member.filename:
                self.warnings.append(f"{self._path.name}: {name!r} is not a NumPy array and is left out")
                continue
            self._members[name] = member
            stream, form = self._start(name)
            stream.close()
            wholes.append(form)
        if not self._members:
            raise DataError(f"{self._path}: holds no arrays")
        self._forms = chosen_arrays(wholes, patterns, str(self._path))
        compressed = any(self._members[form.name].compress_type != zipfile.ZIP_STORED for form in self._forms)
        arrays = [form.to_json() for form in self._forms]
        self.schema = arrays_schema(self._forms, {"arrays": arrays, "compressed": compressed})
        self._arrays = OpenArrays(self._forms, self._opened)

    def _start(self, name: str) -> tuple[IO[bytes], ArrayForm]:
        """A stream at the first value of a member, whose claimed size has been checked against the file's."""
        member, where = self._members[name], f"{self._path}, array {name!r}"
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DataError(f"{where}: is compressed by a method NumPy does not write")
        if member.file_size > _LARGEST_DEFLATE_RATIO * (member.compress_size + 1):
            raise DataError(f"{where}: claims {member.file_size} bytes, more than its {member.compress_size} can hold")
        try:
            stream = self._zip.open(member)
            form = read_header(stream, name, where)
        except (RuntimeError, zipfile.BadZipFile, zlib.error, OSError, EOFError) as error:
            raise DataError(f"{where}: cannot be read ({error})") from error
        found = member.file_size - stream.tell()
        if found != form.nbytes:
            raise DataError(f"{where}: damaged, wanted {form.nbytes} bytes of values, found {found}")
        return stream, form

    def move_rows(self, order: np.ndarray) -> None:
        """Do nothing: only values belong to a row."""

    def blocks(self, max_bytes: int) -> Iterator[Block]:
        arrays = OpenArrays(self._forms, self._opened)
        try:
            for _, variables, rows in leading_slices(self.schema, max_bytes):
                yield self._read(arrays, variables, rows)
        finally:
            arrays.close()

    def read(self, variables: Sequence[Variable], rows: slice) -> Block:
        return self._read(self._arrays, variables, rows)

    def _read(self, arrays: OpenArrays, variables: Sequence[Variable], rows: slice) -> Block:
        try:
            return arrays.read(variables, rows)
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise DataError(f"{self._path}: damaged ({error})") from error

    def _opened(self, form: ArrayForm) -> ArrayRows:
        stream, whole = self._start(form.name)
        return StreamedRows(stream, whole, f"{self._path}, array {form.name!r}")

    def close(self) -> None:
        if hasattr(self, "_arrays"):
            self._arrays.close()
        self._zip.close()
