"""Number floats by the points of steps that differ from tile to tile, dithered or not, as tile-compressed FITS leaves them.

A tile holds whole numbers times its scale plus its zero; before they were rounded, a known random number was added to
each value, which is taken off again (FITS standard 4.0, section 10.2 and appendix I). Scales and zeros are lost when such
an image is written as floats.
"""

from __future__ import annotations

import functools
import math
import struct
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from baler_core.entropy.bytes import squeeze, unsqueeze
from baler_core.entropy.varint import ByteReader, write_sized, write_varint
from baler_core.errors import FormatError
from baler_core.machine.records import dataclass

RANDOM = 10_000
# Random numbers of a tile begin with one of so many.
STARTS = 500
_MOST_POINTS = 2.0**30


@dataclass(frozen=True)
class TileSteps:
    """Points of floats: (number - r + 0.5) * scale + zero, numbers counted from the point nearest to `centre`.

    Attributes
    ----------
    dtype
        float32 or float64, in any order of bytes.
    seed
        The number of the random numbers of the first tile, from 0; None without dither, where r is 0.5.
    lengths
        Of a tile along the last two axes; tiles at the end may be shorter.
    centre
        A value.
    scales, zeros
        float64, one for each tile, in C order; all floats of a tile of scale 0 have the point `zero`.
    """

    dtype: str
    seed: int | None
    lengths: tuple[int, int]
    centre: float
    scales: np.ndarray
    zeros: np.ndarray

    def placed(self, shape: tuple[int, ...], part: Callable[[np.ndarray], np.ndarray]) -> PlacedTiles:
        """Return steps of a part of all values.

        Parameters
        ----------
        shape
            Of all values.
        part
            Returns a part of an array of this shape.
        """
        ny, nx = shape[-2:]
        frames = np.arange(math.prod(shape[:-2])).reshape(*shape[:-2], 1, 1)
        frame, y, x = (
            part(np.broadcast_to(axis, shape)) for axis in (frames, np.arange(ny)[:, np.newaxis], np.arange(nx))
        )
        high, wide = self.lengths
        column = x // wide
        tile = (frame * -(-ny // high) + y // high) * -(-nx // wide) + column
        inside = (y % high) * np.minimum(wide, nx - column * wide) + x % wide
        dither = np.float64(0.5) if self.seed is None else dithers((tile + self.seed) % RANDOM, inside)
        return PlacedTiles(self.scales[tile], self.zeros[tile], dither, self.centre)

    def to_bytes(self) -> bytes:
        """Write all but the dtype."""
        head = write_varint(0 if self.seed is None else 1 + self.seed) + write_varint(self.lengths[0])
        head += write_varint(self.lengths[1]) + struct.pack("<d", self.centre)
        return head + b"".join(write_sized(_planes(each)) for each in (self.scales, self.zeros))


class PlacedTiles(NamedTuple):
    """Scales, zeros and random numbers of some values, float64 of their shape."""

    scales: np.ndarray
    zeros: np.ndarray
    dithers: np.ndarray | np.float64
    centre: float

    def numbers(self, values: np.ndarray) -> np.ndarray:
        """Return the numbers of the nearest points: int64; anything for values beyond all."""
        with np.errstate(all="ignore"):
            found = np.rint((values.astype(np.float64) - self.zeros) / self.scales + self.dithers - 0.5)
            found += self._first()
            return np.where((self.scales > 0) & (np.abs(found) < _MOST_POINTS), found, 0).astype(np.int64)

    def points(self, found: np.ndarray, dtype: str) -> np.ndarray:
        """Return the points of numbers."""
        with np.errstate(all="ignore"):
            counted = np.where(self.scales > 0, found - self._first() - self.dithers + 0.5, 0)
            return np.asarray((counted * self.scales + self.zeros).astype(dtype))

    def _first(self) -> np.ndarray:
        """Return the number of the zero of each tile, counted from the centre."""
        return np.rint((self.zeros - self.centre) / self.scales)


def read_tile_steps(reader: ByteReader, dtype: str, shape: tuple[int, ...]) -> TileSteps:
    """Invert `TileSteps.to_bytes` for values of a shape.

    Raises
    ------
    FormatError
        If there are no such steps of this dtype and shape.
    """
    seed, high, wide = reader.varint(RANDOM + 1), reader.varint(shape[-2] + 1), reader.varint(shape[-1] + 1)
    (centre,) = struct.unpack("<d", reader.take(8))
    if np.dtype(dtype).kind != "f" or not high or not wide or not math.isfinite(centre):
        raise FormatError(f"steps of tiles of {dtype} values are impossible")
    count = tiles_of(shape, (high, wide))
    scales, zeros = (_from_planes(reader.sized(), count) for _ in range(2))
    if not (np.isfinite(scales).all() and np.isfinite(zeros).all() and (scales >= 0).all()):
        raise FormatError(f"steps of tiles of {dtype} values are impossible")
    return TileSteps(dtype, seed - 1 if seed else None, (high, wide), centre, scales, zeros)


def tiles_of(shape: tuple[int, ...], lengths: tuple[int, int]) -> int:
    """Return how many tiles there are."""
    return math.prod(shape[:-2]) * -(-shape[-2] // lengths[0]) * -(-shape[-1] // lengths[1])


def _planes(numbers: np.ndarray) -> bytes:
    """Squeeze float64, the first bytes of all of them before the second."""
    raw = np.frombuffer(numbers.astype("<f8").tobytes(), np.uint8).reshape(-1, 8)
    return squeeze(np.ascontiguousarray(raw.T).tobytes())


def _from_planes(data: bytes, count: int) -> np.ndarray:
    raw = np.frombuffer(unsqueeze(data, 8 * count), np.uint8).reshape(8, count)
    return np.ascontiguousarray(raw.T).view("<f8").ravel().astype(np.float64)


# ---- random numbers


@functools.lru_cache(maxsize=1)
def randoms() -> np.ndarray:
    """Return the 10,000 random numbers of the standard (appendix I), float32."""
    state, found = 1, np.empty(RANDOM, np.float32)
    for number in range(RANDOM):
        state = 16807 * state % 2147483647
        found[number] = state / 2147483647
    found.setflags(write=False)
    return found


@functools.lru_cache(maxsize=1)
def starts() -> np.ndarray:
    """Return where each of the runs of random numbers begins, which follow each other: int64."""
    return (randoms() * np.float32(STARTS)).astype(np.int64)


def dithers(runs: np.ndarray | np.int64, places: np.ndarray) -> np.ndarray:
    """Return the random numbers at places of runs, which go on with the next run at the end of the numbers: float64."""
    first, lengths = starts(), RANDOM - starts()
    ends = np.concatenate([[0], np.cumsum(np.concatenate([lengths, lengths]))])
    along = ends[runs] + places % int(lengths.sum())
    run = np.searchsorted(ends, along, side="right") - 1
    return randoms()[first[run % RANDOM] + along - ends[run]].astype(np.float64)
