"""Files compressed as a whole (`.gz`, `.bz2`, `.xz`, `.Z`): unpacked when opened, packed again when restored."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from baler_core import DataError
from baler_fits.values import lzw

# how such files begin, and the names of the compressions as they stand in skeletons; the last byte of .Z tells more
MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\xfd7zXZ\0": "xz", lzw.MAGIC: "Z"}
ENDINGS = ("gz", "bz2", "xz", "z")
OTHERS = {b"PK\x03\x04": "a zip archive", b"\x28\xb5\x2f\xfd": "compressed with zstd", b"7z\xbc\xaf": "a 7z archive"}
# An .xz header may ask for a dictionary of 4 GB; no preset does for more than 64 MB.
XZ_MEMORY = 1 << 30
PIECE = 1 << 20


def open_plain(path: Path) -> tuple[BinaryIO, str]:
    """Return the file opened, unpacked into a temporary one if it is compressed as a whole, and how it was.

    Returns
    -------
    file
        Its `name` is that of a file on disk.
    how
        `gzip`, `bz2`, `xz`, or `Z` and the longest code; empty if it was not compressed.

    Raises
    ------
    DataError
        If it is missing, cannot be read, or its compressed stream is damaged.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise DataError(f"cannot open {path}: {error.strerror}") from error
    start = file.read(6)
    file.seek(0)
    if other := next((what for magic, what in OTHERS.items() if start.startswith(magic)), None):
        file.close()
        raise DataError(f"{path.name} is {other}, which the reader 'fits' does not unpack. Unpack it first")
    how = next((name for magic, name in MAGIC.items() if start.startswith(magic)), "")
    if not how:
        return file, ""
    return _unpacked_into_file(file, how, path), f"Z{start[2] & 0x1F}" if how == "Z" else how


def _unpacked_into_file(file: BinaryIO, how: str, path: Path) -> BinaryIO:
    """Unpack a compressed file into a temporary one, which goes when it is closed.

    Raises
    ------
    DataError
        If the compressed stream is damaged.
    """
    unpacked = tempfile.NamedTemporaryFile(suffix=".fits")  # noqa: SIM115 (the caller closes it)
    try:
        with file:
            for piece in _unpacked(file, how):
                unpacked.write(piece)
        unpacked.flush()
    except (EOFError, OSError, lzma.LZMAError, zlib.error, ValueError) as error:
        unpacked.close()
        raise DataError(
            f"{path.name}: the {how} stream is damaged or cut short ({error}). Get the file again"
        ) from error
    except BaseException:
        unpacked.close()
        raise
    return cast(BinaryIO, unpacked)


def _unpacked(file: BinaryIO, how: str) -> Iterator[bytes]:
    """What a compressed file holds, in pieces."""
    if how == "Z":
        yield bytes(lzw.unpack(file.read()))
    elif how == "xz":
        yield from _unpacked_xz(file)
    else:
        stream = gzip.GzipFile(fileobj=file) if how == "gzip" else bz2.BZ2File(file)
        with stream:
            while piece := stream.read(PIECE):
                yield piece


def _unpacked_xz(file: BinaryIO) -> Iterator[bytes]:
    """What one or several .xz streams hold."""
    raw = file.read(PIECE)
    while raw:
        decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)
        while not decoder.eof:
            yield decoder.decompress(raw, PIECE)
            raw = b"" if not decoder.needs_input else file.read(PIECE)
            if decoder.needs_input and not raw and not decoder.eof:
                raise EOFError("it ends early")
        raw = (decoder.unused_data or file.read(PIECE)).lstrip(b"\0")  # streams are padded with zeros


def is_packing(how: object) -> bool:
    """Return whether a skeleton may name this compression."""
    return how in ("", "gzip", "bz2", "xz", *(f"Z{bits}" for bits in range(lzw.FIRST_BITS, 17)))


def write_packed(file: BinaryIO, how: str, pieces: Iterable[bytes]) -> None:
    """Write pieces to a file, compressed as a whole with the method that `open_plain` returned."""
    if how.startswith("Z"):
        pieces = lzw.Packer(int(how[1:])).pack(pieces)
    if not how or how.startswith("Z"):
        file.writelines(pieces)
        return
    stream: gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile
    if how == "gzip":
        stream = gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0)
    else:
        stream = bz2.BZ2File(file, "wb") if how == "bz2" else lzma.LZMAFile(file, "wb")  # noqa: SIM115 (closed below)
    with stream:
        for piece in pieces:
            stream.write(piece)
