"""The model `transform`: modes over time, wavelets in space, corrections (format/transform.md)."""

from __future__ import annotations

import itertools
import zlib
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from reference.arithmetic import Decoder
from reference.fields import (
    Box,
    Units,
    cut_frames,
    put_back,
    read_arrangement,
    read_classes,
    read_parts,
    read_specials,
    shifted,
    tiles,
)
from reference.reading import Bytes, Damaged
from reference.tolerances import Variable
from reference.transform_bands import BandDecoder, bands_of, decode_field, hints_of, links_of, whole
from reference.transform_fast import FastBands, FastStream
from reference.transform_mixed import MixedBands
from reference.transform_values import combined, joined, joined_in_time, read_basis, shared_rows, shares_of

LONGEST_BLOCK, LARGEST_TILE, MOST_SPECIALS = 256, 1 << 22, 255
NONE, WAVELET, BASIS = range(3)
LEVELS, MIXED = 9, (0, 3, 7)
STEPS = [round(0.5 * 2 ** (i / 8), 6) for i in range(64)]


@dataclass
class Head:
    units: Units
    specials: list[float]
    classes: np.ndarray | None


@dataclass
class Recipe:
    """How a block is transformed and coded; the matrix of the basis and shares of modes of another file, if there are any."""

    time: int
    levels: int
    step: float
    mixed: int
    slices: int
    matrix: np.ndarray | None
    shared: np.ndarray | None
    checksum: int


class Cuts(NamedTuple):
    """First and end of chunks along z, y and x; and whether lengths of parts come first."""

    space: list[list[tuple[int, int]]]
    indexed: bool


def decode_transform(
    stream: Bytes, members: list[Variable], shape: tuple[int, ...], modes: np.ndarray | None
) -> list[np.ndarray]:
    arrangement = read_arrangement(stream, shape)
    arranged = arrangement.shape(shape)
    heads = [_head(stream, member, arranged) for member in members]
    numbers = np.zeros((len(members), *arranged))
    rows = None if modes is None else shared_rows(modes, (len(members), *arranged[1:]))
    frames, *space = arrangement.cuts(shape)
    blocks = [
        slice(first + part.start, first + part.stop)
        for first, end in frames
        for part in cut_frames(end - first, max(1, -(-(end - first) // LONGEST_BLOCK)))
    ]
    cuts = Cuts(space, bool(arrangement.chunk))
    for part, data in zip(blocks, read_parts(stream, len(blocks), cuts.indexed), strict=True):
        lengths = part.stop - part.start, len(members), *arranged[1:]
        numbers[:, part] = _block(Bytes(data), lengths, rows, cuts)
    restored = [
        put_back(head.units.values(found), head.classes, head.specials, head.units.reach())
        for head, found in zip(heads, numbers, strict=True)
    ]
    return [arrangement.backward(values, shape) for values in restored]


def _head(stream: Bytes, member: Variable, arranged: tuple[int, int, int, int]) -> Head:
    units = Units(stream.sized(), member.dtype)
    specials = read_specials(stream, member.dtype, MOST_SPECIALS)
    return Head(units, specials, read_classes(stream, arranged, len(specials)) if specials else None)


def _block(stream: Bytes, shape: tuple[int, ...], rows: np.ndarray | None, cuts: Cuts) -> np.ndarray:
    """Numbers in units of the tolerance: float64 (members, frames, z, y, x)."""
    recipe, found = _recipe(stream, shape, rows), np.zeros(shape)
    boxes = [
        shifted(chunk, box)
        for chunk in itertools.product(*cuts.space)
        for box in tiles(shape[0], tuple(end - first for first, end in chunk), LARGEST_TILE)
    ]
    for box, data in zip(boxes, read_parts(stream, len(boxes), cuts.indexed), strict=True):
        place = (slice(None), slice(None), *box)
        found[place] = _tile(data, recipe, (*shape[:2], *_lengths(box)))
    if recipe.shared is not None and rows is not None:
        found += combined(recipe.shared, rows)
    return np.moveaxis(found, 1, 0)


def _lengths(box: Box) -> tuple[int, ...]:
    return tuple(part.stop - part.start for part in box)


def _recipe(stream: Bytes, shape: tuple[int, ...], rows: np.ndarray | None) -> Recipe:
    frames, (uses, transform) = shape[0], divmod(stream.below(2 * 3 * LEVELS), 3 * LEVELS)
    step, mixed = divmod(stream.below(len(STEPS) * len(MIXED)), len(MIXED))
    time, levels = divmod(transform, LEVELS)
    told = stream.sized() if uses else b""
    shared = shares_of(told, frames, rows) if uses else None
    stored, matrix, slices, checksum = stream.sized(), None, frames, zlib.crc32(told)
    if time == BASIS:
        entries, matrix = read_basis(stored, frames)
        slices, checksum = entries.shape[1], zlib.crc32(entries.tobytes(), checksum)
    return Recipe(time, levels, STEPS[step], MIXED[mixed], slices, matrix, shared, checksum)


def _tile(data: bytes, recipe: Recipe, shape: tuple[int, ...]) -> np.ndarray:
    """Numbers in units of the tolerance: float64 (frames, members, z, y, x)."""
    data, told = data[:-3], data[-3:]
    coders: list[BandDecoder]
    if recipe.mixed:
        coder = Decoder(data)
        coders = [MixedBands(coder, recipe.mixed) for _ in range(2)]
    else:
        stream = FastStream(data)
        coders = [FastBands(stream, part) for part in range(2)]
    bands, links = bands_of(shape[2:], recipe.levels), links_of(recipe.slices, recipe.time == WAVELET)
    coefficients = decode_field(coders[0], (recipe.slices, *shape[1:]), bands, links, None)
    hints = hints_of(coefficients, bands)
    corrections = decode_field(coders[1], shape, whole(shape[2:]), links_of(shape[0], False), hints)
    checksum = recipe.checksum
    for integers in (coefficients, corrections):
        checksum = zlib.crc32(integers.astype("<i4").tobytes(), checksum)
    if checksum.to_bytes(4, "little")[:3] != told:
        raise Damaged("the integers of a transformed field have another checksum")
    return _restored(coefficients, recipe) + 2.0 * corrections


def _restored(coefficients: np.ndarray, recipe: Recipe) -> np.ndarray:
    slices = joined(coefficients * recipe.step, recipe.levels)
    if recipe.matrix is not None:
        return combined(recipe.matrix, slices)
    return joined_in_time(slices) if recipe.time == WAVELET else slices
