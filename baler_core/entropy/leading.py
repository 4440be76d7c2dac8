"""Unpack the first of packed integers of which nothing tells how many there are."""

from __future__ import annotations

import numpy as np

from baler_core.entropy.bytes import STORED
from baler_core.entropy.integers import BITS, BYTES, CONSTANT, DIFFERENCES, unpack_integers
from baler_core.entropy.varint import ByteReader


def tells_its_length(data: bytes) -> bool:
    """Return whether the first of some integers can be unpacked alone: they are equal, or no compressor has gone over them."""
    if not data or data[0] not in (CONSTANT, BYTES, DIFFERENCES, BITS):
        return False
    return data[0] == CONSTANT or data[_head(data)[0] :][:1] == bytes([STORED])


def unpack_leading(data: bytes, count: int) -> np.ndarray:
    """Unpack the first `count` int64 values of integers that tell their length; there may be more.

    Raises
    ------
    FormatError
        If there are fewer.
    """
    if not data or data[0] == CONSTANT:
        return unpack_integers(data, count)
    start, bits = _head(data)
    return unpack_integers(data[: start + 1 + -(-bits * count // 8)], count)


def _head(data: bytes) -> tuple[int, int]:
    """Return where the values of packed integers begin, and how many bits each takes before it is compressed."""
    reader = ByteReader(data, "a stream of integers")
    method = reader.varint(256)
    bits = 1 if method == BITS else 8 * reader.varint(9)
    reader.varint(2**64)
    return reader.position, bits
