"""Blocks of LZ4, as VTK writes them without any frame, by pyarrow where it is installed."""

from __future__ import annotations

from typing import Any

from baler_core import DataError


def lz4_codec() -> Any:
    """Return what packs and unpacks blocks.

    Raises
    ------
    DataError
        If there is none.
    """
    try:
        import pyarrow
    except (ImportError, OSError) as error:
        raise DataError(
            "compression with LZ4 needs pyarrow, which is not installed: pip install pyarrow, or write the file with zlib"
        ) from error
    return pyarrow.Codec("lz4_raw")


def unpack(block: bytes, size: int) -> bytes:
    """Return the bytes in a block.

    Raises
    ------
    ValueError
        If it is damaged.
    """
    try:
        return bytes(lz4_codec().decompress(block, size)) if size else b""
    except OSError as error:
        raise ValueError(f"a block of LZ4 cannot be unpacked: {error}") from error


def pack(piece: bytes) -> bytes:
    """Return a block."""
    return bytes(lz4_codec().compress(piece))
