"""The codec `baler` of numcodecs: compressor of Zarr 2 stores, and of everything else that takes codecs of numcodecs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numcodecs.abc import Codec
from numcodecs.compat import ensure_bytes, ndarray_copy

from baler_core.api.chunks import ChunkCoding, checked_settings, coding_of


class Baler(Codec):  # type: ignore[misc, unused-ignore]
    """Learned, error-bounded compression of chunks.

    Parameters
    ----------
    bounds
        The bound of every value: `{"abs": 0.1}`; None keeps every bit, unless a kind is given by its name (`abs=0.1`).
    effort
        `fast`, `balanced` or `max`.
    fill
        The value of cells without data, which stays theirs.
    trained
        A file of trained models, or the SHA-256 of one in a folder that `BALER_MODELS` names. Metadata keep the SHA-256.

    Raises
    ------
    ValueError
        If there is no such bound or effort.
    """

    codec_id: ClassVar[str] = "baler"

    def __init__(
        self,
        bounds: Mapping[str, Any] | str | None = None,
        *,
        effort: str = "fast",
        fill: float | None = None,
        trained: str | Path | None = None,
        **kinds: Any,
    ) -> None:
        self.coding = coding_of(bounds, kinds, effort, fill, trained)

    def encode(self, buf: Any) -> bytes:
        """Return an array as bytes; other buffers have no dtype and keep every bit.

        Raises
        ------
        TypeError
            If it holds objects.
        """
        if isinstance(buf, np.ndarray):
            return self.coding.encode(buf)
        return ChunkCoding().encode(np.frombuffer(ensure_bytes(buf), np.uint8))

    def decode(self, buf: Any, out: Any = None) -> Any:
        """Return the array, or fill `out` with it.

        Raises
        ------
        ValueError
            If the bytes are damaged.
        """
        values = self.coding.decode(ensure_bytes(buf))
        if out is None:
            return values
        if isinstance(out, np.ndarray) and out.dtype.hasobject:
            raise TypeError("baler cannot decode into an array of objects")
        return ndarray_copy(values, out)

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` makes the same codec of; all of it is JSON."""
        return {"id": self.codec_id, **self.coding.settings()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Return the codec of a configuration."""
        return cls(**checked_settings({key: value for key, value in config.items() if key != "id"}))

    def __repr__(self) -> str:
        return f"Baler({', '.join(f'{key}={value!r}' for key, value in self.coding.settings().items())})"
