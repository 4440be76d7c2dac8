"""Write small integers in few bytes, and read them from bytes whose lengths are checked."""

from __future__ import annotations

from collections.abc import Iterable

from baler_core.errors import FormatError


def write_varint(number: int) -> bytes:
    """Write the LEB128 of a number >= 0: seven bits per byte, lowest first."""
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def write_varints(numbers: Iterable[int]) -> bytes:
    """Write several numbers, one after the other."""
    return b"".join(write_varint(number) for number in numbers)


def zigzag(number: int) -> int:
    """Return a signed number as one >= 0: 0, -1, 1, -2, ... become 0, 1, 2, 3, ..."""
    return number * 2 if number >= 0 else -number * 2 - 1


def unzigzag(number: int) -> int:
    """Invert `zigzag`."""
    return number // 2 if number % 2 == 0 else -(number // 2) - 1


class ByteReader:
    """Walks through bytes from a file; every length is checked before it is used.

    Raises
    ------
    FormatError
        From every method, when the bytes end too early.
    """

    def __init__(self, data: bytes | memoryview, what: str = "a stream") -> None:
        self.data = memoryview(data)
        self.position = 0
        self.what = what

    @property
    def left(self) -> int:
        """How many bytes are left."""
        return len(self.data) - self.position

    def varint(self, limit: int = 2**63) -> int:
        """Return the next number, which must be below `limit`."""
        number = shift = 0
        while True:
            if self.position >= len(self.data) or shift > 70:
                raise FormatError(f"{self.what} is damaged: a number is cut short")
            byte = self.data[self.position]
            self.position += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        if number >= limit:
            raise FormatError(f"{self.what} is damaged: {number} where less than {limit} was expected")
        return number

    def take(self, length: int) -> bytes:
        """Return the next `length` bytes."""
        if length < 0 or length > len(self.data) - self.position:
            left = len(self.data) - self.position
            raise FormatError(f"{self.what} is damaged: {length} bytes were announced, {left} are left")
        start, self.position = self.position, self.position + length
        return bytes(self.data[start : self.position])

    def sized(self) -> bytes:
        """Return a length, and that many bytes."""
        return self.take(self.varint())

    def rest(self) -> bytes:
        """Return all that is left."""
        return self.take(len(self.data) - self.position)


def write_sized(data: bytes) -> bytes:
    """Write a length, and that many bytes."""
    return write_varint(len(data)) + data
