"""Read an image that was written as the numbers that it was decoded from."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from baler_core.builtin.models.fields.decoded.hcompress import ROUNDINGS, Bands, Rounding
from baler_core.builtin.models.fields.decoded.jpeg import SIDE, PixelBlocks, pixels_of, zigzag_order
from baler_core.builtin.models.fields.decoded.pyramid import (
    LARGEST,
    MOST_LEVELS,
    STRIP,
    Level,
    Pyramid,
    core,
    rims_of,
    shapes_of,
    values_of,
)
from baler_core.builtin.models.fields.predictive.beside import Known, decode_beside
from baler_core.builtin.models.fields.predictive.field import decode_integers
from baler_core.builtin.models.fields.predictive.predictor import FRACTION
from baler_core.entropy.integers import unpack_integers
from baler_core.entropy.varint import ByteReader, unzigzag
from baler_core.errors import FormatError
from baler_core.quantise.positions import unpack_positions

# The first byte, where other fields have their arrangement.
MARK = b"\x80"
# The number of JPEG among the kinds, the first of which are roundings of Hcompress.
JPEG = len(ROUNDINGS)
_MOST_STEP = 65535


def decode_image(reader: ByteReader, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Invert `decoded_image.encode_image`.

    Raises
    ------
    FormatError
        If the bytes are damaged.
    """
    long = [n for n in shape if n > 1]
    if len(long) != 2 or dtype.kind not in "iu":
        raise FormatError("the coefficients of an image are those of something else")
    flat = long[0], long[1]
    kind = reader.varint(JPEG + 1)
    pixels = _decode_blocks(reader, flat) if kind == JPEG else _decode_pyramid(reader, flat, ROUNDINGS[kind])
    if count := reader.varint(math.prod(flat) + 1):
        places = unpack_positions(reader.sized(), count, pixels.size, "pixels of an image beside its coefficients")
        pixels.reshape(-1)[places] += unpack_integers(reader.sized(), count)
    return pixels.astype(dtype).reshape(shape)


def _decode_blocks(reader: ByteReader, shape: tuple[int, int]) -> np.ndarray:
    order = zigzag_order()
    steps, numbers = np.zeros(SIDE * SIDE, np.int64), np.zeros((SIDE * SIDE, *(-(-n // SIDE) for n in shape)), np.int64)
    steps[order] = [reader.varint(_MOST_STEP + 1) for _ in order]
    data = decode_integers(reader.sized(), (SIDE * SIDE, 1, *numbers.shape[1:]), None, 1, False)
    numbers[order] = data[:, 0] >> FRACTION
    return np.ascontiguousarray(cut_to(pixels_of(PixelBlocks(steps, numbers)), shape))


def _decode_pyramid(reader: ByteReader, flat: tuple[int, int], rounding: Rounding) -> np.ndarray:
    firsts = [divmod(reader.varint(4), 2) for _ in range(reader.varint(MOST_LEVELS + 1))]
    shapes = shapes_of(flat, firsts)
    if not firsts or min(shapes[-1]) < 1:
        raise FormatError("the coefficients of an image are of too many levels")
    strips = -(-(flat[0] // 2 * 2) // STRIP)
    steps = unpack_integers(reader.sized(), strips) if rounding == "bits" else np.array([reader.varint(LARGEST)])
    if steps.min() < 1 or steps.max() >= LARGEST:
        raise FormatError("the coefficients of an image have impossible steps")
    found = Pyramid(rounding, steps, [], _decode_top(reader, shapes[-1]))
    sums, known = found.top, [np.zeros(shapes[-1], np.int64)] * 3
    for number in reversed(range(len(firsts))):
        bands: list[np.ndarray] = []
        for _ in range(3):
            bands.append(decode_beside(reader.sized(), beside_of(sums, bands, known, steps)))
        level = Level(firsts[number], Bands(*bands), _decode_rims(reader, shapes[number], firsts[number]))
        sums = values_of(level, sums, number, found, shapes[number])
        known = expected_sizes(level, shapes[number]) if number else known
    return sums


def _decode_top(reader: ByteReader, shape: tuple[int, int]) -> np.ndarray:
    low, common = unzigzag(reader.varint(2**40)), reader.varint(2**40)
    found = decode_integers(reader.sized(), (1, 1, *shape), None, 1, False)
    with np.errstate(over="ignore"):
        return (found.reshape(shape) >> FRACTION) * common + low


def _decode_rims(reader: ByteReader, shape: tuple[int, int], first: tuple[int, int]) -> list[np.ndarray]:
    places = [
        tuple(len(range(n)[part]) for n, part in zip(shape, place, strict=True)) for place in rims_of(shape, first)
    ]
    sizes = [math.prod(lengths) for lengths in places]
    total = sum(sizes)
    flat = np.cumsum(unpack_integers(reader.sized(), total)) if total else np.zeros(0, np.int64)
    parts = np.split(flat, np.cumsum(sizes)[:-1])
    return [part.reshape(lengths) for part, lengths in zip(parts, places, strict=True)]


def beside_of(sums: np.ndarray, bands: Sequence[np.ndarray], known: Sequence[np.ndarray], steps: np.ndarray) -> Known:
    """Return what is known of a band: the sums of its cells in steps, and sizes of the bands before it and of the level above."""
    step = int(np.sort(steps)[len(steps) // 2])
    middle = int(np.sort(sums, axis=None)[sums.size // 2])
    with np.errstate(over="ignore"):
        sizes = [np.abs(band) << 4 for band in bands]
    expected = known[len(bands)] + sum(sizes, start=np.zeros(sums.shape, np.int64))
    limit = np.int64(LARGEST) << FRACTION
    far = np.clip(sums - middle, -limit // step, limit // step)
    return Known((far << FRACTION) // step, expected // (1 + len(bands)))


def expected_sizes(level: Level, shape: tuple[int, int]) -> list[np.ndarray]:
    """Return how large the bands of the values of a level are expected to be: as those of their cells."""
    found = []
    for band in level.bands:
        sizes = np.zeros(shape, np.int64)
        sizes[core(shape, level.first)] = np.repeat(np.repeat(np.abs(band) << 4, 2, axis=0), 2, axis=1)
        found.append(sizes)
    return found


def cut_to(pixels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return pixels[: shape[0], : shape[1]]
