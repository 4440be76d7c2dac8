"""Read the numbers of a plan all at once: tables have thousands of columns, each with a dozen of them."""

from __future__ import annotations

import numpy as np

from baler_core.entropy.varint import ByteReader
from baler_core.errors import FormatError

_SHORT = 9
"""Bytes whose numbers fit into 64 bits."""


class StoredNumbers:
    """Numbers that `write_varint` wrote one after the other, in the order in which they are asked for.

    Attributes
    ----------
    numbers
        All of them.
    position
        The place of the next one.

    Raises
    ------
    FormatError
        From `varint`, when there are no more.
    """

    def __init__(self, numbers: list[int], what: str, position: int = 0) -> None:
        self.what = what
        self.numbers = numbers
        self.position = position

    @classmethod
    def of(cls, data: bytes, what: str) -> StoredNumbers:
        """Return the numbers in bytes."""
        return cls(_decoded(data), what)

    def at(self, position: int) -> StoredNumbers:
        """Return the same numbers from a place on."""
        return StoredNumbers(self.numbers, self.what, position)

    @property
    def left(self) -> int:
        """How many numbers are left."""
        return len(self.numbers) - self.position

    def take(self, count: int) -> tuple[int, ...]:
        """Return the next numbers, or as many as there are."""
        start, self.position = self.position, self.position + count
        return tuple(self.numbers[start : self.position])

    def varint(self, limit: int) -> int:
        """Return the next number, which must be below `limit`."""
        if self.position >= len(self.numbers):
            raise FormatError(f"{self.what} is damaged: a number is cut short")
        number = self.numbers[self.position]
        self.position += 1
        if number >= limit:
            raise FormatError(f"{self.what} is damaged: {number} where less than {limit} was expected")
        return number


def _decoded(data: bytes) -> list[int]:
    """Return all complete numbers, up to the first that is impossibly long."""
    raw = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(raw < 0x80)
    starts = np.concatenate([np.zeros(1, np.int64), ends[:-1] + 1]) if len(ends) else ends
    lengths = ends - starts + 1
    found = np.zeros(len(ends), np.int64)
    for place in range(min(_SHORT, int(lengths.max(initial=0)))):
        longer = lengths > place
        found[longer] |= (raw[starts[longer] + place].astype(np.int64) & 0x7F) << (7 * place)
    numbers: list[int] = found.tolist()
    for long in np.flatnonzero(lengths > _SHORT).tolist():
        try:
            numbers[long] = ByteReader(data[starts[long] : ends[long] + 1]).varint(1 << 80)
        except FormatError:
            return numbers[:long]
    return numbers
