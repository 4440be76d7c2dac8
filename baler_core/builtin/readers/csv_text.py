"""The text of a table: opened whatever its compression and encoding, cut into lines and rows."""

from __future__ import annotations

import codecs
import csv
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from baler_core.errors import DataError

# Gives every byte a character, so that any text comes back the same.
FALLBACK_ENCODING = "latin-1"
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", FALLBACK_ENCODING)
_LONGEST_LINE = 1 << 24


def compression_and_encoding(path: Path) -> tuple[bool, str]:
    """Whether a file is gzip-compressed, and the encoding of its text as far as its beginning tells."""
    try:
        with path.open("rb") as raw:
            zipped = raw.read(2) == b"\x1f\x8b"
        with gzip.open(path) if zipped else path.open("rb") as file:
            sample = file.read(1 << 16)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    if sample.startswith(b"\xef\xbb\xbf"):
        return zipped, "utf-8-sig"
    if sample.startswith((b"\xff\xfe", b"\xfe\xff")):
        return zipped, "utf-16"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return zipped, FALLBACK_ENCODING
    return zipped, "utf-8"


@contextmanager
def open_text(path: Path, encoding: str, *, zipped: bool) -> Iterator[IO[str]]:
    """The text of a file, line ends untouched; foreign errors become DataErrors.

    Raises
    ------
    DataError
        If the file cannot be read, or its compression is damaged.
    """
    try:
        if zipped:
            with gzip.open(path, "rt", encoding=encoding, newline="") as file:
                yield file
        else:
            with path.open(encoding=encoding, newline="") as file:
                yield file
    except UnicodeError:
        raise
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error


class Lines:
    """The lines of a text, counted; comments left out."""

    def __init__(self, file: IO[str], comment: str, where: str) -> None:
        self._file, self._comment, self._where = file, comment, where
        self.number = 0
        self.skipped = 0
        self.last = ""

    def __iter__(self) -> Iterator[str]:
        while line := self._file.readline(_LONGEST_LINE):
            self.number += 1
            if len(line) == _LONGEST_LINE:
                raise DataError(f"{self._where}:{self.number}: line longer than {_LONGEST_LINE} characters: no table")
            self.last = line
            if self._comment and line.startswith(self._comment):
                self.skipped += 1
                continue
            yield line


def parsed(lines: Iterator[str], separator: str, quote: str, *, padded: bool = False) -> Any:
    """A `csv.reader` over lines."""
    if separator == " ":
        lines = (line.strip() for line in lines)
    return csv.reader(
        lines,
        delimiter=separator,
        quotechar=quote or None,
        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
        skipinitialspace=padded or separator == " ",
        strict=True,
    )
