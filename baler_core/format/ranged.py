"""Walk through bytes of a file of which only what is needed is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import SupportsBytes, TypeAlias

from baler_core.entropy.varint import ByteReader
from baler_core.errors import FormatError

# Shorter pieces are read at once: the next request would cost more.
_SHORT = 1 << 16
_LONGEST_NUMBER = 11


class RangedBytes:
    """A part of a file, read when it is sliced.

    Parameters
    ----------
    read
        Returns the bytes from one place to another.
    start, stop
        Which of them these are.
    """

    def __init__(self, read: Callable[[int, int], bytes], start: int, stop: int) -> None:
        self._read, self._start, self._stop = read, start, stop

    def __len__(self) -> int:
        return self._stop - self._start

    def __bytes__(self) -> bytes:
        return self._read(self._start, self._stop) if len(self) else b""

    def part(self, start: int, stop: int) -> RangedBytes:
        """Return a part, without reading it."""
        return RangedBytes(self._read, self._start + start, self._start + stop)


Stream: TypeAlias = bytes | RangedBytes
"""A stream of a group: read, or to be read."""


class RangeReader(ByteReader):
    """A `ByteReader` of bytes that may not have been read yet."""

    def __init__(self, data: SupportsBytes, what: str = "a stream") -> None:
        ranged = data if isinstance(data, RangedBytes) and len(data) > _SHORT else None
        super().__init__(bytes(data) if ranged is None else b"", what)
        self._ranged = ranged

    @property
    def left(self) -> int:
        return super().left if self._ranged is None else len(self._ranged) - self.position

    def varint(self, limit: int = 2**63) -> int:
        if self._ranged is None:
            return super().varint(limit)
        start = self.position
        head = ByteReader(bytes(self._ranged.part(start, start + min(_LONGEST_NUMBER, self.left))), self.what)
        number = head.varint(limit)
        self.position += head.position
        return number

    def take(self, length: int) -> bytes:
        return bytes(self.part(length))

    def rest(self) -> bytes:
        return self.take(self.left)

    def part(self, length: int) -> Stream:
        """Return the next `length` bytes, which are read when they are needed."""
        if self._ranged is None:
            return super().take(length)
        if length < 0 or length > self.left:
            raise FormatError(f"{self.what} is damaged: {length} bytes were announced, {self.left} are left")
        start, self.position = self.position, self.position + length
        return self._ranged.part(start, self.position)

    def sized_part(self) -> Stream:
        """Return a length, and that many bytes, which are read when they are needed."""
        return self.part(self.varint())
