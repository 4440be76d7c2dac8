"""How the buffers of an Arrow file are compressed, which pyarrow does not tell: read from its first record batch."""

from __future__ import annotations

import struct
from pathlib import Path

RECORD_BATCH = 3
CODECS = {0: "lz4", 1: "zstd"}


def codec_of(path: Path, start: int) -> str:
    """Return `lz4` or `zstd`; empty where there is no record batch, or one that is not compressed.

    Parameters
    ----------
    start
        Where the first message begins.

    Raises
    ------
    ValueError
        If a message is damaged.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        place = start
        while place + 8 <= size:
            file.seek(place)
            marker, length = struct.unpack("<Ii", file.read(8))
            if marker != 0xFFFFFFFF:  # as before Arrow 0.15: the length alone
                length, place = marker, place - 4
            if not 0 < length <= size - place:
                return ""
            file.seek(place + 8)
            message = file.read(length)
            try:
                kind, body, codec = _message(message)
            except struct.error as error:
                raise ValueError("a message of the file is damaged") from error
            if kind == RECORD_BATCH:
                return codec
            if body < 0:
                return ""
            place += 8 + length + body
    return ""


def first_batch(path: Path) -> int:
    """Return where the first record batch of a file begins, as its footer says: of what lies before, readers need nothing.

    Returns
    -------
    Its place; the end of the file if there is none.

    Raises
    ------
    ValueError
        If the footer is damaged.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        try:
            file.seek(max(0, size - 10))
            length = struct.unpack("<i6s", file.read(10))[0]
            if not 0 < length <= size - 10:
                raise struct.error("before the file")
            file.seek(size - 10 - length)
            footer = file.read(length)
            vector = _slot(footer, _whole(footer, "<I", 0), 3)
            vector += _whole(footer, "<I", vector) if vector else 0
            if not vector or not _whole(footer, "<I", vector):
                return size
            return _whole(footer, "<q", vector + 4)
        except struct.error as error:
            raise ValueError("the footer of the file is damaged") from error


def _message(raw: bytes) -> tuple[int, int, str]:
    """The kind of a message (a flatbuffer, see Message.fbs of Arrow), the length of its body, and its codec."""
    root = _whole(raw, "<I", 0)
    kind = _whole(raw, "<B", place) if (place := _slot(raw, root, 1)) else 0
    body = _whole(raw, "<q", place) if (place := _slot(raw, root, 3)) else 0
    place = _slot(raw, root, 2)
    if kind != RECORD_BATCH or not place:
        return kind, body, ""
    batch = place + _whole(raw, "<I", place)
    place = _slot(raw, batch, 3)
    if not place:
        return kind, body, ""
    compression = place + _whole(raw, "<I", place)
    codec = _whole(raw, "<b", place) if (place := _slot(raw, compression, 0)) else 0
    return kind, body, CODECS.get(codec, "")


def _slot(raw: bytes, table: int, number: int) -> int:
    """Where a field of a table lies; 0 if it is not there."""
    fields = table - _whole(raw, "<i", table)
    if 4 + 2 * number >= _whole(raw, "<H", fields):
        return 0
    offset = _whole(raw, "<H", fields + 4 + 2 * number)
    return table + offset if offset else 0


def _whole(raw: bytes, form: str, place: int) -> int:
    if place < 0:
        raise struct.error("before the message")
    found: int = struct.unpack_from(form, raw, place)[0]
    return found
