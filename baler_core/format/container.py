"""Read and write .bal files: header, states and blocks as checksummed sections with an index; independent of models."""

from __future__ import annotations

import json
import mmap
import os
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from baler_core.data.variables import Json
from baler_core.entropy.bytes import squeeze, unsqueeze
from baler_core.entropy.varint import ByteReader, write_sized, write_varint, write_varints
from baler_core.errors import FormatError
from baler_core.format.header_dictionary import header_dictionary
from baler_core.format.json_columns import from_columns, to_columns

MAGIC = b"\x89BAL"
END = b"BAL\x1a"
VERSION = 1
_TRAILER = 4 + 4 + len(END)  # length of the index, its checksum, end mark
# A header is text about variables: beyond these it is an attack. Files of 100,000 variables need about a tenth.
HEADER_LIMIT = 1 << 26
_FEWEST_RECORDS = 250_000
_RECORDS_PER_BYTE = 64
_PIECE = 1 << 14
# So many end marks are looked for in a file that ends with none.
_END_MARKS = 16
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')

BlockStreams = Sequence[Mapping[str, bytes]]
"""For each group of a block: its streams by name."""


@dataclass(frozen=True)
class Section:
    """Where a section lies in the file."""

    offset: int
    length: int
    checksum: int


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
        self._sections.append(Section(self._position, len(data), zlib.crc32(data)))
        self._put(data)
        return len(data)

    def finish(self, header: Json) -> int:
        """Write header and index, which come last since they are known last; returns the file's length."""
        self.add(pack_json(header))
        index = write_varint(len(self._sections))
        index += b"".join(write_varint(s.length) + s.checksum.to_bytes(4, "little") for s in self._sections)
        self._put(index)
        self._put(len(index).to_bytes(4, "little") + zlib.crc32(index).to_bytes(4, "little") + END)
        return self._position


class BalReader:
    """Reads sections of a .bal file, each checked against its checksum.

    Raises
    ------
    FormatError
        If the file is no .bal file, of a newer version, cut short, or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.exists() and not path.is_file() and not path.is_dir():
            raise FormatError(f"{path}: is a pipe or a device, not a .bal file")
        try:
            self._file: BinaryIO = path.open("rb")
        except FileNotFoundError as error:
            raise FormatError(f"{path}: there is no such file") from error
        except IsADirectoryError as error:
            raise FormatError(f"{path}: is a folder, not a .bal file") from error
        try:
            self.sections = self._read_index()
            self.header: Json = unpack_json(self.section(len(self.sections) - 1), f"{path}: the header")
        except BaseException:
            self._file.close()
            raise

    def _read_index(self) -> list[Section]:
        length = os.fstat(self._file.fileno()).st_size
        start = self._file.read(len(MAGIC) + 1)
        if not length:
            raise FormatError(f"{self.path}: is empty, not a .bal file")
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
            raise FormatError(f"{self.path}: is cut short: {length} bytes are too few for a .bal file")
        self._file.seek(length - _TRAILER)
        trailer = self._file.read(_TRAILER)
        if trailer[8:] != END:
            self._refuse_more(length)
            raise FormatError(f"{self.path}: is cut short or damaged: its end mark is missing")
        size = int.from_bytes(trailer[:4], "little")
        if size > length - _TRAILER - len(start):
            raise FormatError(f"{self.path}: is damaged: its index cannot be {size} bytes long")
        self._file.seek(length - _TRAILER - size)
        index = self._file.read(size)
        if zlib.crc32(index) != int.from_bytes(trailer[4:8], "little"):
            raise FormatError(f"{self.path}: is damaged: the checksum of its index is wrong")
        return _sections(index, len(start), length - _TRAILER - size, self.path)

    def _refuse_more(self, length: int) -> None:
        """Say so if what lacks an end mark is a whole file with something behind it."""
        with mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
            end = length
            for _ in range(_END_MARKS):
                end = whole.rfind(END, 0, end)
                if end < _TRAILER:
                    return
                size = int.from_bytes(whole[end - 8 : end - 4], "little")
                index = whole[max(0, end - 8 - size) : end - 8]
                if len(index) == size and zlib.crc32(index) == int.from_bytes(whole[end - 4 : end], "little"):
                    more = length - end - len(END)
                    raise FormatError(
                        f"{self.path}: {more:,} bytes that do not belong to it follow its end: get the file anew, or "
                        f"keep its first {length - more:,} bytes"
                    )

    def section(self, number: int) -> bytes:
        """Return the bytes of section `number`."""
        if not 0 <= number < len(self.sections):
            raise FormatError(f"{self.path}: section {number} of {len(self.sections)} was asked for")
        section = self.sections[number]
        self._file.seek(section.offset)
        data = self._file.read(section.length)
        if len(data) != section.length or zlib.crc32(data) != section.checksum:
            raise FormatError(f"{self.path}: is damaged: the checksum of section {number} is wrong")
        return data

    def close(self) -> None:
        """Release the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _sections(index: bytes, start: int, end: int, path: Path) -> list[Section]:
    reader = ByteReader(index, f"{path}: the index")
    sections = []
    for _ in range(reader.varint(len(index))):
        length = reader.varint(end - start + 1)
        sections.append(Section(start, length, int.from_bytes(reader.take(4), "little")))
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
        return from_columns(json.loads(text))
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


def pack_streams(groups: BlockStreams) -> bytes:
    """Return the streams of one block, those that can still shrink compressed together.

    Layout: number of groups; per group its number of streams and each one's name, length and whether it lies in the
    common part; the common part, squeezed; then the other streams.
    """
    streams = [data for group in groups for _, data in sorted(group.items())]
    shared = [_worth_squeezing(data) for data in streams]
    common = b"".join(_common_order([data for data, together in zip(streams, shared, strict=True) if together]))
    index = [write_varint(len(groups))]
    position = 0
    for group in groups:
        index.append(write_varint(len(group)))
        for name, data in sorted(group.items()):
            index.append(write_sized(name.encode()) + write_varint(2 * len(data) + shared[position]))
            position += 1
    packed_index = b"".join(index)
    head = write_varint(len(packed_index)) + write_sized(squeeze(packed_index, thorough=False))
    squeezed = squeeze(common) if common else b""
    alone = b"".join(data for data, together in zip(streams, shared, strict=True) if not together)
    return head + write_varints([len(common), len(squeezed)]) + squeezed + alone


def _common_order(streams: list[bytes]) -> list[bytes]:
    """Longest first: long streams are arrays of numbers, which compress better where they are aligned."""
    return sorted(streams, key=len, reverse=True)


def _worth_squeezing(data: bytes) -> bool:
    """Whether general compression still finds something in a stream."""
    if len(data) > 4 * _PIECE:
        middle = len(data) // 2
        pieces = data[:_PIECE] + data[middle : middle + _PIECE]
        # what pieces show to be as random as can be is not looked at whole
        if len(zlib.compress(pieces, 1)) > 0.999 * len(pieces):
            return False
    return len(data) > 0 and (len(data) < 64 or len(zlib.compress(data, 6)) < 0.97 * len(data))


def unpack_streams(data: bytes, *, memory_limit: int) -> list[dict[str, bytes]]:
    """Return the streams that `pack_streams` packed, per group.

    Raises
    ------
    FormatError
        If the bytes are damaged, or would take more than `memory_limit` bytes.
    """
    reader = ByteReader(data, "a block")
    index_length = reader.varint(min(memory_limit, HEADER_LIMIT))
    index = ByteReader(unsqueeze(reader.sized(), index_length), "the index of a block")
    common_length = reader.varint(memory_limit + 1)
    squeezed = reader.sized()
    common = ByteReader(unsqueeze(squeezed, common_length) if squeezed else b"", "the common part of a block")
    places: list[list[tuple[str, int, int]]] = []
    for _ in range(index.varint(index_length + 1)):
        count = index.varint(index_length + 1)
        limit = 2 * (len(data) + common_length) + 2
        places.append([(_text(index.sized()), *divmod(index.varint(limit), 2)) for _ in range(count)])
    lengths = [length for group in places for _, length, together in group if together]
    # Sorting is stable, so equal lengths keep their order on both sides.
    order = sorted(range(len(lengths)), key=lambda number: lengths[number], reverse=True)
    parts = {number: common.take(lengths[number]) for number in order}
    taken = iter(range(len(lengths)))
    return [
        {name: parts[next(taken)] if together else reader.take(length) for name, length, together in group}
        for group in places
    ]


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise FormatError("a stream has no readable name") from error
