"""Keep a file byte for byte, whatever its format: for files in which no variable can be compressed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from baler_core.data.block import Block, make_block, values_of
from baler_core.data.variables import Schema, Variable, select_names
from baler_core.errors import DataError
from baler_core.plugin.reading import Reader, Sink, Source

NAME = "whole_file"
# Records of one byte, which no model takes for numbers.
_BYTE = Variable("bytes", "|V1", ("byte",))


class WholeFileReader(Reader):
    """One variable, `bytes`, that holds the file as it is."""

    name: ClassVar[str] = NAME
    summary: ClassVar[str] = "any file, kept byte for byte"
    suffixes: ClassVar[tuple[str, ...]] = ()

    def open(self, path: Path, variables: Sequence[str] | None = None) -> Source:
        """Open a file; its bytes stay on disk until blocks are asked for."""
        return _WholeFileSource(path, variables)

    def create(self, path: Path, schema: Schema) -> Sink:
        """Start the file that the bytes make."""
        return _WholeFileSink(path)


class _WholeFileSource(Source):
    def __init__(self, path: Path, patterns: Sequence[str] | None) -> None:
        select_names([_BYTE.name], patterns, str(path))
        try:
            self._file = path.open("rb")
            length = self._file.seek(0, 2)
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
        self.schema = Schema((_BYTE,), {"byte": length})

    def read(self, variables: Sequence[Variable], rows: slice) -> Block:
        self._file.seek(rows.start)
        found = self._file.read(rows.stop - rows.start)
        if len(found) != rows.stop - rows.start:
            raise DataError(f"{self._file.name}: was truncated while it was read")
        return make_block({_BYTE.name: (_BYTE.dims, np.frombuffer(found, _BYTE.numpy_dtype))})

    def close(self) -> None:
        self._file.close()


class _WholeFileSink(Sink):
    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")

    def write(self, block: Block) -> None:
        self._file.write(values_of(block, _BYTE.name).tobytes())

    def close(self) -> None:
        self._file.close()

    def abort(self) -> None:
        self._file.close()
