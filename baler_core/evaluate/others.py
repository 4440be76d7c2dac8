"""Measure the sizes that general-purpose compressors reach on the same native bytes."""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from baler_core.evaluate.results import OtherCompressor

COMPRESSORS: Mapping[str, Callable[[bytes], bytes]] = {
    "gzip -9": lambda data: gzip.compress(data, compresslevel=9, mtime=0),
    "xz -9": lambda data: compress_xz(data),
    "zstd -19": lambda data: compress_zstd(data),
}


def compress_xz(data: bytes) -> bytes:
    """As `xz -9`, but with a dictionary no larger than the data, which takes a tenth of the memory."""
    dictionary = max(4096, min(len(data), 64 << 20))
    return lzma.compress(data, filters=[{"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": dictionary}])


def compress_zstd(data: bytes) -> bytes:
    """As `zstd -19`."""
    import zstandard

    return zstandard.ZstdCompressor(level=19).compress(data)


def compress_with_others(data: bytes) -> tuple[OtherCompressor, ...]:
    """Return every compressor on the same bytes, side by side; none for no bytes."""
    if not data:
        return ()
    with ThreadPoolExecutor() as pool:
        compressed = pool.map(lambda compress: len(compress(data)), COMPRESSORS.values())
        return tuple(OtherCompressor(name, len(data), size) for name, size in zip(COMPRESSORS, compressed, strict=True))
