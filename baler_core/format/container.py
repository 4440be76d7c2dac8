"""Read and write .bal files: header, states and blocks as sections checksummed page by page; independent of models."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self

from baler_core.data.variables import Json
from baler_core.entropy.bytes import squeeze, unsqueeze
from baler_core.entropy.varint import ByteReader, write_varint
from baler_core.errors import CutShort, FormatError, SourceError
from baler_core.format.header_dictionary import header_dictionary
from baler_core.format.json_columns import from_columns, to_columns
from baler_core.machine.addresses import address_of
from baler_core.machine.byte_source import ByteSource, Place, open_source
from baler_core.machine.recent import Recent

MAGIC = b"\x89BAL"
END = b"BAL\x1a"
VERSION = 2
_TRAILER = 4 + 4 + len(END)  # length of the index, its checksum, end mark
# A header is text about variables: beyond these it is an attack. Files of 100,000 variables need about a tenth.
HEADER_LIMIT = 1 << 26
_FEWEST_RECORDS = 250_000
_RECORDS_PER_BYTE = 64
# Bytes of a section that have a checksum together, and so are read together.
PAGE = 1 << 15
# Smaller files are read whole.
_SMALL = 1 << 16
_RECENT_BYTES = 1 << 21
# So many end marks are looked for in a file that ends with none.
_END_MARKS = 16
_SEARCHED = 1 << 24
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')


class Section(NamedTuple):
    """Where a section lies in the file.

    Attributes
    ----------
    page
        How many bytes have a checksum together, the last ones fewer.
    checksums
        That of each page.
    """

    offset: int
    length: int
    page: int
    checksums: tuple[int, ...]


class BalWriter:
    """Writes a .bal file front to back."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._sections: list[Section] = []
        self._position = 0
        self._put(MAGIC + bytes([VERSION]))

    def _put(self, data: bytes) -> None:
        self._file.write(data)
        self._position += len(data)

    def add(self, data: bytes) -> int:
        """Append a section; returns its length in bytes."""
        checksums = tuple(zlib.crc32(data[start : start + PAGE]) for start in range(0, len(data), PAGE))
        self._sections.append(Section(self._position, len(data), PAGE, checksums))
        self._put(data)
        return len(data)

    def finish(self, header: Json) -> int:
        """Write header and index, which come last since they are known last; returns the file's length."""
        self.add(pack_json(header))
        index = index_of(self._sections)
        self._put(index)
        self._put(len(index).to_bytes(4, "little") + zlib.crc32(index).to_bytes(4, "little") + END)
        return self._position


class BalReader:
    """Reads sections of a .bal file, or parts of them, each page checked against its checksum; by several threads at once.

    Raises
    ------
    FormatError
        If the file is no .bal file, of a newer version, cut short, or damaged.
    """

    def __init__(self, place: Place | ByteSource) -> None:
        address = address_of(place) if isinstance(place, Path) else None
        self._source = open_source(place if address is None else address)
        self.path: Path | str = self._source.name
        self.file_bytes = self._source.size
        self._recent: Recent[bytes] = Recent(_RECENT_BYTES)
        self._tail, self._tail_start = b"", self.file_bytes
        try:
            self.version, self.sections = self._read_index()
            self.header: Json = unpack_json(self.section(len(self.sections) - 1), f"{self.path}: the header")
        except BaseException:
            self._source.close()
            raise
        if self._tail_start:  # a small file is kept whole
            self._tail, self._tail_start = b"", self.file_bytes

    @property
    def source(self) -> ByteSource:
        """Where the bytes lie."""
        return self._source

    def _bytes(self, start: int, stop: int) -> bytes:
        """Return bytes of the file, unchecked; those of its end have been read in one go."""
        if start >= self._tail_start:
            return self._tail[start - self._tail_start : stop - self._tail_start]
        return self._source.read(start, stop - start)

    def _read_index(self) -> tuple[int, list[Section]]:
        length = self.file_bytes
        self._tail_start = max(0, length - self._source.at_once) if length > _SMALL else 0
        self._tail = self._source.read(self._tail_start, length - self._tail_start)
        start = self._bytes(0, len(MAGIC) + 1)
        if not length:
            raise FormatError(f"{self.path}: is empty, not a .bal file")
        if str(self.path).lower().endswith(".balset") and start[:1] == b"{":
            raise FormatError(
                f"{self.path}: lists many files, and one is wanted here: name one of those that baler info shows, or open all "
                "of them as one by baler_core.open_set"
            )
        if start[: len(MAGIC)] != MAGIC:
            raise FormatError(f"{self.path}: is not a .bal file (it begins with {start[:4]!r})")
        if start[len(MAGIC) :] > bytes([VERSION]):
            newer = start[len(MAGIC)]
            raise FormatError(
                f"{self.path}: is of .bal format version {newer}, this baler reads up to {VERSION}: "
                f"update it with pip install --upgrade baler-core"
            )
        if start[len(MAGIC) :] == b"\0":
            raise FormatError(f"{self.path}: is damaged: there is no .bal format version 0")
        if length < len(MAGIC) + 1 + _TRAILER:
            raise CutShort(f"{self.path}: is cut short: {length} bytes are too few for a .bal file")
        trailer = self._bytes(length - _TRAILER, length)
        if trailer[8:] != END:
            self._refuse_more(length)
            raise CutShort(f"{self.path}: is cut short or damaged: its end mark is missing")
        size = int.from_bytes(trailer[:4], "little")
        if size > length - _TRAILER - len(start):
            raise FormatError(f"{self.path}: is damaged: its index cannot be {size} bytes long")
        index = self._bytes(length - _TRAILER - size, length - _TRAILER)
        if zlib.crc32(index) != int.from_bytes(trailer[4:8], "little"):
            raise self._damaged("the checksum of its index is wrong")
        self.fingerprint = (length, zlib.crc32(index))
        version = start[len(MAGIC)]
        return version, _sections(index, len(start), length - _TRAILER - size, self.path, version)

    def _refuse_more(self, length: int) -> None:
        """Say so if what lacks an end mark is a whole file with something behind it."""
        start = max(0, length - _SEARCHED)
        whole = self._source.read(start, length - start)
        end = len(whole)
        for _ in range(_END_MARKS):
            end = whole.rfind(END, 0, end)
            if end < _TRAILER:
                return
            size = int.from_bytes(whole[end - 8 : end - 4], "little")
            index = whole[max(0, end - 8 - size) : end - 8]
            if len(index) == size and zlib.crc32(index) == int.from_bytes(whole[end - 4 : end], "little"):
                more = len(whole) - end - len(END)
                raise FormatError(
                    f"{self.path}: {more:,} bytes that do not belong to it follow its end: get the file anew, or "
                    f"keep its first {length - more:,} bytes"
                )

    def _damaged(self, what: str) -> FormatError | SourceError:
        """Return the error for bytes that are not those that were written: at fault is the file, or who changed it."""
        if self._source.has_changed():
            return SourceError(f"{self.path}: has changed since it was opened: open it again")
        return FormatError(f"{self.path}: is damaged: {what}")

    def section(self, number: int) -> bytes:
        """Return the bytes of section `number`."""
        return self.part(number, 0, self.length(number))

    def length(self, number: int) -> int:
        """Return how many bytes a section has."""
        if not 0 <= number < len(self.sections):
            raise FormatError(f"{self.path}: section {number} of {len(self.sections)} was asked for")
        return self.sections[number].length

    def part(self, number: int, start: int, stop: int) -> bytes:
        """Return the bytes from `start` to `stop` of a section, for which the pages that hold them are read."""
        stop = min(stop, self.length(number))
        if start >= stop:
            return b""
        page = self.sections[number].page
        first, last = start // page, (stop - 1) // page
        found = [self._recent.get((number, one)) for one in range(first, last + 1)]
        missing = [first + place for place, data in enumerate(found) if data is None]
        if missing:
            found[missing[0] - first : missing[-1] + 1 - first] = self._pages(number, missing[0], missing[-1])
        whole = b"".join(data for data in found if data is not None)
        return whole[start - first * page : stop - first * page]

    def _pages(self, number: int, first: int, last: int) -> list[bytes]:
        """Read neighbouring pages of a section; the outer ones are likely to be asked for again."""
        section = self.sections[number]
        start, stop = first * section.page, min((last + 1) * section.page, section.length)
        data = self._bytes(section.offset + start, section.offset + stop)
        pages = [data[place : place + section.page] for place in range(0, stop - start, section.page)]
        checksums = section.checksums[first : last + 1]
        if len(data) != stop - start or any(zlib.crc32(p) != c for p, c in zip(pages, checksums, strict=True)):
            raise self._damaged(f"the checksum of section {number} is wrong")
        for place in {0, len(pages) - 1}:
            self._recent.put((number, first + place), pages[place], len(pages[place]))
        return pages

    def close(self) -> None:
        """Release the file."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()


def index_of(sections: Sequence[Section]) -> bytes:
    """Return the index: number of sections; the length of each, and the checksums of its pages."""
    parts = [write_varint(len(sections))]
    for section in sections:
        parts.append(write_varint(section.length))
        parts += [checksum.to_bytes(4, "little") for checksum in section.checksums]
    return b"".join(parts)


def _sections(index: bytes, start: int, end: int, path: Path | str, version: int) -> list[Section]:
    reader = ByteReader(index, f"{path}: the index")
    sections = []
    for _ in range(reader.varint(len(index))):
        length = reader.varint(end - start + 1)
        # In version 1 a section has a single checksum, in spite of its length.
        page = PAGE if version > 1 else max(1, length)
        stored = reader.take(4 * (-(-length // page) if version > 1 else 1))
        checksums = tuple(int.from_bytes(stored[place : place + 4], "little") for place in range(0, len(stored), 4))
        sections.append(Section(start, length, page, checksums))
        start += length
    if start != end or not sections:
        raise FormatError(f"{path}: is damaged: its index does not fit its length")
    return sections


def pack_json(record: Json) -> bytes:
    """Return a JSON-able record as few bytes."""
    text = json.dumps(to_columns(record), separators=(",", ":"), ensure_ascii=False, allow_nan=True).encode()
    return write_varint(len(text)) + squeeze(text, words=header_dictionary())


def unpack_json(data: bytes, what: str) -> Json:
    """Return the record that `pack_json` packed."""
    reader = ByteReader(data, what)
    length = reader.varint(HEADER_LIMIT)
    squeezed = reader.rest()
    try:
        text = unsqueeze(squeezed, length, header_dictionary())
        _refuse_bombs(text, len(squeezed))
        return from_columns(text)
    except FormatError as error:
        raise FormatError(f"{what} is damaged: {error}") from error
    except (ValueError, RecursionError, TypeError, AttributeError, LookupError) as error:
        raise FormatError(f"{what} is damaged: {type(error).__name__}: {error}") from error


def _refuse_bombs(text: bytes, squeezed: int) -> None:
    """Refuse JSON of so many values that they would fill the memory, which a few squeezed bytes can hold."""
    most = _FEWEST_RECORDS + _RECORDS_PER_BYTE * squeezed
    if sum(map(text.count, (b",", b"[", b"{"))) > most:
        outside = _STRING.sub(b"", text)
        found = sum(map(outside.count, (b",", b"[", b"{")))
        if found > most:
            raise FormatError(f"{found} values in {squeezed} bytes, where at most {most} are accepted")
