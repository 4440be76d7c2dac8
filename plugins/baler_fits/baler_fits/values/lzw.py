"""Bytes to and from the format of the Unix command `compress` (`.Z`: Lempel-Ziv-Welch), which no library writes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

MAGIC = b"\x1f\x9d"
CLEAR = 256
FIRST_BITS = 9
# Strings repeat others, so that a few megabytes may stand for terabytes.
MAX_UNPACKED = 4 << 30


def unpack(data: bytes) -> bytearray:
    """Return what a whole `.Z` file holds.

    Raises
    ------
    ValueError
        If it is damaged, or holds more than 4 GiB.
    """
    bits, block_mode = (data[2] & 0x1F, bool(data[2] & 0x80)) if len(data) > 2 else (0, False)
    if not data.startswith(MAGIC) or not FIRST_BITS <= bits <= 16:
        raise ValueError("it does not begin with the signature of the format")
    out = bytearray()
    # An entry is a stretch of what is unpacked already: its start and length.
    starts, lengths = [0] * (1 << bits), [1] * (1 << bits)
    free, start, length = CLEAR + block_mode, 0, 0
    codes = _Codes(data, bits)
    while (code := codes.next(free)) is not None:
        if code == CLEAR and block_mode:
            free = CLEAR
            codes.restart()
            continue
        at = len(out)
        if code < CLEAR:
            out.append(code)
        elif code < free:
            out += out[starts[code] : starts[code] + lengths[code]]
        elif code == free and length:
            out += out[start : start + length]
            out.append(out[start])
        else:
            raise ValueError(f"it refers to string {code} before it is defined")
        if length and free < 1 << bits:
            starts[free], lengths[free] = start, length + 1
            free += 1
        start, length = at, len(out) - at
        if len(out) > MAX_UNPACKED:
            raise ValueError("it holds more than 4 GiB. Unpack it first (uncompress)")
    return out


class _Codes:
    """Reads codes of growing length; they come in groups of eight, and a new length begins a new group."""

    def __init__(self, data: bytes, most: int) -> None:
        self._data, self._most = data, most
        self._bits, self._group, self._place = FIRST_BITS, 3, 0

    def next(self, free: int) -> int | None:
        """Return the next code; None at the end. `free` is the number of the next entry of the table."""
        if free >= 1 << self._bits and self._bits < self._most:
            self._new_group()
            self._bits += 1
        first = self._place * self._bits
        if self._group * 8 + first + self._bits > len(self._data) * 8:
            return None
        byte = self._group + (first >> 3)
        word = int.from_bytes(self._data[byte : byte + 3], "little")
        self._place += 1
        if self._place == 8:
            self._new_group()
        return word >> (first & 7) & ((1 << self._bits) - 1)

    def restart(self) -> None:
        """Short codes again, after the table was cleared."""
        self._new_group()
        self._bits = FIRST_BITS

    def _new_group(self) -> None:
        self._group += self._bits if self._place else 0
        self._place = 0


class Packer:
    """Writes the format piece by piece.

    Parameters
    ----------
    bits
        The greatest length of a code, 9 to 16.
    """

    def __init__(self, bits: int = 16) -> None:
        self._most = bits
        self._table: dict[int, int] = {}
        self._prefix = -1
        self._free = CLEAR + 1
        # what the reader will know when it reads the next code: the free entry it has come to, and the code length
        self._seen, self._bits, self._first = CLEAR + 1, FIRST_BITS, True
        self._group: list[int] = []

    def pack(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the whole stream of all pieces, in pieces."""
        yield MAGIC + bytes([0x80 | self._most])
        for piece in pieces:
            yield b"".join(self._take(piece))
        if self._prefix >= 0:
            yield b"".join(self._put(self._prefix))
        yield self._flush(whole=False)

    def _take(self, piece: bytes) -> Iterator[bytes]:
        prefix, table = self._prefix, self._table
        for byte in piece:
            if prefix < 0:
                prefix = byte
                continue
            key = prefix << 8 | byte
            if key in table:
                prefix = table[key]
                continue
            yield from self._put(prefix)
            if self._free < 1 << self._most:
                table[key] = self._free
                self._free += 1
            else:
                yield from self._put(CLEAR)
                table.clear()
                self._free = CLEAR + 1
            prefix = byte
        self._prefix = prefix

    def _put(self, code: int) -> Iterator[bytes]:
        if self._seen >= 1 << self._bits and self._bits < self._most:
            yield self._flush()
            self._bits += 1
        self._group.append(code)
        if len(self._group) == 8:
            yield self._flush()
        if code == CLEAR:
            yield self._flush()
            self._seen, self._bits = CLEAR, FIRST_BITS
        elif self._first:
            self._first = False
        elif self._seen < 1 << self._most:
            self._seen += 1

    def _flush(self, *, whole: bool = True) -> bytes:
        """The group begun; the last one of a stream ends with its last code."""
        if not self._group:
            return b""
        word = sum(code << place * self._bits for place, code in enumerate(self._group))
        size = self._bits if whole else -(-len(self._group) * self._bits // 8)
        self._group.clear()
        return word.to_bytes(size, "little")
