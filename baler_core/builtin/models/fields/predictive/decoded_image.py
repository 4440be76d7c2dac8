"""Write an image that was decoded from a lossy transform as the numbers that it was decoded from, and read it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from baler_core.builtin.models.fields.decoded.hcompress import ROUNDINGS, Bands
from baler_core.builtin.models.fields.decoded.pyramid import (
    LARGEST,
    MOST_LEVELS,
    STRIP,
    Level,
    Pyramid,
    core,
    find_pyramid,
    rims_of,
    shapes_of,
    values_of,
)
from baler_core.builtin.models.fields.predictive.beside import Known, decode_beside, encode_beside
from baler_core.builtin.models.fields.predictive.field import Integers, decode_integers
from baler_core.builtin.models.fields.predictive.predictor import FRACTION
from baler_core.builtin.models.fields.predictive.stencil_fit import encode_integers
from baler_core.entropy.integers import pack_integers, unpack_integers
from baler_core.entropy.varint import ByteReader, unzigzag, write_sized, write_varint, zigzag
from baler_core.errors import FormatError
from baler_core.plugin.interfaces import Effort

# The first byte, where other fields have their arrangement.
MARK = b"\x80"
# So many pixels may differ from what their numbers restore.
_MOST_APART = 0.02


class DecodedImage(NamedTuple):
    """An image as it will be stored."""

    data: bytes


def decoded_image(values: np.ndarray, effort: Effort) -> DecodedImage | None:
    """Write an image of any rank by the numbers that it was decoded from; None if there are none."""
    found = find_decoded(values) if effort != "fast" else None
    return None if found is None else DecodedImage(MARK + encode_decoded(found, values, effort))


def find_decoded(values: np.ndarray) -> Pyramid | None:
    """Find the numbers of an image of any rank; None if there are none, or other pixels are restored."""
    image = np.squeeze(values)
    if image.ndim != 2 or image.dtype.kind not in "iu" or image.dtype.itemsize > 4:
        return None
    found = find_pyramid(image)
    return found if found is not None and (_restored(found, image.shape) != image).mean() < _MOST_APART else None


def encode_decoded(found: Pyramid, values: np.ndarray, effort: Effort) -> bytes:
    """Write an image."""
    image = np.squeeze(values)
    parts = [bytes([ROUNDINGS.index(found.rounding)]), write_varint(len(found.levels))]
    parts += [bytes([2 * level.first[0] + level.first[1]]) for level in found.levels]
    if found.rounding == "bits":
        parts += [write_sized(pack_integers(found.steps))]
    else:
        parts += [write_varint(int(found.steps[0]))]
    parts += [_encode_top(found.top, effort)]
    sums, known = found.top, [np.zeros(found.top.shape, np.int64)] * 3
    shapes = shapes_of(image.shape, [level.first for level in found.levels])
    for number in reversed(range(len(found.levels))):
        level = found.levels[number]
        for band in range(3):
            beside = _beside(sums, level.bands[:band], known, found.steps)
            parts.append(write_sized(encode_beside(level.bands[band], beside, effort)))
        parts.append(_encode_rims(level.rims))
        sums = values_of(level, sums, number, found, shapes[number])
        known = _expected(level, shapes[number]) if number else known
    apart = image.astype(np.int64) - sums
    places = np.flatnonzero(apart)
    parts += [write_varint(len(places))]
    if len(places):
        parts += [
            write_sized(pack_integers(np.diff(places, prepend=0))),
            write_sized(pack_integers(apart.ravel()[places])),
        ]
    return b"".join(parts)


def decode_decoded(reader: ByteReader, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Invert `encode_decoded`.

    Raises
    ------
    FormatError
        If the bytes are damaged.
    """
    long = [n for n in shape if n > 1]
    if len(long) != 2 or dtype.kind not in "iu":
        raise FormatError("the coefficients of an image are those of something else")
    flat = long[0], long[1]
    rounding = ROUNDINGS[reader.varint(len(ROUNDINGS))]
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
            bands.append(decode_beside(reader.sized(), _beside(sums, bands, known, steps)))
        level = Level(firsts[number], Bands(*bands), _decode_rims(reader, shapes[number], firsts[number]))
        sums = values_of(level, sums, number, found, shapes[number])
        known = _expected(level, shapes[number]) if number else known
    if count := reader.varint(math.prod(flat) + 1):
        places = np.cumsum(unpack_integers(reader.sized(), count))
        if places.min() < 0 or places.max() >= sums.size:
            raise FormatError("pixels beside their coefficients lie outside of the image")
        sums.reshape(-1)[places] += unpack_integers(reader.sized(), count)
    return sums.astype(dtype).reshape(shape)


def _restored(found: Pyramid, shape: tuple[int, ...]) -> np.ndarray:
    sums, shapes = found.top, shapes_of((shape[0], shape[1]), [level.first for level in found.levels])
    for number in reversed(range(len(found.levels))):
        sums = values_of(found.levels[number], sums, number, found, shapes[number])
    return sums


def _beside(sums: np.ndarray, bands: Sequence[np.ndarray], known: Sequence[np.ndarray], steps: np.ndarray) -> Known:
    """Return what is known of a band: the sums of its cells in steps, and sizes of the bands before it and of the level above."""
    step = int(np.sort(steps)[len(steps) // 2])
    middle = int(np.sort(sums, axis=None)[sums.size // 2])
    with np.errstate(over="ignore"):
        sizes = [np.abs(band) << 4 for band in bands]
    expected = known[len(bands)] + sum(sizes, start=np.zeros(sums.shape, np.int64))
    limit = np.int64(LARGEST) << FRACTION
    far = np.clip(sums - middle, -limit // step, limit // step)
    return Known((far << FRACTION) // step, expected // (1 + len(bands)))


def _expected(level: Level, shape: tuple[int, int]) -> list[np.ndarray]:
    """Return how large the bands of the values of a level are expected to be: as those of their cells."""
    found = []
    for band in level.bands:
        sizes = np.zeros(shape, np.int64)
        sizes[core(shape, level.first)] = np.repeat(np.repeat(np.abs(band) << 4, 2, axis=0), 2, axis=1)
        found.append(sizes)
    return found


def _encode_top(top: np.ndarray, effort: Effort) -> bytes:
    low, apart = int(top.min()), top - top.min()
    common = max(1, int(np.gcd.reduce(apart.ravel())))
    data = encode_integers(Integers((apart // common)[np.newaxis, np.newaxis] << FRACTION, None), effort)
    return write_varint(zigzag(low)) + write_varint(common) + write_sized(data)


def _decode_top(reader: ByteReader, shape: tuple[int, int]) -> np.ndarray:
    low, common = unzigzag(reader.varint(2**40)), reader.varint(2**40)
    found = decode_integers(reader.sized(), (1, 1, *shape), None, 1, False)
    with np.errstate(over="ignore"):
        return (found.reshape(shape) >> FRACTION) * common + low


def _encode_rims(rims: Sequence[np.ndarray]) -> bytes:
    """Write the values outside of cells, as differences of one to the next."""
    flat = np.concatenate([rim.ravel() for rim in rims])
    return write_sized(pack_integers(np.diff(flat, prepend=0))) if flat.size else b""


def _decode_rims(reader: ByteReader, shape: tuple[int, int], first: tuple[int, int]) -> list[np.ndarray]:
    places = [
        tuple(len(range(n)[part]) for n, part in zip(shape, place, strict=True)) for place in rims_of(shape, first)
    ]
    sizes = [math.prod(lengths) for lengths in places]
    total = sum(sizes)
    flat = np.cumsum(unpack_integers(reader.sized(), total)) if total else np.zeros(0, np.int64)
    parts = np.split(flat, np.cumsum(sizes)[:-1])
    return [part.reshape(lengths) for part, lengths in zip(parts, places, strict=True)]
