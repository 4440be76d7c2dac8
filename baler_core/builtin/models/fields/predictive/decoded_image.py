"""Write an image that was decoded from a lossy transform as the numbers that it was decoded from, and read it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from baler_core.builtin.models.fields.decoded.hcompress import ROUNDINGS
from baler_core.builtin.models.fields.decoded.jpeg import PixelBlocks, find_blocks, pixels_of, zigzag_order
from baler_core.builtin.models.fields.decoded.pyramid import (
    Pyramid,
    find_pyramid,
    shapes_of,
    values_of,
)
from baler_core.builtin.models.fields.predictive.beside import encode_beside
from baler_core.builtin.models.fields.predictive.field import Integers
from baler_core.builtin.models.fields.predictive.predictor import FRACTION
from baler_core.builtin.models.fields.predictive.restored_image import JPEG, MARK, beside_of, cut_to, expected_sizes
from baler_core.builtin.models.fields.predictive.stencil_fit import encode_integers
from baler_core.entropy.integers import pack_integers
from baler_core.entropy.varint import write_sized, write_varint, zigzag
from baler_core.plugin.interfaces import Effort
from baler_core.quantise.positions import pack_positions

# So many pixels may differ from what their numbers restore.
_MOST_APART = 0.05


class DecodedImage(NamedTuple):
    """An image as it will be stored."""

    data: bytes


def decoded_image(values: np.ndarray, effort: Effort) -> DecodedImage | None:
    """Write an image of any rank by the numbers that it was decoded from; None if there are none."""
    found = find_decoded(values) if effort != "fast" else None
    return None if found is None else DecodedImage(MARK + encode_image(found, values, effort))


def find_decoded(values: np.ndarray) -> Pyramid | PixelBlocks | None:
    """Find the numbers of an image of any rank; None if there are none, or other pixels are restored."""
    image = np.squeeze(values)
    if image.ndim != 2 or image.dtype.kind not in "iu" or image.dtype.itemsize > 4:
        return None
    found = find_pyramid(image)
    if found is not None and (_restored(found, image.shape) != image).mean() < _MOST_APART:
        return found
    blocks = find_blocks(image)
    if blocks is None or (cut_to(pixels_of(blocks), image.shape) != image).mean() > _MOST_APART:
        return None
    return blocks


def encode_image(found: Pyramid | PixelBlocks, values: np.ndarray, effort: Effort) -> bytes:
    """Write an image."""
    image = np.squeeze(values)
    if isinstance(found, PixelBlocks):
        parts, pixels = _encode_blocks(found, effort), cut_to(pixels_of(found), image.shape)
    else:
        parts, pixels = _encode_pyramid(found, image.shape, effort)
    apart = image.astype(np.int64) - pixels
    places = np.flatnonzero(apart)
    parts += [write_varint(len(places))]
    if len(places):
        parts += [write_sized(pack_positions(places)), write_sized(pack_integers(apart.ravel()[places]))]
    return b"".join(parts)


def _encode_blocks(found: PixelBlocks, effort: Effort) -> list[bytes]:
    order = zigzag_order()
    data = encode_integers(Integers(found.numbers[order][:, np.newaxis] << FRACTION, None), effort)
    return [bytes([JPEG]), *(write_varint(int(step)) for step in found.steps[order]), write_sized(data)]


def _encode_pyramid(found: Pyramid, shape: tuple[int, ...], effort: Effort) -> tuple[list[bytes], np.ndarray]:
    """Write all levels; return them, and the pixels that they restore."""
    parts = [bytes([ROUNDINGS.index(found.rounding)]), write_varint(len(found.levels))]
    parts += [bytes([2 * level.first[0] + level.first[1]]) for level in found.levels]
    if found.rounding == "bits":
        parts += [write_sized(pack_integers(found.steps))]
    else:
        parts += [write_varint(int(found.steps[0]))]
    parts += [_encode_top(found.top, effort)]
    sums, known = found.top, [np.zeros(found.top.shape, np.int64)] * 3
    shapes = shapes_of((shape[0], shape[1]), [level.first for level in found.levels])
    for number in reversed(range(len(found.levels))):
        level = found.levels[number]
        for band in range(3):
            beside = beside_of(sums, level.bands[:band], known, found.steps)
            parts.append(write_sized(encode_beside(level.bands[band], beside, effort)))
        parts.append(_encode_rims(level.rims))
        sums = values_of(level, sums, number, found, shapes[number])
        known = expected_sizes(level, shapes[number]) if number else known
    return parts, sums


def _restored(found: Pyramid, shape: tuple[int, ...]) -> np.ndarray:
    sums, shapes = found.top, shapes_of((shape[0], shape[1]), [level.first for level in found.levels])
    for number in reversed(range(len(found.levels))):
        sums = values_of(found.levels[number], sums, number, found, shapes[number])
    return sums


def _encode_top(top: np.ndarray, effort: Effort) -> bytes:
    low, apart = int(top.min()), top - top.min()
    common = max(1, int(np.gcd.reduce(apart.ravel())))
    data = encode_integers(Integers((apart // common)[np.newaxis, np.newaxis] << FRACTION, None), effort)
    return write_varint(zigzag(low)) + write_varint(common) + write_sized(data)


def _encode_rims(rims: Sequence[np.ndarray]) -> bytes:
    """Write the values outside of cells, as differences of one to the next."""
    flat = np.concatenate([rim.ravel() for rim in rims])
    return write_sized(pack_integers(np.diff(flat, prepend=0))) if flat.size else b""
