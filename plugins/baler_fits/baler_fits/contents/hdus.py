"""Find each header and data unit of a FITS file, without reading values."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

from baler_core import DataError
from baler_fits.contents.headers import BLOCK, CARD, Keywords

# A header longer than this is not a header; the largest known ones have some 10,000 cards (0.8 MB).
MAX_HEADER = 64 << 20
PIECE = 1 << 20  # a multiple of 4, so that checksums add up piece by piece


@dataclass(frozen=True)
class Hdu:
    """One header-data unit.

    Attributes
    ----------
    index
        Its number in the file, from 0.
    header
        Its cards up to and including END, as text (latin-1, 80 characters each); empty for bytes after the last HDU.
    start, size
        Place of the data in the file, in bytes, without padding.
    header_padding, data_padding
        What fills the last block of the header and of the data, where it is not what the standard asks for; else None.
    """

    index: int
    header: str
    start: int
    size: int
    header_padding: bytes | None = None
    data_padding: bytes | None = None


def scan(file: BinaryIO, name: str) -> list[Hdu]:
    """Return all HDUs of an open file; what follows the last one counts as an HDU without a header.

    Raises
    ------
    DataError
        If it is not FITS, or is cut short.
    """
    end = file.seek(0, os.SEEK_END)
    file.seek(0)
    start = file.read(30)
    if not start.startswith(b"SIMPLE  ="):
        found = f"it begins with {start[:8]!r}" if start else "it is empty"
        raise DataError(f"{name} is not a FITS file: its first card must be SIMPLE, but {found}")
    hdus: list[Hdu] = []
    position = 0
    while position < end:
        hdu = _hdu_at(file, position, end, len(hdus), name)
        hdus.append(_with_padding(file, position, hdu))
        position = hdu.start + -(-hdu.size // BLOCK) * BLOCK
    return hdus


def _hdu_at(file: BinaryIO, position: int, end: int, index: int, name: str) -> Hdu:
    """The HDU that begins at `position`."""
    file.seek(position)
    if index and file.read(8) != b"XTENSION":
        return Hdu(index, "", position, end - position)
    header = _read_header(file, position, f"{name}, HDU {index}")
    keywords = Keywords(header)
    start = position + -(-len(header) // BLOCK) * BLOCK
    if index == 0 and not keywords.flag("SIMPLE"):
        return Hdu(0, header, start, max(0, end - start))
    size = data_size(keywords, f"{name}, HDU {index}")
    if size and start + size > end:
        raise DataError(
            f"{name} is cut short: HDU {index} needs {size} bytes of data, the file has {max(0, end - start)} of them. "
            f"Get the file again"
        )
    return Hdu(index, header, start, size)


def _with_padding(file: BinaryIO, position: int, hdu: Hdu) -> Hdu:
    """Return the HDU at `position`, with its padding if that is unusual."""
    if not hdu.header:
        return hdu
    file.seek(position + len(hdu.header))
    header = file.read(-len(hdu.header) % BLOCK)
    file.seek(hdu.start + hdu.size)
    data = file.read(-hdu.size % BLOCK)
    return replace(
        hdu,
        header_padding=None if header == padding_of("", len(hdu.header)) else header,
        data_padding=None if data == padding_of(hdu.header, hdu.size) else data,
    )


def padding_of(header: str, size: int) -> bytes:
    """What fills the last block behind the `size` bytes of data of this header, or of a header itself (no header)."""
    blank = not header or header.startswith("XTENSION= 'TABLE ")
    return (b" " if blank else b"\0") * (-size % BLOCK)


def _read_header(file: BinaryIO, position: int, where: str) -> str:
    """The cards up to END."""
    file.seek(position)
    text = ""
    while len(text) < MAX_HEADER:
        block = file.read(BLOCK)
        for at in range(0, len(block) - CARD + 1, CARD):
            if block[at : at + CARD].rstrip() == b"END":
                return text + block[: at + CARD].decode("latin-1")
        if len(block) < BLOCK:
            break
        text += block.decode("latin-1")
    raise DataError(f"{where}: the header has no END card. The file is cut short or damaged")


def data_size(keywords: Keywords, where: str) -> int:
    """Return bytes of data that a header announces (FITS standard 4.0, equation 2), without padding."""
    bits = keywords.whole("BITPIX")
    if bits not in (8, 16, 32, 64, -32, -64):
        raise DataError(f"{where}: BITPIX must be 8, 16, 32, 64, -32 or -64, found {keywords.get('BITPIX')!r}")
    axes = axis_lengths(keywords, where)
    if not axes:
        return 0
    if is_random_groups(keywords):
        axes = axes[1:]
    values = 1
    for length in axes:
        values *= length
    parameters, groups = keywords.whole("PCOUNT", 0), keywords.whole("GCOUNT", 1)
    if parameters < 0 or groups < 0:
        raise DataError(f"{where}: PCOUNT and GCOUNT must not be negative, found {parameters} and {groups}")
    return abs(bits) // 8 * groups * (parameters + values)


def axis_lengths(keywords: Keywords, where: str, prefix: str = "") -> list[int]:
    """NAXIS1, NAXIS2 ... (fastest first); with the prefix Z those of a tile-compressed image.

    Raises
    ------
    DataError
        If one of them is missing or negative.
    """
    count = keywords.whole(f"{prefix}NAXIS", -1)
    if not 0 <= count <= 999:
        raise DataError(
            f"{where}: {prefix}NAXIS must be a number from 0 to 999, found {keywords.get(f'{prefix}NAXIS')!r}"
        )
    lengths = [keywords.whole(f"{prefix}NAXIS{n}", -1) for n in range(1, count + 1)]
    for n, length in enumerate(lengths, start=1):
        if length < 0:
            found = keywords.get(f"{prefix}NAXIS{n}")
            raise DataError(f"{where}: {prefix}NAXIS{n} must be 0 or more, found {found!r}")
    return lengths


def is_random_groups(keywords: Keywords) -> bool:
    """Return whether a primary header describes random groups."""
    return keywords.flag("GROUPS") and keywords.whole("NAXIS1", -1) == 0 and keywords.whole("NAXIS") > 0


def pieces_of(file: BinaryIO, start: int, size: int, padding: bytes) -> Iterator[bytes]:
    """Yield a stretch of a file and what pads it to whole blocks; bytes that were never written are zero."""
    for at in range(0, size, PIECE):
        file.seek(start + at)
        length = min(PIECE, size - at)
        piece = file.read(length).ljust(length, b"\0")
        yield piece + padding if at + length == size else piece
