"""Images as the coefficients of Hcompress that they were decoded from (format/predictive.md: decoded images)."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from reference.arithmetic import Decoder
from reference.predictive_mixed import SIGNED, SIGNED_SIZES, SignedSliceDecoder
from reference.predictive_series import FRACTION_BITS, NEIGHBOURS, Series
from reference.reading import Bytes, Damaged, unpack
from reference.signed import SignedNumbers

MARK, STRIP, MOST_LEVELS, LARGEST = 0x80, 16, 5, 1 << 30
LARGEST_ERROR = 1 << 40
CELL = ((0, 0, -1, -1, 1), (0, 1, -1, 1, -1), (1, 0, 1, -1, -1), (1, 1, 1, 1, 1))
Shape = tuple[int, int]
# Reads limits and stencils of so many slices and variables of a shape, and a whole image of numbers of steps.
MakeSeries = Callable[[Decoder, int, int, int, int], Series]
ReadImage = Callable[[bytes, tuple[int, ...]], np.ndarray]


def decode_image(
    stream: Bytes, dtype: np.dtype[Any], shape: tuple[int, ...], make_series: MakeSeries, read_image: ReadImage
) -> np.ndarray:
    long = [length for length in shape if length > 1]
    if len(long) != 2 or dtype.kind not in "iu":
        raise Damaged("coefficients of something else than an image")
    kind, flat = stream.below(3), (long[0], long[1])
    pixels = _blocks(stream, flat, read_image) if kind == 2 else _levels(stream, flat, kind, make_series, read_image)
    count = stream.below(math.prod(flat) + 1)
    if count:
        places = np.cumsum(unpack(stream.sized(), count))
        if places.min() < 0 or places.max() >= pixels.size:
            raise Damaged("pixels outside of their image")
        pixels.reshape(-1)[places] += unpack(stream.sized(), count)
    return pixels.astype(dtype).reshape(shape)


def _blocks(stream: Bytes, flat: Shape, read_image: ReadImage) -> np.ndarray:
    """Pixels of blocks of 8 x 8."""
    order = sorted(range(64), key=lambda n: (n // 8 + n % 8, n // 8 if (n // 8 + n % 8) % 2 else -(n // 8)))
    steps = [stream.below(65536) for _ in order]
    ny, nx = (-(-length // 8) for length in flat)
    numbers = read_image(stream.sized(), (64, ny, nx))
    square = np.zeros((8, 8, ny, nx), "<i8")
    for number, (place, step) in enumerate(zip(order, steps, strict=True)):
        square[place // 8, place % 8] = numbers[number] * step
    lines = _inverse([square[row] for row in range(8)], 11)
    rows = np.stack(lines)
    columns = np.stack(_inverse([rows[:, column] for column in range(8)], 18), 1)
    pixels = np.clip(columns + 128, 0, 255).transpose(2, 0, 3, 1).reshape(8 * ny, 8 * nx)
    return np.ascontiguousarray(pixels[: flat[0], : flat[1]])


def _inverse(c: list[np.ndarray], shift: int) -> list[np.ndarray]:
    """Eight values from eight coefficients."""
    common = (c[2] + c[6]) * 4433
    low, high = common - c[6] * 15137, common + c[2] * 6270
    total, apart = (c[0] + c[4]) << 13, (c[0] - c[4]) << 13
    even = [total + high, apart + low, apart - low, total - high]
    both = (c[7] + c[3] + c[5] + c[1]) * 9633
    one, two = -(c[7] + c[1]) * 7373, -(c[5] + c[3]) * 20995
    three, four = both - (c[7] + c[3]) * 16069, both - (c[5] + c[1]) * 3196
    odd = [
        c[1] * 12299 + one + four,
        c[3] * 25172 + two + three,
        c[5] * 16819 + two + four,
        c[7] * 2446 + one + three,
    ]
    half = 1 << (shift - 1)
    first = [(e + o + half) >> shift for e, o in zip(even, odd, strict=True)]
    return first + [(e - o + half) >> shift for e, o in zip(even[::-1], odd[::-1], strict=True)]


def _levels(stream: Bytes, long: Shape, bits: int, make_series: MakeSeries, read_image: ReadImage) -> np.ndarray:
    levels = stream.below(MOST_LEVELS + 1)
    firsts = [divmod(stream.below(4), 2) for _ in range(levels)]
    shapes: list[Shape] = [(long[0], long[1])]
    for y, x in firsts:
        shapes.append(((shapes[-1][0] - y) // 2, (shapes[-1][1] - x) // 2))
    if not levels or min(shapes[-1]) < 1:
        raise Damaged("coefficients of too many levels")
    strips = -(-(long[0] // 2 * 2) // STRIP)
    steps = unpack(stream.sized(), strips) if bits else np.array([stream.below(LARGEST)])
    if steps.min() < 1 or steps.max() >= LARGEST:
        raise Damaged("steps of coefficients are impossible")
    low, common = stream.zigzag(), stream.below(1 << 40)
    sums = read_image(stream.sized(), shapes[-1]) * np.int64(common) + np.int64(low)
    expected = [np.zeros(shapes[-1], "<i8")] * 3
    for level in reversed(range(levels)):
        bands: list[np.ndarray] = []
        for _ in range(3):
            known = _known(sums, steps)
            sizes = (expected[len(bands)] + sum(abs(band) << 4 for band in bands)) // (1 + len(bands))
            bands.append(_band(stream.sized(), known, sizes, make_series))
        values = np.empty(shapes[level], "<i8")
        y, x = (slice(a, a + (n - a) // 2 * 2) for n, a in zip(shapes[level], firsts[level], strict=True))
        values[y, x] = _cells(
            sums, [b * s for b, s in zip(bands, _steps(steps, len(sums), level, bits), strict=True)], level, bits
        )
        _rims(stream, values, y, x)
        expected = [np.zeros(shapes[level], "<i8") for _ in bands]
        for size, band in zip(expected, bands, strict=True):
            size[y, x] = np.kron(abs(band) << 4, np.ones((2, 2), "<i8"))
        sums = values
    return sums


def _known(sums: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """The sums in 1/1024 of the middle step, from the middle one of them."""
    step = int(np.sort(steps)[len(steps) // 2])
    limit = LARGEST << FRACTION_BITS
    away = np.clip(sums - np.sort(sums, axis=None)[sums.size // 2], -limit // step, limit // step)
    return np.asarray((away << FRACTION_BITS) // step)


def _band(data: bytes, known: np.ndarray, sizes: np.ndarray, make_series: MakeSeries) -> np.ndarray:
    """Differences in steps, coded beside what is known."""
    if len(data) < 4 or data[0] not in SIGNED:
        raise Damaged("coefficients are cut short")
    coder, (ny, nx) = Decoder(data[4:]), known.shape
    series = make_series(coder, 1, 2, ny, nx)
    limit = LARGEST << FRACTION_BITS
    for y in range(ny):
        for x in range(nx):
            series.planes[series.place(0, y, x)] = int(np.clip(known[y, x], -limit, limit))
            series.errors[series.error_place(0, y, x)] = int(np.clip(sizes[y, x], 0, LARGEST_ERROR))
    series.close_plane(0)
    series.holes = [False] * (2 * ny * nx)
    numbers, corrections = SignedNumbers(coder, sum(SIGNED_SIZES)), [[0] * len(NEIGHBOURS) for _ in range(2)]
    sources = series.sources(0, 1)
    SignedSliceDecoder(coder, series, sources, 1, numbers, [0], corrections, data[0] - 1).run()
    band = np.ascontiguousarray(series.restored()[0, 1]) >> FRACTION_BITS
    if zlib.crc32(band.tobytes()).to_bytes(4, "little")[:3] != data[1:4]:
        raise Damaged("coefficients have another checksum")
    return band


def _steps(steps: np.ndarray, rows: int, level: int, bits: int) -> list[np.ndarray]:
    if bits and len(steps) > 1:
        steps = np.array([steps[min((row << (level + 1)) // STRIP, len(steps) - 1)] for row in range(rows)])
    units = (2 << level, 2 << level, 1 << level) if bits else (1, 1, 1)
    return [np.maximum(steps, unit)[:, None] for unit in units]


def _cells(sums: np.ndarray, bands: list[np.ndarray], level: int, bits: int) -> np.ndarray:
    """Values of cells of 2 x 2 from their sums and differences."""
    values = np.empty((2 * sums.shape[0], 2 * sums.shape[1]), "<i8")
    if bits:
        units = (2 << level, 2 << level, 1 << level)
        y, x, both = (
            (band + np.where(band >= 0, unit // 2, max(unit // 2 - 1, 0))) // unit * unit
            for band, unit in zip(bands, units, strict=True)
        )
        low = both & (1 << level)
        y, x = (np.where(band >= 0, band - low, band + low) for band in (y, x))
        next_low = (both ^ y ^ x) & (2 << level)
        sums = np.where(sums >= 0, sums + low - next_low, sums + np.where(low == 0, next_low, low - next_low))
        bands = [y, x, both]
    for y, x, *signs in CELL:
        total = sums + sum(sign * band for sign, band in zip(signs, bands, strict=True))
        values[y::2, x::2] = total >> (1 if level else 2)
    return values


def _rims(stream: Bytes, values: np.ndarray, y: slice, x: slice) -> None:
    """Values outside of cells."""
    places = (
        (slice(0, y.start), slice(None)),
        (slice(y.stop, None), slice(None)),
        (y, slice(0, x.start)),
        (y, slice(x.stop, None)),
    )
    total = sum(values[place].size for place in places)
    flat, at = np.cumsum(unpack(stream.sized(), total)) if total else np.zeros(0, "<i8"), 0
    for place in places:
        size = values[place].size
        values[place] = flat[at : at + size].reshape(values[place].shape)
        at += size
