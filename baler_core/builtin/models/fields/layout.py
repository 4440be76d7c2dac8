"""Arrange the axes of an array as frames and space, and cut fields into blocks of time and tiles of space."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, SupportsBytes

import numpy as np

from baler_core.data.variables import Variable
from baler_core.entropy.varint import write_sized, write_varint
from baler_core.errors import FormatError
from baler_core.format.ranged import RangeReader

Box = tuple[slice, ...]
# All of a field, along frames, z, y and x.
EVERYTHING: Box = (slice(None),) * 4
# Frames of a block, which share a basis: in prototypes blocks of 15, 30, 60 and 120 frames of one data set
# gave ratios of 122, 162, 246 and 377.
LONGEST_BLOCK = 256
# Values of a tile, which is decoded by itself: bounds the memory that decoding takes.
LARGEST_TILE = 1 << 22
# Values of a chunk, where a user wants fewer.
_FEWEST_VALUES = 1024
# Is added to the number of the leading axis where lengths of chunks follow.
_CHUNKED = 64
_SLOW_AXES = ("time", "member", "level", "spectral")


class Arrangement(NamedTuple):
    """A view of an array as frames of up to three space axes.

    Attributes
    ----------
    lead
        The axis moved to the front.
    frames
        How many axes, after that, are run through by the frames; 0 takes the whole array as one frame.
    chunk
        Length along each axis of the array of chunks that are coded by themselves, as a user wants them; none where what
        suits the values decides alone.
    """

    lead: int
    frames: int
    chunk: tuple[int, ...] = ()

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

    def _merged(self, lengths: tuple[int, ...]) -> list[tuple[int, ...]]:
        """Sort what belongs to the axes of an array by the axes (frames, z, y, x) that they make together."""
        moved = self._moved(lengths)
        space = moved[self.frames :]
        return [moved[: self.frames], space[:-2], space[-2:-1], space[-1:]]

    def time_blocks(self, shape: tuple[int, ...]) -> list[slice]:
        """Return where frames of an array are cut, so that none crosses the edge of a chunk."""
        found = []
        for first, end in self._cuts(shape)[0]:
            found += [slice(first + part.start, first + part.stop) for part in time_blocks(end - first)]
        return found

    def tiles(self, shape: tuple[int, ...], frames: int, largest: int = LARGEST_TILE) -> list[Box]:
        """Return where space of an array is cut, so that no tile crosses the edge of a chunk (see `tiles`)."""
        found = []
        for box in itertools.product(*self._cuts(shape)[1:]):
            for tile in tiles(frames, tuple(end - first for first, end in box), largest):
                found.append(tuple(slice(a + t.start, a + t.stop) for (a, _), t in zip(box, tile, strict=True)))
        return found

    def pieces(self, shape: tuple[int, ...]) -> Iterator[tuple[tuple[int, int], ...]]:
        """Yield first and end along frames, z, y and x of each chunk, the frames of one after those of the one before."""
        return itertools.product(*self._cuts(shape))

    def _cuts(self, shape: tuple[int, ...]) -> list[list[tuple[int, int]]]:
        """Return first and end of each chunk along frames, z, y and x."""
        if not self.chunk:
            return [[(0, length)] for length in self.shape(shape)]
        return [_edges(n, m) for n, m in zip(self._merged(shape), self._merged(self.chunk), strict=True)]

    def chunks(self, shape: tuple[int, ...]) -> int:
        """Return how many chunks an array is cut into."""
        if not self.chunk:
            return 1
        axes = zip(self._merged(shape), self._merged(self.chunk), strict=True)
        return math.prod(_count(lengths, chunk) for lengths, chunk in axes)

    def to_bytes(self) -> bytes:
        """Write two bytes, and the lengths of chunks where there are any."""
        lead = self.lead + (_CHUNKED if self.chunk else 0)
        return write_varint(lead) + write_varint(self.frames) + b"".join(map(write_varint, self.chunk))


def _edges(lengths: tuple[int, ...], chunk: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return first and end of chunks along axes that make one: contiguous, so that inner ones end where outer ones go on."""
    if not lengths:
        return [(0, 1)]
    inner, within = math.prod(lengths[1:]), _edges(lengths[1:], chunk[1:])
    step = chunk[0] if len(within) == 1 else 1
    outer = [(first, min(first + step, lengths[0])) for first in range(0, lengths[0], step)]
    if len(within) == 1:
        return [(first * inner, end * inner) for first, end in outer]
    return [(first * inner + a, first * inner + b) for first, _ in outer for a, b in within]


def _count(lengths: tuple[int, ...], chunk: tuple[int, ...]) -> int:
    """Return the length of what `_edges` would return."""
    count = 1
    for length, step in zip(reversed(lengths), reversed(chunk), strict=True):
        count *= length if count > 1 else -(-length // step)
    return count


def read_arrangement(reader: RangeReader, shape: tuple[int, ...]) -> Arrangement:
    """Invert `Arrangement.to_bytes`; FormatError if an array of `shape` has no such axes, or cannot be cut so."""
    rank = len(shape)
    lead, frames = reader.varint(), reader.varint()
    chunk: tuple[int, ...] = ()
    if lead >= _CHUNKED:
        lead -= _CHUNKED
        chunk = tuple(reader.varint(length + 1) for length in shape)
    if not (lead < rank and frames < rank):
        raise FormatError(f"a field of rank {rank} is arranged by axes it does not have")
    found = Arrangement(lead, frames, chunk)
    # every chunk takes a byte or more: a few bytes that speak of many must not take memory
    if chunk and (min(chunk) < 1 or found.chunks(shape) > reader.left):
        raise FormatError("a field is damaged: it is cut into more chunks than there are")
    return found


def write_parts(parts: Sequence[bytes], *, indexed: bool) -> bytes:
    """Write parts one after the other: each after its length, or all after all lengths, so that few bytes lead to any."""
    if indexed:
        return b"".join([*(write_varint(len(part)) for part in parts), *parts])
    return b"".join(map(write_sized, parts))


def read_parts(reader: RangeReader, count: int, *, indexed: bool) -> Iterator[SupportsBytes]:
    """Invert `write_parts` for so many parts, which are read only when they are wanted."""
    if not indexed:
        return (reader.sized_part() for _ in range(count))
    lengths = [reader.varint() for _ in range(count)]
    return iter([reader.part(length) for length in lengths])


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


def arrangements_of(
    variables: Sequence[Variable], shape: tuple[int, ...], chunk: tuple[int, ...] = ()
) -> list[Arrangement]:
    """Return arrangements worth trying for variables on the same dimensions, of `shape`."""
    axes = {dim: axis for variable in variables for dim, axis in variable.axes.items()}
    return [found._replace(chunk=chunk) for found in arrangements(shape, variables[0].dims, axes)]


def wanted_chunk(shape: tuple[int, ...], dims: Sequence[str], wanted: Mapping[str, int]) -> tuple[int, ...]:
    """Return the chunk that an array is to be cut into: none where that is all of it.

    Parameters
    ----------
    wanted
        Lengths by dimension. Chunks of very few values become longer, the leading axes first.
    """
    chunk = [min(length, wanted.get(dim, length)) for length, dim in zip(shape, dims, strict=True)]
    for axis, length in enumerate(shape):
        missing = -(-_FEWEST_VALUES // max(1, math.prod(chunk)))
        chunk[axis] = min(length, chunk[axis] * missing)
    return () if tuple(chunk) == shape else tuple(chunk)


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
