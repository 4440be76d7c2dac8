"""The codec `baler` of Zarr 3: serializer of arrays and of the chunks inside shards."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from zarr.abc.codec import ArrayBytesCodec, ArrayBytesCodecPartialDecodeMixin

from baler_core.api.chunks import BadCodec, ChunkCoding, ChunkRegion, checked_chunk, checked_settings, coding_of
from baler_core.api.selection import selection_of

if TYPE_CHECKING:
    from zarr.abc.store import ByteGetter
    from zarr.core.array_spec import ArraySpec
    from zarr.core.buffer import Buffer, NDBuffer
    from zarr.core.indexing import SelectorTuple


@dataclass(frozen=True, init=False)
class BalerCodec(ArrayBytesCodec, ArrayBytesCodecPartialDecodeMixin):  # type: ignore[misc, unused-ignore]
    """Learned, error-bounded compression of chunks; the array's fill value stays where it is.

    Parameters
    ----------
    bounds
        The bound of every value: `{"abs": 0.1}`; None keeps every bit, unless a kind is given by its name (`abs=0.1`).
    effort
        `fast`, `balanced` or `max`.
    fill
        The value of cells without data, if it is not the array's own.
    trained
        A file of trained models, or the SHA-256 of one in a folder that `BALER_MODELS` names. Metadata keep the SHA-256.

    Raises
    ------
    ValueError
        If there is no such bound or effort.
    """

    is_fixed_size = False
    coding: ChunkCoding

    def __init__(
        self,
        bounds: Mapping[str, Any] | str | None = None,
        *,
        effort: str = "fast",
        fill: float | None = None,
        trained: str | Path | None = None,
        **kinds: Any,
    ) -> None:
        object.__setattr__(self, "coding", coding_of(bounds, kinds, effort, fill, trained))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the codec of an array's metadata.

        Raises
        ------
        ValueError
            If it is another codec's.
        """
        if data.get("name") != "baler":
            raise BadCodec(f"the metadata of a codec {data.get('name')!r} were given to the codec 'baler'")
        return cls(**checked_settings(data.get("configuration", {})))

    def to_dict(self) -> dict[str, Any]:
        """Return the metadata of the codec; all of it is JSON."""
        return {"name": "baler", "configuration": self.coding.settings()}

    async def _encode_single(self, chunk_array: NDBuffer, chunk_spec: ArraySpec) -> Buffer | None:
        values = chunk_array.as_numpy_array()
        encoded = await asyncio.to_thread(self._encode, values, chunk_spec.fill_value)
        return chunk_spec.prototype.buffer.from_bytes(encoded)

    async def _decode_single(self, chunk_data: Buffer, chunk_spec: ArraySpec) -> NDBuffer:
        values = await asyncio.to_thread(self.coding.decode, chunk_data.to_bytes())
        return self._checked(values, chunk_spec, chunk_spec.shape)

    async def _decode_partial_single(
        self, byte_getter: ByteGetter, selection: SelectorTuple, chunk_spec: ArraySpec
    ) -> NDBuffer | None:
        chunk_data = await byte_getter.get(prototype=chunk_spec.prototype)
        if chunk_data is None:
            return None
        box, inside = selection_of(selection, chunk_spec.shape, "a chunk")
        shape = tuple(one.stop - one.start for one in box)
        wanted = None if shape == chunk_spec.shape else ChunkRegion(box, chunk_spec.shape)
        near = _folder_of(byte_getter)
        values = await asyncio.to_thread(self.coding.decode, chunk_data.to_bytes(), wanted, near=near)
        return self._checked(values, chunk_spec, shape)[inside]

    @staticmethod
    def _checked(values: np.ndarray, chunk_spec: ArraySpec, shape: tuple[int, ...]) -> NDBuffer:
        """Return a chunk or a region of one as Zarr has it."""
        checked = checked_chunk(values, chunk_spec.dtype.to_native_dtype(), shape)
        return chunk_spec.prototype.nd_buffer.from_numpy_array(checked)

    def _encode(self, values: np.ndarray, fill: Any) -> bytes:
        # Metadata of Zarr 3 do not keep the order of bytes: its own serializer does.
        values = values.astype(values.dtype.newbyteorder("<"), copy=False)
        number = isinstance(fill, np.generic) and fill.dtype.kind in "iuf"
        return self.coding.encode(values, fill=fill if number and self.coding.fill is None else None)

    def compute_encoded_size(self, input_byte_length: int, chunk_spec: ArraySpec) -> int:
        """Refuse: the size of a chunk is known once it is encoded."""
        raise NotImplementedError


def _folder_of(byte_getter: object) -> Path | None:
    """Return the folder of a store on this machine."""
    root = getattr(getattr(byte_getter, "store", None), "root", None)
    return root if isinstance(root, Path) else None
