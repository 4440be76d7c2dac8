"""Arrays as zarr opens them, checked before anything is read or written; their chunks."""

from __future__ import annotations

import itertools
import json
import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from baler_zarr.contents.arrays import ArrayRecord
from baler_zarr.contents.codecs import codecs_of

# A chunk may be larger than its array, of which it holds the beginning, but not without measure.
LARGEST_CHUNK = 256 << 20
MOST_CHUNKS = 2_000_000


@dataclass(frozen=True)
class OpenArray:
    """An array open for reading or writing.

    Attributes
    ----------
    chunks
        The shape of what is in one file: of a shard where there are shards.
    """

    record: ArrayRecord
    zarr: Any
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def texts(self) -> str:
        """Which text elements of any length are; empty if they are none."""
        codecs = [name for name, _ in codecs_of(dict(self.record.meta))]
        if self.dtype.kind == "T" or "vlen-utf8" in codecs:
            return "str"
        return "bytes" if "vlen-bytes" in codecs else ""

    @property
    def grid(self) -> tuple[int, ...]:
        """The number of chunks along each dimension."""
        return tuple(-(-n // c) for n, c in zip(self.shape, self.chunks, strict=True))

    def keys(self) -> Iterator[tuple[tuple[int, ...], str]]:
        """Yield the place in the grid and the key of every chunk."""
        for place in itertools.product(*map(range, self.grid)):
            yield place, self.key(place)

    def key(self, place: Sequence[int]) -> str:
        """Return the key of a chunk in the store."""
        return self.record.prefix + str(self.zarr.metadata.encode_chunk_key(tuple(place)))

    def region(self, place: Sequence[int]) -> tuple[slice, ...]:
        """Return the part of the array that a chunk holds."""
        return tuple(slice(p * c, min((p + 1) * c, n)) for p, c, n in zip(place, self.chunks, self.shape, strict=True))


def open_array(store: Any, record: ArrayRecord, *, writing: bool = False) -> OpenArray:
    """Open an array.

    Raises
    ------
    ValueError
        If zarr cannot open it, or it claims what no array has.
    """
    import zarr

    try:
        # Types and codecs that version 3 does not fix yet are what the store has, whatever zarr says of them.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            opened = zarr.open_array(
                store, path=record.path, zarr_format=3 if record.form == 3 else 2, mode="r+" if writing else "r"
            )
            chunks = opened.shards or opened.chunks
            dtype = np.dtype(opened.dtype)
    # Of zarr and its codecs, which raise whatever their parts do.
    except Exception as error:
        raise ValueError(f"zarr cannot open it ({' '.join(str(error).split())[:200]})") from error
    found = OpenArray(record, opened, tuple(opened.shape), tuple(map(int, chunks)), dtype)
    size = max(1, dtype.itemsize)
    if any(c < 1 for c in found.chunks) or len(found.chunks) != len(found.shape):
        raise ValueError(f"its chunks have the shape {found.chunks}")
    if math.prod(found.chunks) * size > max(LARGEST_CHUNK, 16 * math.prod(found.shape) * size):
        raise ValueError(f"its chunks have the shape {found.chunks}, far beyond that of the array, {found.shape}")
    if math.prod(found.grid) > MOST_CHUNKS:
        raise ValueError(f"it has {math.prod(found.grid):,} chunks")
    return found


def refuse_unwritable(array: OpenArray) -> None:
    """Encode and decode a record, or raw bytes, as the array has it: zarr reads some that it cannot write, as those with dates.

    Raises
    ------
    ValueError
        If zarr cannot.
    """
    import zarr
    from zarr.core.buffer import cpu
    from zarr.storage import MemoryStore

    if array.dtype.kind != "V":
        return
    key = "zarr.json" if array.record.form == 3 else ".zarray"
    document = cpu.Buffer.from_bytes(json.dumps(_of_one_element(array.record.meta)).encode())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trial: Any = zarr.open_array(MemoryStore({key: document}), zarr_format=array.zarr.metadata.zarr_format)
            np.asarray(trial[...])
            trial.with_config({"write_empty_chunks": True})[...] = np.zeros(trial.shape, array.dtype)
            np.asarray(trial[...])
    # Of zarr and its codecs, which raise whatever their parts do.
    except Exception as error:
        raise ValueError(f"zarr cannot encode it ({' '.join(str(error).split())[:200]})") from error


def _of_one_element(meta: Any) -> Any:
    """The document of an array with all lengths 1, those of chunks and of chunks in shards included."""
    if isinstance(meta, list):
        return [_of_one_element(one) for one in meta]
    if not isinstance(meta, dict):
        return meta
    lengths = ("shape", "chunks", "chunk_shape")
    return {
        key: [1] * len(value) if key in lengths and isinstance(value, list) else _of_one_element(value)
        for key, value in meta.items()
        if key != "attributes"
    }
