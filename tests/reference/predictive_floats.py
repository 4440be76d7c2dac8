"""Floats by cells and rests, and by steps from an origin or of tiles (format/predictive.md: cells, steps, steps of tiles)."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from reference.reading import Bytes, Damaged, decompress, unpack

MOST_EXPONENT, MOST_WIDTH, MOST_DOUBLINGS = 1200, 62, 60


class Cells:
    """Cells of one size, or of as many floats each."""

    def __init__(self, stream: Bytes, dtype: np.dtype[Any]) -> None:
        self.dtype, kind, self.zeros = dtype, stream.below(2), stream.below(64)
        self.size, self.lowest = stream.zigzag(), stream.zigzag()
        if dtype.kind != "f" or dtype.itemsize not in (4, 8):
            raise Damaged("cells of anything but floats")
        self.mantissa = 23 if dtype.itemsize == 4 else 52
        self.smallest = -149 if dtype.itemsize == 4 else -1074
        self.even, self.sign = kind == 0, 1 << (8 * dtype.itemsize - 1)
        possible = max(abs(self.size), abs(self.lowest)) <= MOST_EXPONENT and self.zeros <= self.mantissa
        if not possible or not (self.even or 0 <= self.size <= self.mantissa - self.zeros):
            raise Damaged("cells of floats are impossible")

    def spread(self, shape: tuple[int, ...]) -> list[np.ndarray]:
        return []

    def width(self, number: int) -> int:
        """Bits of the rest; -1 next to 0."""
        magnitude = ~number if number < 0 else number
        if not self.even:
            return self.size
        if magnitude == 0:
            return -1
        unit = magnitude.bit_length() + self.size - (self.mantissa + 1 - self.zeros)
        return min(max(self.size - max(unit, self.lowest, self.smallest), 0), MOST_WIDTH)

    def bits(self, data: bytes, numbers: np.ndarray, ordinary: np.ndarray, at: list[np.ndarray]) -> np.ndarray:
        """The bits of the floats, as integers of 64 bits; 0 at special ones."""
        stream, cells = Bytes(data), numbers[ordinary].tolist()
        widths = [self.width(cell) for cell in cells]
        near, stored = widths.count(-1), stream.sized()
        beside = iter(unpack(stored, near).tolist() if near else [])
        if stored and not near:
            raise Damaged("values next to 0 without a place")
        rests, found = iter(_planes(stream, [width for width in widths if width >= 0])), []
        last, before = None, 0
        for cell, width in zip(cells, widths, strict=True):
            if width < 0:
                code = next(beside) << self.zeros
            else:
                rest = next(rests) ^ (before if cell == last else 0)
                last, before = cell, rest
                code = self._code(~cell if cell < 0 else cell, width, rest)
            code &= self.sign - 1
            found.append(code | self.sign if cell < 0 else code)
        restored = np.zeros(numbers.shape, "<u8")
        restored[ordinary] = np.array(found, "<u8")
        return restored.view("<i8")

    def _code(self, magnitude: int, width: int, rest: int) -> int:
        if not self.even:
            return ((magnitude << self.size) | rest) << self.zeros
        value = Fraction((magnitude << width) | rest) * Fraction(2) ** (self.size - width)
        try:
            single = np.array(float(value), f"<f{self.dtype.itemsize}")
        except OverflowError as error:
            raise Damaged("a float beyond its type") from error
        return int(single.view(f"<u{self.dtype.itemsize}"))


def _planes(stream: Bytes, widths: list[int]) -> list[int]:
    """Numbers of known widths, plane by plane."""
    numbers, compressed = [0] * len(widths), stream.below(1 << MOST_WIDTH)
    for plane in range(max(widths, default=0)):
        wide = [place for place, width in enumerate(widths) if width > plane]
        length = -(-len(wide) // 8)
        data = decompress(stream.sized(), length) if compressed >> plane & 1 else stream.take(length)
        for place, bit in zip(wide, np.unpackbits(np.frombuffer(data, "u1")).tolist(), strict=False):
            numbers[place] |= bit << plane
    return numbers


class Steps:
    """Steps from an origin, of all values or of each slice along the last two axes."""

    def __init__(self, stream: Bytes, dtype: np.dtype[Any], slices: int) -> None:
        self.dtype, self.step, count = dtype, stream.double(), stream.varint()
        if dtype.kind != "f" or count not in (1, slices) or not 0 < self.step < math.inf:
            raise Damaged("steps of floats are impossible")
        self.doublings = unpack(stream.sized(), count)
        planes = np.frombuffer(decompress(stream.sized(), 8 * count), "u1").reshape(8, count)
        self.origins = np.ascontiguousarray(planes.T).view("<f8").ravel()
        if (
            not ((self.doublings >= 0) & (self.doublings <= MOST_DOUBLINGS)).all()
            or not np.isfinite(self.origins).all()
        ):
            raise Damaged("steps of floats are impossible")

    def spread(self, shape: tuple[int, ...]) -> list[np.ndarray]:
        """The steps, and the origins, of all values."""
        leading = shape[:-2] if len(self.origins) > 1 else (1,) * (len(shape) - 2)
        steps = self.step * 2.0**self.doublings
        return [np.broadcast_to(each.reshape(*leading, 1, 1), shape) for each in (steps, self.origins)]

    def bits(self, data: bytes, numbers: np.ndarray, ordinary: np.ndarray, at: list[np.ndarray]) -> np.ndarray:
        """The bits of the floats, as integers of 64 bits."""
        (steps, origins), size = at, self.dtype.itemsize
        with np.errstate(all="ignore"):
            values = ((numbers - np.rint(origins / steps)) * steps + origins).astype(f"<f{size}")
        return moved(values, data, ordinary)


def moved(values: np.ndarray, data: bytes, ordinary: np.ndarray) -> np.ndarray:
    """The bits, as integers of 64 bits, of floats so many further on as the data say."""
    size, apart = values.itemsize, np.zeros(values.shape, "<i8")
    apart[ordinary] = unpack(data, int(ordinary.sum()))
    lowest = np.int64(-(2 ** (8 * size - 1)))
    raw = values.view(f"<i{size}").astype("<i8")
    codes = np.where(raw < 0, lowest - raw, raw) + apart
    return np.where(codes < 0, lowest - codes, codes).astype(f"<i{size}").astype("<i8")


RANDOM, STARTS = 10_000, 500


def _randoms() -> list[float]:
    """The random numbers of the FITS standard, as float32."""
    state, found = 1, []
    for _ in range(RANDOM):
        state = 16807 * state % 2147483647
        found.append(float(np.float32(state / 2147483647)))
    return found


class TileSteps:
    """Steps of tiles, with a random number taken off each value."""

    def __init__(self, stream: Bytes, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
        self.dtype, self.seed = dtype, stream.below(RANDOM + 1)
        self.high, self.wide = stream.below(shape[-2] + 1), stream.below(shape[-1] + 1)
        self.centre = stream.double()
        if dtype.kind != "f" or not self.high or not self.wide or not math.isfinite(self.centre):
            raise Damaged("steps of tiles are impossible")
        count = math.prod(shape[:-2]) * -(-shape[-2] // self.high) * -(-shape[-1] // self.wide)
        self.scales, self.zeros = (self._doubles(stream.sized(), count) for _ in range(2))
        if not (np.isfinite(self.scales).all() and np.isfinite(self.zeros).all() and (self.scales >= 0).all()):
            raise Damaged("steps of tiles are impossible")

    @staticmethod
    def _doubles(data: bytes, count: int) -> np.ndarray:
        planes = np.frombuffer(decompress(data, 8 * count), "u1").reshape(8, count)
        return np.ascontiguousarray(planes.T).view("<f8").ravel()

    def spread(self, shape: tuple[int, ...]) -> list[np.ndarray]:
        """Scales, zeros and random numbers of all values."""
        frames, ny, nx = math.prod(shape[:-2]), *shape[-2:]
        found, randoms, tile = np.zeros((3, frames, ny, nx)), _randoms(), 0
        for frame in range(frames):
            for y in range(0, ny, self.high):
                for x in range(0, nx, self.wide):
                    place = frame, slice(y, y + self.high), slice(x, x + self.wide)
                    found[(0, *place)], found[(1, *place)] = self.scales[tile], self.zeros[tile]
                    lengths = found[(2, *place)].shape
                    found[(2, *place)] = np.array(self._dither(tile, math.prod(lengths), randoms)).reshape(lengths)
                    tile += 1
        return [each.reshape(shape) for each in found]

    def _dither(self, tile: int, size: int, randoms: list[float]) -> list[float]:
        if not self.seed:
            return [0.5] * size
        run, found = (tile + self.seed - 1) % RANDOM, list[float]()
        while len(found) < size:
            found += randoms[int(np.float32(randoms[run]) * np.float32(STARTS)) :]
            run = (run + 1) % RANDOM
        return found[:size]

    def bits(self, data: bytes, numbers: np.ndarray, ordinary: np.ndarray, at: list[np.ndarray]) -> np.ndarray:
        """The bits of the floats, as integers of 64 bits."""
        scales, zeros, dither = at
        with np.errstate(all="ignore"):
            counted = numbers - np.rint((zeros - self.centre) / scales) - dither + 0.5
            values = np.where(scales > 0, counted, 0) * scales + zeros
            return moved(values.astype(f"<f{self.dtype.itemsize}"), data, ordinary)
