"""The model `predictive`: each value predicted from its neighbours (format/predictive.md)."""

from __future__ import annotations

import itertools
import math
import zlib
from dataclasses import dataclass

import numpy as np

from reference.arithmetic import Decoder, Numbers
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
from reference.lattice import Lattice
from reference.predictive_decoded import MARK, decode_image
from reference.predictive_fast import code_fast
from reference.predictive_floats import Cells, Steps, TileSteps
from reference.predictive_mixed import code_mixed
from reference.predictive_series import FEATURES, FINE_BITS, FRACTION_BITS, WEIGHT_BITS, Series, used_features
from reference.reading import Bytes, Damaged
from reference.tolerances import Variable

PER_TOLERANCE = 512.5
MOST_SPECIALS, MOST_CHUNK_BITS, FEWEST_FRAMES = 128, 29, 16
LARGEST, MOST_CLASSES = 1 << 30, 3
WEIGHT, LIMIT, EDGE_KIND = range(3)
Scale = Units | Lattice | Cells | Steps | TileSteps


@dataclass
class Head:
    scale: Scale
    middle: int
    nan: int
    specials: list[float]
    classes: np.ndarray | None
    closed: bool

    def numbers(self, steps: np.ndarray) -> np.ndarray:
        return (steps >> FRACTION_BITS) + np.int64(self.middle)


def decode_predictive(
    stream: Bytes, members: list[Variable], shape: tuple[int, ...], modes: np.ndarray | None = None
) -> list[np.ndarray]:
    if len(members) == 1 and stream.data[stream.at : stream.at + 1] == bytes([MARK]):
        stream.take(1)
        return [decode_image(stream, members[0].dtype, shape, _series, _whole)]
    arrangement, bits = read_arrangement(stream, shape), stream.below(MOST_CHUNK_BITS + 1)
    arranged = arrangement.shape(shape)
    heads = [_head(stream, member, arranged, shape) for member in members]
    steps = np.zeros((len(members), *arranged), "<i8")
    places = [
        shifted(box, piece)
        for box in itertools.product(*arrangement.cuts(shape))
        for piece in chunks(tuple(end - first for first, end in box), len(members), bits)
    ]
    each = 1 + sum(isinstance(head.scale, Cells | Steps | TileSteps) for head in heads)
    parts = read_parts(stream, each * len(places), bool(arrangement.chunk))
    for place in places:
        steps[(slice(None), *place)] = _chunk(next(parts), heads, place)
        for number, head in enumerate(heads):
            if isinstance(head.scale, Cells | Steps | TileSteps):
                where = (number, *place)
                at = [arrangement.forward(each)[place] for each in head.scale.spread(shape)]
                ordinary = np.ones(steps[where].shape, bool) if head.classes is None else head.classes[place] == 0
                steps[where] = head.scale.bits(next(parts), head.numbers(steps[where]), ordinary, at)
    restored = [_values(head, found) for head, found in zip(heads, steps, strict=True)]
    return [arrangement.backward(values, shape) for values in restored]


def _head(stream: Bytes, member: Variable, arranged: tuple[int, int, int, int], shape: tuple[int, ...]) -> Head:
    kind, stored = stream.below(6), stream.sized()
    scale = _scale(kind, stored, member, shape)
    middle, nan = stream.zigzag(), stream.below(1 << 8 * member.dtype.itemsize) if kind in (2, 3, 5) else 0
    specials = read_specials(stream, member.dtype, MOST_SPECIALS)
    classes = read_classes(stream, arranged, len(specials)) if stream.below(2) else None
    return Head(scale, middle, nan, specials, classes, kind == 1)


def _scale(kind: int, stored: bytes, member: Variable, shape: tuple[int, ...]) -> Scale:
    if kind in (1, 4):
        return Units(stored, member.dtype)
    if kind == 0:
        return Lattice(Bytes(stored), member.dtype)
    if kind == 2:
        return Cells(Bytes(stored), member.dtype)
    if kind == 5:
        return TileSteps(Bytes(stored), member.dtype, shape)
    return Steps(Bytes(stored), member.dtype, math.prod(shape[:-2]))


def chunks(shape: tuple[int, ...], count: int, bits: int) -> list[Box]:
    largest, per_frame = 1 << bits, max(1, count * shape[1] * shape[2] * shape[3])
    blocks = max(1, min(shape[0], -(-shape[0] * per_frame // largest)))
    if per_frame * FEWEST_FRAMES > largest:
        blocks = max(1, shape[0] // FEWEST_FRAMES)
    return [
        (part, *box)
        for part in cut_frames(shape[0], blocks)
        for box in tiles((part.stop - part.start) * count, shape[1:], 2 * largest)
    ]


def _whole(data: bytes, shape: tuple[int, ...]) -> np.ndarray:
    """Slices of whole steps: int64 of a shape of two or three axes."""
    head = Head(Steps.__new__(Steps), 0, 0, [], None, False)
    place = (slice(0, shape[0] if len(shape) > 2 else 1), slice(0, 1), slice(0, shape[-2]), slice(0, shape[-1]))
    return _chunk(data, [head], place).reshape(shape) >> FRACTION_BITS


def _chunk(data: bytes, heads: list[Head], place: Box) -> np.ndarray:
    """The steps of a chunk: int64 (variables, frames, z, y, x)."""
    frames, depth, ny, nx = (part.stop - part.start for part in place)
    holes = np.zeros((frames, depth, len(heads), ny, nx), bool)
    for number, head in enumerate(heads):
        if head.classes is not None:
            holes[:, :, number] = head.classes[place] > 0
    mixed = data[0] if len(data) >= 4 else -1
    if mixed not in (0, 3, 7, 8, 16, 17) or (mixed == 17 and nx > 1 << 14):
        raise Damaged("a predicted field is cut short")
    stream = Bytes(data[4:])
    coder = Decoder(stream.rest() if mixed else stream.sized())
    series = _series(coder, frames * depth, len(heads), ny, nx)
    series.closed, series.stack = heads[0].closed, depth
    series.holes = holes.reshape(-1).tolist()
    if mixed:
        code_mixed(coder, series, mixed)
    else:
        code_fast(coder, stream, series)
    values = series.restored()
    if zlib.crc32(values.tobytes()).to_bytes(4, "little")[:3] != data[1:4]:
        raise Damaged("the integers of a predicted field have another checksum")
    return np.moveaxis(values, 1, 0).reshape(len(heads), frames, depth, ny, nx)


def _series(coder: Decoder, slices: int, variables: int, ny: int, nx: int) -> Series:
    """Limits and stencils."""
    numbers = Numbers(coder, 3)
    low, high, told = numbers.next(LIMIT), numbers.next(LIMIT), numbers.next(LIMIT)
    if not (-LARGEST < low <= high < LARGEST and 1 <= told <= 2 * MOST_CLASSES):
        raise Damaged("the limits of a predicted field are impossible")
    classes = (told - 1) % MOST_CLASSES + 1
    stencils = [[[[0] * FEATURES for _ in range(classes)] for _ in range(2)] for _ in range(variables)]
    edges = [[[0] * classes for _ in range(2)] for _ in range(variables)]
    for variable in range(variables):
        for temporal in (0, 1) if slices > 1 else (0,):
            for number in range(classes):
                for feature in used_features(temporal > 0, variable > 0):
                    stencils[variable][temporal][number][feature] = numbers.next(WEIGHT)
                if number + 1 < classes:
                    edges[variable][temporal][number] = numbers.next(EDGE_KIND)
    series = Series(slices, variables, ny, nx, stencils, edges, low << FRACTION_BITS, high << FRACTION_BITS)
    series.weight_bits = FINE_BITS if told > MOST_CLASSES else WEIGHT_BITS
    return series


def _values(head: Head, steps: np.ndarray) -> np.ndarray:
    if isinstance(head.scale, Units):
        return put_back(head.scale.values(steps / PER_TOLERANCE), head.classes, head.specials, head.scale.reach())
    if isinstance(head.scale, Lattice):
        codes = head.numbers(steps)
        values = head.scale.restore(codes, np.zeros(codes.shape, "u1"))
        return put_back(values, head.classes, head.specials, (0.0, 0.0))
    dtype = head.scale.dtype
    values = steps.astype(f"<i{dtype.itemsize}").view(f"<f{dtype.itemsize}").astype(dtype)
    put_back(values, head.classes, head.specials, (0.0, 0.0))
    if head.nan and head.classes is not None:
        native = values.astype(dtype.newbyteorder("<"))
        for number, special in enumerate(head.specials):
            if math.isnan(special):
                native.view(f"<u{dtype.itemsize}")[head.classes == number + 1] = head.nan
        values = native.astype(dtype)
    return values
