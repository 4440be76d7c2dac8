"""Read numbers, compressed bytes and packed integers (file_format.md: the beginning, compressed bytes, packed integers)."""

from __future__ import annotations

import lzma
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import zstandard
from pcodec import wrapped

WORDS = Path(__file__).resolve().parents[2] / "baler_core" / "format" / "header_dictionary_1.txt"
FILTERS = ((3, 0, 0), (3, 0, 2), (0, 2, 2), (0, 3, 3))
LARGEST_DICTIONARY, LARGEST_WINDOW = 1 << 26, 1 << 27
CHUNK = 1 << 18
U64 = (1 << 64) - 1


class Damaged(Exception):
    """The bytes are no file that this decoder can restore."""


class Bytes:
    """Bytes read from the front."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    @property
    def left(self) -> int:
        return len(self.data) - self.at

    def take(self, length: int) -> bytes:
        if not 0 <= length <= self.left:
            raise Damaged(f"{length} bytes were announced, {self.left} are left")
        self.at += length
        return self.data[self.at - length : self.at]

    def byte(self) -> int:
        return self.take(1)[0]

    def varint(self) -> int:
        number = 0
        for shift in range(0, 77, 7):
            byte = self.byte()
            number |= (byte & 127) << shift
            if byte < 128:
                return number
        raise Damaged("a number has more than 70 bits")

    def below(self, limit: int) -> int:
        number = self.varint()
        if number >= limit:
            raise Damaged(f"{number} where less than {limit} was expected")
        return number

    def zigzag(self) -> int:
        number = self.varint()
        signed = -(number + 1) // 2 if number % 2 else number // 2
        if not -(2**63) <= signed < 2**63:
            raise Damaged(f"{signed} is beyond 64 bits")
        return signed

    def sized(self) -> bytes:
        return self.take(self.varint())

    def rest(self) -> bytes:
        return self.take(self.left)

    def double(self) -> float:
        return float(struct.unpack("<d", self.take(8))[0])


def decompress(data: bytes, length: int) -> bytes:
    stream = Bytes(data)
    method, body = stream.byte(), stream.rest()
    if method == 0:
        restored = body
    elif method <= 4:
        lc, lp, pb = FILTERS[method - 1]
        dictionary = max(4096, min(LARGEST_DICTIONARY, 1 << max(1, length - 1).bit_length()))
        settings: dict[str, Any] = {"id": lzma.FILTER_LZMA1, "dict_size": dictionary, "lc": lc, "lp": lp, "pb": pb}
        restored = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[settings]).decompress(body, max_length=length + 1)
    elif method == 6:
        restored = zlib.decompressobj(-15, zdict=WORDS.read_bytes()).decompress(body, length + 1)
    elif method in (5, 7):
        if not body or body[0] >> 5:
            raise Damaged("a zstd frame states its size")  # for which the library would take memory
        words = WORDS.read_bytes() if method == 7 else b""
        known = zstandard.ZstdCompressionDict(words, zstandard.DICT_TYPE_RAWCONTENT) if words else None
        window = max(1 << 17, min(LARGEST_WINDOW, 4 << (length + len(words)).bit_length()))
        frame = zstandard.ZstdDecompressor(known, max_window_size=window, format=zstandard.FORMAT_ZSTD1_MAGICLESS)
        restored = frame.decompress(body, max_output_size=length + 1)
    else:
        raise Damaged(f"unknown compression {method}")
    if len(restored) != length:
        raise Damaged(f"{len(restored)} bytes were restored where {length} were expected")
    return restored


def above(low: int, raw: np.ndarray) -> np.ndarray:
    """Unsigned numbers above `low` as int64, modulo 2^64."""
    return (raw.astype("<u8") + np.uint64(low & U64)).view("<i8")


def unpack(data: bytes, count: int) -> np.ndarray:
    """Packed integers: int64 (count,)."""
    stream = Bytes(data)
    method = stream.byte()
    if (method == 0) != (count == 0):
        raise Damaged(f"integers of kind {method} where there are {count}")
    if method == 0:
        return np.zeros(0, "<i8")
    if method == 1:
        return np.full(count, stream.zigzag(), "<i8")
    if method == 5:
        low = stream.zigzag()
        bits = np.unpackbits(np.frombuffer(decompress(stream.rest(), (count + 7) // 8), "u1"), count=count)
        return above(low, bits)
    width, low = stream.byte(), stream.zigzag()
    if width not in (0, 1, 2, 4, 8) or (width == 0 and method == 2):
        raise Damaged(f"integers of {width} bytes")
    if method in (3, 4):
        raw = decompress(stream.rest(), width * count)
        values = above(low, np.frombuffer(raw, f"<u{width}")) if width else np.full(count, low, "<i8")
        return np.cumsum(values) if method == 4 else values
    if method != 2:
        raise Damaged(f"integers of the unknown kind {method}")
    return above(low, unpack_pcodec(stream, count, width))


def unpack_pcodec(stream: Bytes, count: int, width: int) -> np.ndarray:
    raw = np.zeros(count, f"<u{width}")
    try:
        file, _ = wrapped.FileDecompressor.new(stream.sized())
        for start in range(0, count, CHUNK):
            part = raw[start : start + CHUNK]
            chunk, _ = file.chunk_decompressor(stream.sized(), f"u{8 * width}")
            chunk.read_page_into(stream.sized(), part.size, part)
    except BaseException as error:
        if isinstance(error, RuntimeError) or type(error).__name__ == "PanicException":
            raise Damaged("a pcodec stream is damaged") from error  # a panic of the library is no Exception
        raise
    return raw


def positions(data: bytes, count: int, size: int) -> np.ndarray:
    """Ascending flat positions from their packed differences."""
    found = np.cumsum(unpack(data, count))
    if count and not (found[0] >= 0 and found[-1] < size and (np.diff(found) > 0).all()):
        raise Damaged("positions lie outside their variable")
    return found
