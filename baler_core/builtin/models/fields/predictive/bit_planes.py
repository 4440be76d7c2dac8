"""Write numbers of known widths in bits, plane after plane: mostly noise, of which only what a fast compressor finds is saved."""

from __future__ import annotations

import numpy as np

from baler_core.entropy.bytes import squeeze_fast, unsqueeze
from baler_core.entropy.varint import ByteReader, write_sized, write_varint
from baler_core.machine.compiled import Array, Integer, compiled

# Planes of fewer bytes are not looked at; a compressor must save this share of one.
_LEAST = 64
_SAVED = 1 / 128
MOST_PLANES = 62


def pack_planes(numbers: np.ndarray, widths: np.ndarray) -> bytes:
    """Pack uint64 numbers (1-D), each below two to the power of its width (uint8, 0 to 62).

    First comes which planes are compressed, as bits of a varint; then each plane, that of the lowest bits first: the bits of
    all numbers that are so wide, the first in the highest bit of each byte.
    """
    compressed, parts = 0, []
    plane_bytes = np.zeros(-(-numbers.size // 8), np.uint8)
    for plane in range(int(widths.max(initial=0))):
        count = take_plane(plane_bytes, numbers, widths, plane)
        bits = plane_bytes[: -(-count // 8)].tobytes()
        squeezed = squeeze_fast(bits) if len(bits) >= _LEAST else bits
        if len(bits) - len(squeezed) > _SAVED * len(bits):
            compressed |= 1 << plane
            bits = write_sized(squeezed)
        parts.append(bits)
    return write_varint(compressed) + b"".join(parts)


def unpack_planes(reader: ByteReader, widths: np.ndarray) -> np.ndarray:
    """Invert `pack_planes`, from where the reader stands.

    Raises
    ------
    FormatError
        If the bytes are damaged; no more memory is taken than the numbers need.
    """
    numbers = np.zeros(widths.shape, np.uint64)
    compressed = reader.varint(1 << MOST_PLANES)
    counts = np.bincount(widths, minlength=MOST_PLANES + 1)[::-1].cumsum()[::-1]
    for plane in range(int(widths.max(initial=0))):
        length = -(-int(counts[plane + 1]) // 8)
        stored = unsqueeze(reader.sized(), length) if compressed >> plane & 1 else reader.take(length)
        put_plane(numbers, np.frombuffer(stored, np.uint8).copy(), widths, plane)
    return numbers


@compiled
def take_plane(found: Array, numbers: Array, widths: Array, plane: Integer) -> Integer:
    """Collect the bits of a plane of numbers that are so wide, and count them; `found` has a bit for each number.

    Planes are below MOST_PLANES, which shifts are in range by. The count does not exceed the numbers.
    """
    count, byte, shift = np.int64(0), np.int64(0), np.uint64(plane)
    for i in range(numbers.size):
        if np.int64(widths[i]) > plane:
            byte = (byte << 1) | np.int64((numbers[i] >> shift) & np.uint64(1))
            count += 1
            if count & 7 == 0:
                found[(count >> 3) - 1] = byte
                byte = np.int64(0)
    if count & 7:
        found[count >> 3] = byte << (8 - (count & 7))
    return count


@compiled
def put_plane(numbers: Array, bits: Array, widths: Array, plane: Integer) -> None:
    """Put the bits of a plane into numbers that are so wide, of which `bits` has one for each (see `unpack_planes`)."""
    count, shift = np.int64(0), np.uint64(plane)
    for i in range(numbers.size):
        if np.int64(widths[i]) > plane:
            bit = (np.int64(bits[count >> 3]) >> (7 - (count & 7))) & 1
            numbers[i] |= np.uint64(bit) << shift
            count += 1
