"""Write the bytes of ROOT's own objects: byte counts, class names, references, named objects and arrays of them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager

# From ROOT's TBufferFile: marks a byte count, announces a class name, shifts references.
BYTE_COUNT = 0x40000000
NEW_CLASS = 0xFFFFFFFF
MAP_OFFSET = 2
# From ROOT's TObject: the object's place in the file is all that matters of it (never on the heap, never deleted).
NO_BITS = 0x03000000


class StreamBuffer:
    """Bytes of an object being streamed.

    Parameters
    ----------
    start
        Bytes that come before it under the same key: references count from there.
    """

    def __init__(self, start: int = 0) -> None:
        self.data = bytearray()
        self.start = start

    def pack(self, layout: str, *values: float) -> None:
        """Append numbers, big-endian, in the layout of `struct`."""
        self.data += struct.pack(">" + layout, *values)

    def raw(self, data: bytes) -> None:
        """Append bytes as they are."""
        self.data += data

    def string(self, text: str) -> None:
        """Append a TString."""
        self.data += string_bytes(text.encode("utf-8", "surrogateescape"))

    @contextmanager
    def versioned(self, version: int) -> Iterator[None]:
        """What is appended inside is preceded by its byte count and a class version."""
        with self._counted():
            self.pack("H", version)
            yield

    @contextmanager
    def _counted(self) -> Iterator[None]:
        place = len(self.data)
        self.pack("I", 0)
        yield
        self.data[place : place + 4] = struct.pack(">I", (len(self.data) - place - 4) | BYTE_COUNT)

    @contextmanager
    def pointed(self, class_name: str) -> Iterator[int]:
        """What is appended inside is an object of a class, as behind a pointer; yields the number to refer to it."""
        reference = self.start + len(self.data) + MAP_OFFSET
        with self._counted():
            self.pack("I", NEW_CLASS)
            self.raw(class_name.encode() + b"\0")
            yield reference

    def named(self, name: str, title: str, bits: int = 0) -> None:
        """Append a TNamed."""
        with self.versioned(1):
            self.pack("HII", 1, 0, NO_BITS | bits)
            self.string(name)
            self.string(title)

    @contextmanager
    def array(self, length: int) -> Iterator[None]:
        """A TObjArray, whose `length` objects are appended inside."""
        with self.versioned(3):
            self.pack("HII", 1, 0, NO_BITS)
            self.string("")
            self.pack("ii", length, 0)
            yield


def string_bytes(text: bytes) -> bytes:
    """Return a string with its length before it: one byte, or 255 and four."""
    if len(text) < 255:
        return bytes([len(text)]) + text
    return b"\xff" + struct.pack(">I", len(text)) + text
