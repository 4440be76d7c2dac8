"""Find the locators of pages and other envelopes in the envelopes of an RNTuple.

Envelopes, frames and locators as in ROOT's "RNTuple Binary Format Specification", version 1.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

Found = TypeVar("Found")

HEADER, CHECKSUM = 8, 8
MORE_FLAGS = 1 << 63
SPLIT_FLOAT = (0x18, 32)  # type and bits of a column of whole float32
HAS_RANGE = 0x02


@dataclass(frozen=True)
class Page:
    """One page as a page list has it.

    Attributes
    ----------
    elements
        How many values it holds.
    checked
        Whether a checksum follows its bytes.
    place
        Of its locator (size, offset), in the envelope.
    """

    elements: int
    checked: bool
    place: int


class _Cursor:
    def __init__(self, data: bytes | bytearray, at: int, end: int) -> None:
        self.data, self.at, self.end = data, at, end

    def take(self, form: str) -> int:
        size = struct.calcsize(form)
        if self.at + size > self.end:
            raise ValueError("an envelope is cut short")
        (value,) = struct.unpack_from(form, self.data, self.at)
        self.at += size
        return int(value)

    def skip(self, size: int) -> None:
        self.at += size
        if self.at > self.end:
            raise ValueError("an envelope is cut short")

    def frame(self) -> _Cursor:
        """Return what reads a frame from its start, and no further than its end; this one goes on behind it."""
        start = self.at
        size = abs(self.take("<q"))
        if size < 8 or start + size > self.end:
            raise ValueError("a frame does not fit")
        self.at = start + size
        return _Cursor(self.data, start, self.at)

    def items(self, read: Callable[[_Cursor], Found]) -> Iterator[Found]:
        """Yield the items of a list frame."""
        inner = self.frame()
        if inner.take("<q") >= 0:
            raise ValueError("a frame is not a list")
        for _ in range(inner.take("<I")):
            yield read(inner)

    def locator(self) -> int:
        """Return where the next locator is."""
        place = self.at
        if self.take("<i") < 0:
            raise ValueError("places are not of the usual kind")
        self.take("<Q")
        return place


def _payload(envelope: bytes | bytearray) -> _Cursor:
    if len(envelope) < HEADER + CHECKSUM:
        raise ValueError("an envelope is cut short")
    return _Cursor(envelope, HEADER, len(envelope) - CHECKSUM)


def pages_of(envelope: bytes | bytearray) -> list[list[list[Page]]]:
    """Return the pages of a page list: of each cluster, of each column.

    Raises
    ------
    ValueError
        If it is damaged, or columns are left out of clusters.
    """
    cursor = _payload(envelope)
    cursor.take("<Q")  # the checksum of the header
    cursor.frame()  # how many entries clusters have
    return list(cursor.items(lambda cluster: list(cluster.items(_column))))


def _column(cursor: _Cursor) -> list[Page]:
    inner = cursor.frame()
    if inner.take("<q") >= 0:
        raise ValueError("a frame is not a list")
    pages = [_page(inner) for _ in range(inner.take("<I"))]
    if inner.take("<q") < 0:
        raise ValueError("columns are left out of clusters")
    return pages


def _page(cursor: _Cursor) -> Page:
    elements = cursor.take("<i")
    return Page(abs(elements), elements < 0, cursor.locator())


def links_of(footer: bytes | bytearray) -> list[int]:
    """Return the offsets in the footer of each page list's length (8 bytes), followed by its locator.

    Raises
    ------
    ValueError
        If it is damaged, or other data sets are linked to it.
    """
    cursor = _payload(footer)
    while cursor.take("<Q") & MORE_FLAGS:
        pass
    cursor.take("<Q")  # the checksum of the header
    cursor.frame()  # fields that were added later
    links = list(cursor.items(_link))
    if cursor.at < cursor.end and list(cursor.items(_Cursor.frame)):
        raise ValueError("other data sets are linked to it")
    return links


def _link(cursor: _Cursor) -> int:
    inner = cursor.frame()
    for form in ("<q", "<Q", "<Q", "<I"):
        inner.take(form)
    place = inner.at
    inner.take("<Q")
    inner.locator()
    return place


def full_floats(header: bytes, columns: Sequence[int]) -> bytes:
    """Return the header, with these columns storing all bits of their floats instead of rounded ones.

    Raises
    ------
    ValueError
        If it is damaged, or lacks one of the columns.
    """
    cursor = _payload(header)
    while cursor.take("<Q") & MORE_FLAGS:
        pass
    for _ in range(3):  # name, description, writer
        cursor.skip(cursor.take("<I"))
    cursor.frame()  # fields
    places = list(cursor.items(lambda record: record.frame().at + 8))
    changed = bytearray(header)
    for number in columns:
        if number >= len(places):
            raise ValueError("columns of rounded floats were added later")
        struct.pack_into("<HH", changed, places[number], *SPLIT_FLOAT)
        (flags,) = struct.unpack_from("<H", changed, places[number] + 8)
        struct.pack_into("<H", changed, places[number] + 8, flags & ~HAS_RANGE)
    return sealed(changed)


def name_header(envelope: bytes, header: bytes) -> bytes:
    """Return a page list with the checksum of this header."""
    return envelope[:HEADER] + header[-CHECKSUM:] + envelope[HEADER + CHECKSUM :]


def name_header_in_footer(footer: bytes, header: bytes) -> bytes:
    """Return a footer with the checksum of this header."""
    cursor = _payload(footer)
    while cursor.take("<Q") & MORE_FLAGS:
        pass
    return footer[: cursor.at] + header[-CHECKSUM:] + footer[cursor.at + CHECKSUM :]


def put_locator(envelope: bytearray, place: int, size: int, offset: int) -> None:
    """Write a locator."""
    struct.pack_into("<iQ", envelope, place, size, offset)


def sealed(envelope: bytes | bytearray) -> bytes:
    """Return the envelope with its checksum."""
    import xxhash

    content = bytes(envelope[:-CHECKSUM])
    return content + struct.pack("<Q", xxhash.xxh3_64_intdigest(content))


def unsealed(envelope: bytes, places: list[int]) -> bytes:
    """The envelope without its checksum and what the locators at `places` say: zeros, which take no room."""
    blank = bytearray(envelope)
    for place in places:
        put_locator(blank, place, 0, 0)
    blank[-CHECKSUM:] = bytes(CHECKSUM)
    return bytes(blank)
