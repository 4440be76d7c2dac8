"""Arrange the axes of an array as frames and space, and cut fields into blocks of time and tiles of space."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from baler_core.data.variables import Variable
from baler_core.entropy.varint import ByteReader, write_varint
from baler_core.errors import FormatError

Box = tuple[slice, ...]
# All of a field, along frames, z, y and x.
EVERYTHING: Box = (slice(None),) * 4
# Frames of a block, which share a basis: in prototypes blocks of 15, 30, 60 and 120 frames of one data set
# gave ratios of 122, 162, 246 and 377.
LONGEST_BLOCK = 256
# Values of a tile, which is decoded by itself: bounds the memory that decoding takes.
LARGEST_TILE = 1 << 22
_SLOW_AXES = ("time", "member", "level", "spectral")


class Arrangement(NamedTuple):
    """A view of an array as frames of up to three space axes.

    Attributes
    ----------
    lead
        The axis moved to the front.
    frames
        How many axes, after that, are run through by the frames; 0 takes the whole array as one frame.
    """

    lead: int
    frames: int

    def forward(self, values: np.ndarray) -> np.ndarray:
        """Return the array as (frames, z, y, x)."""
        return np.moveaxis(values, self.lead, 0).reshape(self.shape(values.shape))

    def backward(self, field: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Invert `forward` for an array of `shape`."""
        return np.moveaxis(field.reshape(self._moved(shape)), 0, self.lead)

    def shape(self, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
        """Return (frames, z, y, x) of an array of `shape`."""
        moved = self._moved(shape)
        space = moved[self.frames :]
        padded = (1, 1, 1, *space)[-3:]
        return (math.prod(moved[: self.frames]), math.prod(space[:-2]), padded[1], padded[2])

    def _moved(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (shape[self.lead], *shape[: self.lead], *shape[self.lead + 1 :])

    def to_bytes(self) -> bytes:
        """Write two bytes."""
        return write_varint(self.lead) + write_varint(self.frames)


def read_arrangement(reader: ByteReader, rank: int) -> Arrangement:
    """Invert `Arrangement.to_bytes`; FormatError if an array of `rank` has no such axes."""
    lead, frames = reader.varint(), reader.varint()
    if not (lead < rank and frames < rank):
        raise FormatError(f"a field of rank {rank} is arranged by axes it does not have")
    return Arrangement(lead, frames)


def arrangements(shape: tuple[int, ...], dims: tuple[str, ...], axes: Mapping[str, str]) -> list[Arrangement]:
    """Return arrangements worth trying for an array, the likeliest first."""
    rank = len(shape)
    slow = [number for number, dim in enumerate(dims) if axes.get(dim) in _SLOW_AXES]
    image = Arrangement(0, 0)
    if math.prod(shape[:-2]) == 1 and not (slow and shape[slow[0]] > 1):
        # one image, or one line through time
        stack = [Arrangement(rank - 2, rank - 1), Arrangement(rank - 1, rank - 1)]
        return [image, *stack] if rank >= 2 and min(shape[-2:]) > 1 else [image]
    found = [Arrangement(0, frames) for frames in range(max(1, rank - 2), max(0, rank - 4), -1)]
    if slow and slow[0] > 0:
        found.insert(0, Arrangement(slow[0], 1))
    elif rank == 3 and shape[2] > 1:
        found.append(Arrangement(2, 1))
    if rank == 4 and shape[1] > 1:
        found.append(Arrangement(1, 1))
    if rank <= 3:
        found.append(image)
    return list(dict.fromkeys(found))


def arrangements_of(variables: Sequence[Variable], shape: tuple[int, ...]) -> list[Arrangement]:
    """Return arrangements worth trying for variables on the same dimensions, of `shape`."""
    axes = {dim: axis for variable in variables for dim, axis in variable.axes.items()}
    return arrangements(shape, variables[0].dims, axes)


def time_blocks(frames: int) -> list[slice]:
    """Return even cuts of at most `LONGEST_BLOCK` frames."""
    count = max(1, -(-frames // LONGEST_BLOCK))
    edges = [frames * number // count for number in range(count + 1)]
    return [slice(first, end) for first, end in itertools.pairwise(edges)]


def tiles(frames: int, space: tuple[int, ...], largest: int = LARGEST_TILE) -> list[Box]:
    """Return even cuts of space such that a tile of all frames holds at most `largest` values or is one point."""
    boxes = [tuple((0, n) for n in space)]
    while frames * math.prod(end - first for first, end in boxes[0]) > largest:
        lengths = [max(box[axis][1] - box[axis][0] for box in boxes) for axis in range(len(space))]
        axis = lengths.index(max(lengths))
        if lengths[axis] < 2:
            break
        boxes = [half for box in boxes for half in _halves(box, axis)]
    return [tuple(slice(first, end) for first, end in box) for box in boxes]


def _halves(box: tuple[tuple[int, int], ...], axis: int) -> list[tuple[tuple[int, int], ...]]:
    first, end = box[axis]
    middle = (first + end + 1) // 2
    parts = [(first, middle), (middle, end)]
    return [(*box[:axis], part, *box[axis + 1 :]) for part in parts if part[1] > part[0]]
