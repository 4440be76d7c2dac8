"""What the models of fields share: members, arrangements, chunks, units, special values (format/fields.md)."""

from __future__ import annotations

import itertools
import math
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reference.arithmetic import decode_classes
from reference.exponential import exp
from reference.lattice import INTEGER, STEP, Lattice, keep_off, put_specials
from reference.own_tolerances import OwnTolerances
from reference.reading import Bytes, Damaged
from reference.scalar import Shapes, decode_scalar
from reference.tolerances import Variable

PLAIN, ON_LATTICE, LOGARITHMS = range(3)
Box = tuple[slice, ...]
State = dict[str, np.ndarray]
DecodeFields = Callable[[Bytes, list[Variable], tuple[int, ...], np.ndarray | None], list[np.ndarray]]


def decode_group(
    streams: dict[str, bytes],
    variables: list[Variable],
    shapes: Shapes,
    state: State,
    tolerances: OwnTolerances,
    decode: DecodeFields,
) -> list[np.ndarray]:
    """Fields that are coded jointly, and the other variables as by `scalar`."""
    stream, found, known = Bytes(streams["fields"]), {}, _known(state)
    for _ in range(stream.below(len(variables) + 1)):
        places = [stream.below(len(variables)) for _ in range(stream.below(len(variables) + 1))]
        members, shape = [variables[place] for place in places], shapes[places[0]]
        same = all(shapes[place] == shape and variables[place].dtype.kind != "b" for place in places)
        if not same or len(shape) < 2 or not math.prod(shape) or len(set(places)) < len(places):
            raise Damaged("fields coded jointly are of several shapes, or no fields")
        modes = known.get(tuple(places))
        found.update(zip(places, decode(Bytes(stream.sized()), members, shape, modes), strict=True))
    others = [place for place in range(len(variables)) if place not in found]
    if others:
        rest = decode_scalar(streams, [variables[o] for o in others], [shapes[o] for o in others], tolerances)
        found.update(zip(others, rest, strict=True))
    return [found[place] for place in range(len(variables))]


def _known(state: State) -> dict[tuple[int, ...], np.ndarray | None]:
    """The modes of another file by the members of joint fields (format/transform.md: modes of another file)."""
    families = {name.partition(" ")[0]: places for name, places in state.items() if name.endswith(" family")}
    return {tuple(places[2:].tolist()): state.get(f"{number} modes") for number, places in families.items()}


@dataclass
class Arrangement:
    """Which axis comes first, how many axes after that are run through by frames, and chunks that the axes are cut into."""

    lead: int
    frames: int
    chunk: tuple[int, ...] = ()

    def shape(self, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
        moved = (shape[self.lead], *shape[: self.lead], *shape[self.lead + 1 :])
        frames, space = moved[: self.frames], (1, 1, 1, *moved[self.frames :])
        return math.prod(frames), math.prod(space[:-2]), space[-2], space[-1]

    def forward(self, values: np.ndarray) -> np.ndarray:
        return np.moveaxis(values, self.lead, 0).reshape(self.shape(values.shape))

    def backward(self, field: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        moved = (shape[self.lead], *shape[: self.lead], *shape[self.lead + 1 :])
        return np.moveaxis(field.reshape(moved), 0, self.lead)

    def cuts(self, shape: tuple[int, ...]) -> list[list[tuple[int, int]]]:
        """First and end of chunks along frames, z, y and x."""
        if not self.chunk:
            return [[(0, n)] for n in self.shape(shape)]
        axes = []
        for lengths in (shape, self.chunk):
            moved = (lengths[self.lead], *lengths[: self.lead], *lengths[self.lead + 1 :])
            space = moved[self.frames :]
            axes.append([moved[: self.frames], space[:-2], space[-2:-1], space[-1:]])
        return [chunk_edges(n, m) for n, m in zip(*axes, strict=True)]


def chunk_edges(lengths: tuple[int, ...], chunk: tuple[int, ...]) -> list[tuple[int, int]]:
    if not lengths:
        return [(0, 1)]
    inner = chunk_edges(lengths[1:], chunk[1:])
    size = math.prod(lengths[1:])
    if len(inner) > 1:
        return [(i * size + first, i * size + end) for i in range(lengths[0]) for first, end in inner]
    return [(i * size, min(i + chunk[0], lengths[0]) * size) for i in range(0, lengths[0], chunk[0])]


def read_arrangement(stream: Bytes, shape: tuple[int, ...]) -> Arrangement:
    lead, chunk = stream.below(64 + len(shape)), ()
    frames = stream.below(len(shape))
    if lead >= 64:
        chunk = tuple(stream.below(n + 1) for n in shape)
        if min(chunk) < 1:
            raise Damaged("a chunk of no length")
    if lead % 64 >= len(shape):
        raise Damaged("an axis that is not there")
    return Arrangement(lead % 64, frames, chunk)


def read_parts(stream: Bytes, count: int, indexed: bool) -> Iterator[bytes]:
    """Sized parts; if they are indexed, all lengths come first."""
    if not indexed:
        return (stream.sized() for _ in range(count))
    lengths = [stream.varint() for _ in range(count)]
    return (stream.take(length) for length in lengths)


def shifted(box: Sequence[tuple[int, int]], parts: Box) -> Box:
    return tuple(slice(first + p.start, first + p.stop) for (first, _), p in zip(box, parts, strict=True))


def tiles(frames: int, space: tuple[int, ...], largest: int) -> list[Box]:
    """Space cut in halves along its longest axis until a tile of all frames holds at most `largest` values."""
    boxes = [tuple((0, n) for n in space)]
    while frames * math.prod(end - first for first, end in boxes[0]) > largest:
        lengths = [max(box[axis][1] - box[axis][0] for box in boxes) for axis in range(len(space))]
        axis = lengths.index(max(lengths))
        if lengths[axis] < 2:
            break
        halves = []
        for box in boxes:
            first, end = box[axis]
            middle = (first + end + 1) // 2
            for part in ((first, middle), (middle, end)):
                if part[1] > part[0]:
                    halves.append((*box[:axis], part, *box[axis + 1 :]))
        boxes = halves
    return [tuple(slice(first, end) for first, end in box) for box in boxes]


def cut_frames(frames: int, parts: int) -> Iterator[slice]:
    edges = [frames * number // parts for number in range(parts + 1)]
    return (slice(first, end) for first, end in itertools.pairwise(edges))


class Units:
    """Numbers in units of the tolerance to values."""

    def __init__(self, stored: bytes, dtype: np.dtype[Any]) -> None:
        number, self.radius, self.centre = struct.unpack_from("<Bdd", stored)
        self.kind, self.sign, self.dtype = number // 2, -1 if number % 2 else 1, dtype
        self.lattice = Lattice(Bytes(stored[17:]), dtype) if self.kind == ON_LATTICE else None
        possible = self.kind <= LOGARITHMS and math.isfinite(self.centre) and 0 < self.radius < math.inf
        if self.lattice is None:
            possible &= dtype.kind == "f"
        elif self.lattice.kind not in (INTEGER, STEP):
            possible = False
        if not possible:
            raise Damaged("the units of a field are impossible")

    def values(self, field: np.ndarray) -> np.ndarray:
        numbers = field * self.radius + self.centre
        if self.lattice is not None:
            return self._points(numbers, self.lattice)
        return (self.sign * exp(numbers) if self.kind == LOGARITHMS else numbers).astype(self.dtype)

    def _points(self, numbers: np.ndarray, lattice: Lattice) -> np.ndarray:
        half = 0.0 if lattice.merge % 2 else 0.5
        points = np.clip(np.rint(numbers - half) + half, -(2.0**62), 2.0**62)
        if lattice.kind == STEP:
            return (points * lattice.step / lattice.divisor).astype(self.dtype)
        ends = np.iinfo(self.dtype)
        whole = points.astype("<i8") * np.int64(int(lattice.step)) + np.int64(lattice.offset)
        return np.clip(whole, ends.min, ends.max).astype(self.dtype)

    def reach(self) -> tuple[float, float]:
        if self.lattice is not None:
            own = 1.0 if self.lattice.kind == INTEGER else self.radius * self.lattice.step / self.lattice.divisor
            return own, 0.0
        return (0.0, self.radius) if self.kind == LOGARITHMS else (self.radius, 0.0)


def read_specials(stream: Bytes, dtype: np.dtype[Any], most: int) -> list[float]:
    specials = [stream.double() for _ in range(stream.below(most + 1))]
    if dtype.kind in "iu":
        ends = np.iinfo(dtype)
        if not all(math.isfinite(special) and ends.min <= special <= ends.max for special in specials):
            raise Damaged("a special value is beyond its type")
    return specials


def read_classes(stream: Bytes, shape: tuple[int, int, int, int], count: int) -> np.ndarray:
    """Classes of special values of (frames, z, y, x)."""
    return decode_classes(stream.sized(), (shape[0] * shape[1], *shape[2:]), count).reshape(shape)


def put_back(
    values: np.ndarray, classes: np.ndarray | None, specials: list[float], reach: tuple[float, float]
) -> np.ndarray:
    if classes is not None:
        keep_off(values, specials, *reach)
        put_specials(values, classes, specials)
    return values
