"""The plan of a table: how each column becomes symbols, and what these are told by (format/table.md: plan)."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from reference.arithmetic import Decoder, Numbers
from reference.lattice import Lattice
from reference.reading import Bytes, Damaged, decompress, unpack

CODES, DIFFERENCES, DICTIONARY = range(3)
LOG, PLAIN, WHOLE, BY_CODES, OWN_STEPS = range(1, 6)
LARGEST, MOST_WORDS, MOST_BINS, MOST_DECISIONS = 1 << 61, 1 << 24, 1 << 12, 1 << 17
FEATURES, COMPONENTS, OUTPUTS, MOST_WIDE, MOST_COLUMNS = 4, 3, 9, 64, 64
STATES, LARGEST_WEIGHT = 8, 1 << 15
MASSES = [math.isqrt(math.isqrt(1 << (96 - level))) for level in range(97)]
PLACES, OF_EVENT = 5, 2
QUARTERS = np.array([0.5, 0.5946035575013605, 0.7071067811865476, 0.8408964152537145])


@dataclass
class Network:
    """Which columns it looks at, and its matrices: into, skip, out, bias, bias of outputs."""

    columns: list[int]
    matrices: list[np.ndarray]


@dataclass
class OwnSteps:
    """Points per unit; how steps are rounded down; what they count from: factors of columns, and a constant."""

    points: float
    rungs: int
    base: float
    parents: list[int]
    factors: list[float]
    fills: list[float]

    def rounded(self, each: np.ndarray) -> np.ndarray:
        if not self.rungs:
            return each
        mantissa, exponent = np.frexp(each / self.base)
        widths = QUARTERS[:: 4 // self.rungs]
        place = np.clip(np.searchsorted(widths, mantissa, side="right") - 1, 0, len(widths) - 1)
        return np.where(each > 0, np.minimum(np.ldexp(widths[place], exponent) * self.base, each), each)


@dataclass
class Column:
    lattice: Lattice
    kind: int
    low: int
    high: int
    dictionary: np.ndarray = field(default_factory=lambda: np.zeros(0, "<i8"))
    edges: np.ndarray | None = None
    levels: list[int] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    inner: int = 0
    looks_back: int = 0
    contexts: int = 0
    predictor: dict[int, np.ndarray] = field(default_factory=dict)
    network: Network | None = None
    relation: tuple[int, float, bytes, list[int], list[float]] | None = None
    steps: OwnSteps | None = None

    @property
    def bins(self) -> int:
        return len(self.levels)

    @property
    def masses(self) -> list[int]:
        return [MASSES[level] for level in self.levels]


@dataclass
class Plan:
    columns: list[Column]
    order: list[int]
    derived: list[int]
    pointer: int | None


class Parts:
    """The parts of a plan that columns take their shares from, in turn."""

    def __init__(self, stream: Bytes) -> None:
        self.lattices, self.numbers, self.relations = (_compressed(stream) for _ in range(3))
        self.gaps, self.levels, self.words, self.weights = (_packed(stream) for _ in range(4))
        self.coder = Decoder(stream.rest())
        self.network_numbers = Numbers(self.coder, 5 * STATES)

    def take(self, name: str, count: int) -> np.ndarray:
        found = getattr(self, name)
        setattr(self, name, found[count:])
        if len(found) < count:
            raise Damaged("the plan of a table is cut short")
        return found[:count]


def _compressed(stream: Bytes) -> Bytes:
    part = Bytes(stream.sized())
    length = part.below(MOST_WORDS)
    return Bytes(decompress(part.rest(), length))


def _packed(stream: Bytes) -> np.ndarray:
    part = Bytes(stream.sized())
    count = part.below(MOST_WORDS)
    return unpack(part.rest(), count)


def read_plan(data: bytes, dtypes: list[np.dtype[Any]]) -> Plan:
    parts, count = Parts(Bytes(data)), len(dtypes)
    numbers = parts.numbers
    order = [numbers.below(count) for _ in range(count)]
    derived = [numbers.below(count) for _ in range(numbers.below(count + 1))]
    columns = [_column(parts, Lattice(parts.lattices, dtype), count) for dtype in dtypes]
    plan = Plan(columns, order, derived, numbers.below(count) if numbers.left else None)
    related = {n for n, column in enumerate(columns) if column.relation is not None or column.steps is not None}
    if len(set(order)) != count or set(derived) != related or len(set(derived)) != len(derived):
        raise Damaged("the order of a table's columns is impossible")
    return plan


def _column(parts: Parts, lattice: Lattice, count: int) -> Column:
    numbers = parts.numbers
    kind, low = numbers.below(3), numbers.zigzag()
    column = Column(lattice, kind, low, low + numbers.varint())
    words, bins = numbers.below(MOST_WORDS), numbers.below(MOST_BINS)
    if not -LARGEST < low <= column.high < LARGEST or (kind == DICTIONARY) != (words > 0):
        raise Damaged("the symbols of a column have an impossible range")
    looked: list[int] = []
    if bins:
        column.contexts, flags = divmod(numbers.below(16 * 17), 16)
        column.looks_back = flags >> 1
        column.inner = numbers.below(9)
        if bins << column.inner > MOST_DECISIONS:
            raise Damaged("bins are halved too often")
        sources = PLACES * count + OF_EVENT + count
        column.parents = [numbers.below(sources) for _ in range(numbers.below(9))]
        looked = [numbers.below(count) for _ in range(numbers.below(count + 1))]
        width = numbers.below(MOST_WIDE + 1)
        if width:
            seen = [numbers.below(count) for _ in range(numbers.below(MOST_COLUMNS + 1))]
            column.network = Network(seen, _matrices(parts, len(seen) * FEATURES, width))
    column.dictionary = np.cumsum(parts.take("words", words))
    if words and ((np.diff(column.dictionary) <= 0).any() or (low, column.high) != (0, words - 1)):
        raise Damaged("a dictionary is out of order")
    if bins:
        column.edges = np.concatenate([[low - 1], low - 1 + np.cumsum(parts.take("gaps", bins))])
        column.levels = parts.take("levels", bins).tolist()
        ascending = (np.diff(column.edges) > 0).all() and int(column.edges[-1]) == column.high + 1
        if not ascending or not 0 <= min(column.levels) <= max(column.levels) < len(MASSES):
            raise Damaged("the bins of a column are impossible")
    kind = parts.relations.below(6)
    if kind == OWN_STEPS:
        column.steps = _own_steps(parts.relations, count)
    elif kind:
        column.relation = _relation(kind, parts.relations, count)
    weights = parts.take("weights", FEATURES * len(looked)).reshape(-1, FEATURES)
    column.predictor = dict(zip(looked, weights, strict=True))
    return column


def _matrices(parts: Parts, inputs: int, width: int) -> list[np.ndarray]:
    found = []
    for kind, (rows, columns) in enumerate(
        ((inputs, width), (inputs, COMPONENTS), (width, OUTPUTS), (1, width), (1, OUTPUTS))
    ):
        matrix = [[0] * columns for _ in range(rows)]
        for y in range(rows):
            for x in range(columns):
                near = 2 * abs(matrix[y - 1][x]) if y else 0
                near += abs(matrix[y - 2][x]) if y > 1 else 0
                near += abs(matrix[y][x - 1]) if x else 0
                matrix[y][x] = parts.network_numbers.next(kind * STATES + min(near.bit_length(), STATES - 1))
        if max(abs(weight) for row in matrix for weight in row) >= LARGEST_WEIGHT:
            raise Damaged("the weights of a network are too large")
        found.append(np.array(matrix, "<i8"))
    return found


def _own_steps(stream: Bytes, count: int) -> OwnSteps:
    points, rungs = stream.double(), stream.below(5)
    base = stream.double() if rungs else 1.0
    parents = [stream.below(count) for _ in range(stream.below(17))]
    numbers = list(struct.unpack(f"<{2 * len(parents) + 1}f", stream.take(8 * len(parents) + 4))) if parents else []
    if not np.isfinite([points, base, *numbers]).all() or base <= 0 or rungs == 3:
        raise Damaged("a column counts in impossible steps")
    return OwnSteps(points, rungs, base, parents, numbers[: len(parents) + 1], numbers[len(parents) + 1 :])


def _relation(kind: int, stream: Bytes, count: int) -> tuple[int, float, bytes, list[int], list[float]]:
    step, name = stream.double(), stream.sized()
    parents = [stream.below(count) for _ in range(stream.below(65))]
    length = stream.below(65)
    if (not name and length != len(parents)) or not parents or not 0 < step < math.inf:
        raise Damaged("a relation is impossible")
    constants = [stream.double() if name else stream.zigzag() / 4 for _ in range(length)]
    return kind, step, name, parents, constants
