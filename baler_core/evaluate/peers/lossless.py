"""Compressors of bytes and of columns, which lose nothing."""

from __future__ import annotations

import gzip
import io
import lzma
from collections.abc import Callable
from typing import Any

import numpy as np

from baler_core.evaluate.others import compress_xz, compress_zstd
from baler_core.evaluate.peers.peer import Allowed, Coded, NotTakenError, Peer

Bytes = Callable[[bytes], bytes]
_LEVEL = 12  # of pcodec: its highest but one in speed, as its authors advise for archives


def _of_bytes(compress: Bytes, decompress: Bytes) -> Callable[[np.ndarray, Allowed], Coded]:
    def code(values: np.ndarray, _: Allowed) -> Coded:
        data = compress(np.ascontiguousarray(values).tobytes())
        return Coded(len(data), lambda: np.frombuffer(decompress(data), values.dtype).reshape(values.shape))

    return code


def restore_zstd(data: bytes) -> bytes:
    """Return what a frame of Zstandard holds."""
    import zstandard

    return zstandard.ZstdDecompressor().decompress(data)


def restore_pcodec(data: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """Return the numbers of a file of pcodec."""
    from pcodec import standalone

    values = standalone.simple_decompress(data)
    if values is None:
        return np.zeros(shape)
    return values.reshape(shape)


def compress_pcodec(values: np.ndarray) -> bytes:
    """Return a file of pcodec; of numbers only."""
    from pcodec import ChunkConfig, standalone

    if values.dtype.kind not in "iuf" or values.dtype.itemsize > 8:
        raise NotTakenError
    native = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("="), copy=False)).ravel()
    return standalone.simple_compress(native, ChunkConfig(compression_level=_LEVEL, enable_8_bit=True))


def _pcodec(values: np.ndarray, _: Allowed) -> Coded:
    data = compress_pcodec(values)
    return Coded(len(data), lambda: restore_pcodec(data, values.shape).astype(values.dtype, copy=False))


def _parquet(values: np.ndarray, _: Allowed) -> Coded:
    """One column by the better of two encodings; only the chunk counts, not the file around it."""
    import pyarrow
    from pyarrow import parquet

    if values.dtype.kind not in "iufb" or values.dtype.itemsize > 8:
        raise NotTakenError
    table = pyarrow.table({"x": np.ascontiguousarray(values.astype(values.dtype.newbyteorder("="))).ravel()})
    files = [io.BytesIO(), io.BytesIO()]
    options: dict[str, Any] = {"compression": "zstd", "compression_level": 19}
    parquet.write_table(table, files[0], **options)
    if values.dtype.kind != "b" and values.dtype.itemsize > 1:
        parquet.write_table(table, files[1], use_dictionary=False, use_byte_stream_split=True, **options)
    size, place = min((_chunk_bytes(file), n) for n, file in enumerate(files) if file.getbuffer().nbytes)

    def restore() -> np.ndarray:
        column = parquet.read_table(files[place])["x"].to_numpy()
        return column.astype(values.dtype, copy=False).reshape(values.shape)

    return Coded(size, restore)


def _chunk_bytes(file: io.BytesIO) -> int:
    from pyarrow import parquet

    groups = parquet.read_metadata(file)
    return sum(groups.row_group(n).column(0).total_compressed_size for n in range(groups.num_row_groups))


GZIP = Peer("gzip -9", _of_bytes(lambda data: gzip.compress(data, 9, mtime=0), gzip.decompress), ("exact",))
XZ = Peer("xz -9", _of_bytes(compress_xz, lzma.decompress), ("exact",))
ZSTD = Peer("zstd -19", _of_bytes(compress_zstd, restore_zstd), ("exact",))
PEERS = (
    GZIP,
    XZ,
    ZSTD,
    Peer("Parquet + zstd -19", _parquet, ("exact",), ("pyarrow",)),
    Peer("pcodec", _pcodec, ("exact",), ("pcodec",)),
)
