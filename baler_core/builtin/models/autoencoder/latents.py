"""A network's latents to integers, integers to bytes, channel by channel."""

from __future__ import annotations

import numpy as np

from baler_core.entropy.integers import pack_checked, unpack_checked
from baler_core.entropy.varint import ByteReader, write_sized

_LIMIT = 2.0**40


def spread_of(latents: np.ndarray) -> np.ndarray:
    """Spread of each channel of (samples, channels, ...): float64, 1 where a channel is constant."""
    axes = (0, *range(2, latents.ndim))
    spread = latents.astype(np.float64).std(axis=axes)
    return np.where(spread > 0, spread, 1.0)


def round_latents(latents: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Latents in whole steps: int64, same shape; 0 where a network gave no number."""
    with np.errstate(all="ignore"):
        scaled = np.nan_to_num(latents / steps.reshape(-1, *[1] * (latents.ndim - 2)), nan=0.0)
    return np.rint(scaled.clip(-_LIMIT, _LIMIT)).astype(np.int64)


def pack_latents(latents: np.ndarray) -> bytes:
    """Bytes of rounded latents (samples, channels, ...)."""
    return b"".join(write_sized(pack_checked(latents[:, channel])) for channel in range(latents.shape[1]))


def unpack_latents(data: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """The int64 latents of `shape` that `pack_latents` packed.

    Raises
    ------
    FormatError
        If the bytes do not hold as many.
    """
    reader = ByteReader(data, "the latents of an autoencoder")
    one_channel = (shape[0], *shape[2:])
    count = int(np.prod(one_channel, dtype=object))
    channels = [unpack_checked(reader.sized(), count).reshape(one_channel) for _ in range(shape[1])]
    return np.stack(channels, axis=1) if channels else np.zeros(shape, np.int64)
