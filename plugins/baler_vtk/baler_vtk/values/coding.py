"""Arrays to the bytes and texts of VTK's formats, and back."""

from __future__ import annotations

import base64
import binascii
import lzma
import zlib
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from baler_core import DataError
from baler_vtk.contents.xml_text import ArrayPlace, Form
from baler_vtk.values.lz4_blocks import pack, unpack

BLOCK = 1 << 15
# No compression makes more of a byte.
_MOST = 1100
_SPACE = b" \t\r\n"


def decoded(data: Any, start: int, stop: int, place: ArrayPlace, form: Form) -> np.ndarray:
    """Return the numbers of an array, flat.

    Parameters
    ----------
    start, stop
        Of its content; of appended arrays, from its first byte to the end of all.

    Raises
    ------
    DataError
        If it is damaged.
    """
    dtype = np.dtype(form.order + place.dtype if place.dtype[1:] != "1" else place.dtype)
    try:
        if place.format == "ascii":
            return _from_text(bytes(data[start:stop]), dtype)
        packed = not (place.format == "appended" and form.raw)
        is_plain = place.format == "plain"
        raw = bytes(data[start:stop]) if is_plain else _payload(data, start, stop, form, packed=packed)
        if len(raw) % dtype.itemsize:
            raise ValueError(f"{len(raw)} bytes are no whole number of values")
        return np.frombuffer(raw, dtype)
    except (ValueError, IndexError, zlib.error, lzma.LZMAError, binascii.Error, OverflowError) as error:
        raise DataError(f"the array {place.name!r} is damaged: {' '.join(str(error).split())}") from error


def _from_text(text: bytes, dtype: np.dtype[Any]) -> np.ndarray:
    if dtype.kind == "S":
        # The numbers of bytes: where characters have signs, as on most machines, VTK writes those of UTF-8 below zero.
        return np.array([int(one) for one in text.split()], "i2").astype("u1").view(dtype)
    if dtype.kind == "f":
        words = text.split()
        doubles = np.array([float(one) for one in words])
        return doubles.astype(dtype) if dtype.itemsize == 8 else _rounded_once(words, doubles, dtype)
    return np.array([int(one) for one in text.split()], dtype)


def _rounded_once(words: list[bytes], doubles: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """Return the floats nearest to numbers of any length, which doubles halfway between two floats do not tell."""
    with np.errstate(over="ignore", invalid="ignore"):
        floats = doubles.astype("f4")
        beyond = np.nextafter(floats, np.where(doubles > floats, np.inf, -np.inf).astype("f4"))
        halfway = (floats != doubles) & (floats.astype("f8") + beyond.astype("f8") == 2 * doubles)
    for place in np.flatnonzero(halfway).tolist():
        exact, near = Fraction(words[place].decode("ascii")), Fraction(doubles[place].item())
        if exact != near:
            floats[place] = np.nextafter(doubles[place], np.inf if exact > near else -np.inf).astype("f4")
    return floats.astype(dtype)


def _payload(data: Any, start: int, stop: int, form: Form, *, packed: bool) -> bytes:
    """Return the bytes of binary numbers."""
    header = np.dtype(form.header)
    if stop <= start:
        return b""
    reader = _Packed(data, start, stop) if packed else _Raw(data, start, stop)
    if not form.compressor:
        (length,) = np.frombuffer(reader.peek(header.itemsize), header).tolist()
        if reader.ends(header.itemsize):  # as some programs write it, and VTK reads it
            reader.take(header.itemsize)
            return reader.take(length)
        return reader.take(header.itemsize + length)[header.itemsize :]
    (count,) = np.frombuffer(reader.peek(header.itemsize), header).tolist()
    numbers = np.frombuffer(reader.take(header.itemsize * (3 + count if count else 1)), header).tolist()
    if not count:
        return b""
    _, size, last, *lengths = numbers
    lengths = lengths[:count]
    total = size * (count - bool(last)) + last
    if total > _MOST * (sum(lengths) + 64):
        raise ValueError(f"{sum(lengths)} compressed bytes claim to hold {total}")
    body, at, parts = reader.take(sum(lengths)), 0, []
    for number, length in enumerate(lengths):
        wanted = last if last and number == count - 1 else size
        parts.append(_unpacked(body[at : at + length], form.compressor, wanted))
        at += length
    return b"".join(parts)


def _unpacked(block: bytes, compressor: str, size: int) -> bytes:
    if compressor == "zlib":
        found = zlib.decompressobj().decompress(block, size)
    elif compressor == "lz4":
        found = unpack(block, size)
    else:
        found = lzma.LZMADecompressor().decompress(block, size)
    if len(found) != size:
        raise ValueError(f"a block holds {len(found)} bytes, not {size}")
    return found


class _Raw:
    """Bytes as they are."""

    def __init__(self, data: Any, start: int, stop: int) -> None:
        self._data, self._at, self._stop = data, start, stop

    def peek(self, length: int) -> bytes:
        found = bytes(self._data[self._at : min(self._stop, self._at + length)])
        if len(found) != length:
            raise ValueError("it ends early")
        return found

    def take(self, length: int) -> bytes:
        found = self.peek(length)
        self._at += length
        return found

    def ends(self, length: int) -> bool:
        """Return whether a piece ends behind so many bytes, and what follows is one of its own."""
        return False


class _Packed:
    """Pieces of base64, each padded by itself."""

    def __init__(self, data: Any, start: int, stop: int) -> None:
        self._data, self._at, self._stop = data, start, stop
        while self._at < self._stop and self._data[self._at] in _SPACE:
            self._at += 1

    def peek(self, length: int) -> bytes:
        return self._decoded(length)[0]

    def take(self, length: int) -> bytes:
        found, self._at = self._decoded(length)
        return found

    def ends(self, length: int) -> bool:
        end = self._at + 4 * -(-length // 3)
        return end < self._stop and self._data[end - 1] == ord("=")

    def _decoded(self, length: int) -> tuple[bytes, int]:
        end = self._at + 4 * -(-length // 3)
        text = bytes(self._data[self._at : min(end, self._stop)])
        found = base64.b64decode(text, validate=True)[:length]
        if len(found) != length:
            raise ValueError("it ends early")
        return found, end


def encoded(values: np.ndarray, place: ArrayPlace, form: Form) -> bytes:
    """Return flat numbers as the content of an array."""
    if place.format == "ascii":
        return _as_text(values, place.components)
    if place.format == "plain":
        return values.tobytes()
    raw, header = values.tobytes(), np.dtype(form.header)
    packed = not (place.format == "appended" and form.raw)
    if not form.compressor:
        whole = np.array([len(raw)], header).tobytes() + raw
        return base64.b64encode(whole) if packed else whole
    pieces = [raw[at : at + BLOCK] for at in range(0, len(raw), BLOCK)]
    packers: dict[str, Callable[[bytes], bytes]] = {"zlib": zlib.compress, "lzma": lzma.compress, "lz4": pack}
    squeeze = packers[form.compressor]
    blocks = [squeeze(piece) for piece in pieces]
    last = len(raw) % BLOCK
    numbers = [len(blocks), BLOCK, last, *map(len, blocks)]  # of no block, too: VTK reads three numbers in any case
    head, body = np.array(numbers, header).tobytes(), b"".join(blocks)
    return base64.b64encode(head) + base64.b64encode(body) if packed else head + body


def _as_text(values: np.ndarray, components: int) -> bytes:
    if values.dtype.kind == "S":
        values = values.view("i1")
    # numpy writes floats with the fewest digits that give them in their own type
    words = [str(one) for one in (values.tolist() if values.dtype.kind != "f" else values)]
    width = components if components > 1 else 10
    lines = (" ".join(words[at : at + width]) for at in range(0, len(words), width))
    return "\n".join(lines).encode("ascii")
