"""Hold the plan of a table (how each column becomes symbols and how these are coded), write and read it."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from baler_core.builtin.models.table.contexts.marginals import LEVELS, Marginal
from baler_core.builtin.models.table.contexts.predictor import FEATURES, Predictor
from baler_core.builtin.models.table.contexts.symbols import KINDS, LARGEST, SymbolMap
from baler_core.builtin.models.table.events import BEFORE, HERE, IN_EVENT, POINTED, ColumnSource, sources
from baler_core.builtin.models.table.network.flow import Flow
from baler_core.builtin.models.table.network.inference import Network
from baler_core.builtin.models.table.network.weights import MOST_COLUMNS, MOST_WIDE, NetworkReader, networks_to_bytes
from baler_core.builtin.models.table.relations.relation import LINEAR, Relation
from baler_core.builtin.models.table.relations.residuals import Steps
from baler_core.builtin.models.table.relations.scales import OwnSteps, read_own_steps
from baler_core.builtin.models.table.stored_numbers import StoredNumbers
from baler_core.entropy.bytes import squeeze, unsqueeze
from baler_core.entropy.integers import pack_integers, unpack_integers
from baler_core.entropy.varint import ByteReader, unzigzag, write_sized, write_varint, zigzag
from baler_core.errors import FormatError
from baler_core.machine.records import dataclass
from baler_core.quantise.lattice import Lattice

REFERENCES = (BEFORE, IN_EVENT, POINTED)
STEP_KINDS = ("log", "plain", "whole", "codes")
_OWN_STEPS = 1 + len(STEP_KINDS)
_MOST_KNOTS = 1 << 12
_MOST_DECISIONS = 1 << 17
"""What bins and their halves may need: more than twice as many as those that are made."""
_MOST_WORDS = 1 << 24
_NARROW = 1 << 50
"""Sums of _MOST_KNOTS gaps that are no wider stay within 64 bits."""


@dataclass(frozen=True)
class ColumnPlan:
    """How one column is coded.

    Attributes
    ----------
    lattice
        Values to codes.
    symbols
        Codes (or residuals) to symbols.
    marginal
        Bins of the symbols; None if no column needs them.
    parents
        Numbers of the sources that make its contexts: columns of this or an earlier row, or the event.
    inner
        How many halvings inside a bin are mixed.
    predictor
        A further parent, after the others: classes of a score predicted from all earlier columns.
    packed
        The symbols are packed, not mixed.
    network
        Predicts a mixture over scores from earlier columns.
    relation, steps
        From which columns it follows, and how its residuals count; None for a column by itself.
    references
        Places of earlier rows whose distance from each cut is a context: of REFERENCES, in that order.
    own_steps
        How it counts in steps as wide as each value's own tolerance; None for a column with one tolerance.
    """

    lattice: Lattice
    symbols: SymbolMap
    marginal: Marginal | None = None
    parents: tuple[int, ...] = ()
    inner: int = 0
    packed: bool = True
    predictor: Predictor | None = None
    network: Network | None = None
    relation: Relation | None = None
    steps: Steps | None = None
    references: tuple[int, ...] = ()
    own_steps: OwnSteps | None = None

    @property
    def bins(self) -> int:
        """How many bins the symbols have; 0 where these are not mixed."""
        return 0 if self.marginal is None else self.marginal.bins

    @property
    def is_derived(self) -> bool:
        """Whether values follow from restored ones of other columns."""
        return self.relation is not None or self.own_steps is not None

    @property
    def derived_from(self) -> tuple[int, ...]:
        """Columns that its relation, or the sum that its steps count from, needs."""
        if self.own_steps is not None:
            return self.own_steps.parents
        return () if self.relation is None else self.relation.parents


class TablePlan(NamedTuple):
    """Plans of all columns.

    Attributes
    ----------
    order
        Column numbers in the order in which symbols are coded.
    derived
        Columns that follow from others by a relation or by their tolerances, parents first.
    pointer
        The column that points to earlier rows of the same event.
    flow
        Predicts mixtures of columns, in place of networks of their own; stored apart.
    """

    columns: tuple[ColumnPlan, ...]
    order: tuple[int, ...]
    derived: tuple[int, ...]
    pointer: int | None = None
    flow: Flow | None = None


def plan_to_bytes(plan: TablePlan) -> bytes:
    """Write a plan as bytes."""
    lattices = b"".join(c.lattice.to_bytes() for c in plan.columns)
    numbers: list[int] = [*plan.order, len(plan.derived), *plan.derived]
    knots: list[np.ndarray] = [np.zeros(0, np.int64)]
    levels: list[np.ndarray] = [np.zeros(0, np.uint8)]
    weights: list[np.ndarray] = [np.zeros(0, np.int64)]
    words: list[np.ndarray] = [np.zeros(0, np.int64)]
    networks: list[Network] = []
    extra = b""
    for column in plan.columns:
        numbers += _column_numbers(column)
        extra += _relation_bytes(column)
        if column.marginal is not None:
            knots.append(np.diff(column.marginal.edges))
            levels.append(column.marginal.levels)
        if column.predictor is not None:
            weights.append(column.predictor.weights.astype(np.int64).ravel())
        if column.network is not None:
            networks.append(column.network)
        words.append(np.diff(column.symbols.dictionary, prepend=np.int64(0)))
    numbers += [] if plan.pointer is None else [plan.pointer]
    parts = [lattices, b"".join(write_varint(n) for n in numbers), extra]
    packed = [np.concatenate(arrays).astype(np.int64) for arrays in (knots, levels, words, weights)]
    body = b"".join(write_sized(write_varint(len(part)) + squeeze(part)) for part in parts)
    body += b"".join(write_sized(write_varint(a.size) + pack_integers(a)) for a in packed)
    return body + networks_to_bytes(networks)


def _column_numbers(column: ColumnPlan) -> list[int]:
    symbols, marginal = column.symbols, column.marginal
    found = [KINDS.index(symbols.kind), zigzag(symbols.low), symbols.high - symbols.low, len(symbols.dictionary)]
    found += [column.bins]
    if marginal is not None:
        found += [
            int(column.packed) + 2 * _references_number(column.references),
            column.inner,
            len(column.parents),
            *column.parents,
        ]
        looked = () if column.predictor is None else column.predictor.columns
        found += [len(looked), *looked]
        found += [0] if column.network is None else [_width(column.network), *_seen(column.network)]
    return found


def _references_number(references: tuple[int, ...]) -> int:
    return sum(1 << k for k, place in enumerate(REFERENCES) if place in references)


def _width(network: Network) -> int:
    return len(network.bias)


def _seen(network: Network) -> list[int]:
    return [len(network.columns), *network.columns]


def _relation_bytes(column: ColumnPlan) -> bytes:
    relation, steps = column.relation, column.steps
    if column.own_steps is not None:
        return bytes([_OWN_STEPS]) + column.own_steps.to_bytes()
    if relation is None or steps is None:
        return b"\0"
    out = bytes([1 + STEP_KINDS.index(steps.kind)]) + struct.pack("<d", steps.step)
    out += write_sized(relation.name.encode()) + write_varint(len(relation.parents))
    out += b"".join(write_varint(p) for p in relation.parents) + write_varint(len(relation.constants))
    if relation.name == LINEAR:
        return out + b"".join(write_varint(zigzag(round(4 * a))) for a in relation.constants)
    return out + struct.pack(f"<{len(relation.constants)}d", *relation.constants)


def plan_from_bytes(data: bytes, dtypes: Sequence[str]) -> TablePlan:
    """Return the plan for columns of these dtypes.

    Raises
    ------
    FormatError
        If the bytes are damaged.
    """
    reader = ByteReader(data, "what was learned of a table")
    lattices, stored, extra = (_unsqueezed(reader) for _ in range(3))
    numbers = StoredNumbers(stored.rest(), reader.what)
    knots, levels, words, weights = (_unpacked(reader) for _ in range(4))
    arrays = _Arrays(knots, levels, words, weights, NetworkReader(reader.rest(), FEATURES))
    count = len(dtypes)
    order = tuple(numbers.varint(count) for _ in range(count))
    derived = tuple(numbers.varint(count) for _ in range(numbers.varint(count + 1)))
    if sorted(order) != list(range(count)) or len(set(derived)) != len(derived):
        raise FormatError(f"{reader.what} is damaged: its order names a column twice")
    columns = [_read_column(Lattice.read(lattices, dtype), numbers, extra, arrays, count) for dtype in dtypes]
    pointer = numbers.varint(count) if numbers.left else None
    plan = TablePlan(tuple(columns), order, derived, pointer)
    _check_order(plan, reader.what)
    return plan


def _check_order(plan: TablePlan, what: str) -> None:
    """Raise FormatError if a column depends on one that is restored after it."""
    count, place = len(plan.order), {column: position for position, column in enumerate(plan.order)}
    for number, column in enumerate(plan.columns):
        looked = [] if column.predictor is None else list(column.predictor.columns)
        looked += [] if column.network is None else column.network.columns
        used = [ColumnSource.of(p, count) for p in column.parents]
        seen = [s.column for s in used if not s.of_event and not (s.column == number and s.place != HERE)]
        if any(place[c] >= place[number] for c in (*seen, *looked)):
            raise FormatError(f"{what} is damaged: a column is told by later ones")
        pointed = POINTED in (*(s.place for s in used), *column.references)
        if pointed and (plan.pointer is None or place[plan.pointer] >= place[number]):
            raise FormatError(f"{what} is damaged: a column looks where nothing points yet")
    relations = {number for number, column in enumerate(plan.columns) if column.is_derived}
    ready: set[int] = set()
    for number in plan.derived:
        parents = plan.columns[number].derived_from
        if number not in relations or any(p in relations and p not in ready for p in parents):
            raise FormatError(f"{what} is damaged: its relations are out of order")
        ready.add(number)
    if ready != relations:
        raise FormatError(f"{what} is damaged: a relation is missing from its order")


@dataclass
class _Arrays:
    """Long arrays that columns take their parts from, in turn."""

    knots: np.ndarray
    levels: np.ndarray
    words: np.ndarray
    weights: np.ndarray
    networks: NetworkReader

    def predictor(self, columns: tuple[int, ...]) -> Predictor | None:
        """Return a predictor that looks at these columns; None if it looks at none."""
        if not columns:
            return None
        size = len(columns) * FEATURES
        found, self.weights = self.weights[:size], self.weights[size:]
        if len(found) != size or (np.abs(found) > 127).any():
            raise FormatError("what was learned of a table is damaged: weights are missing")
        return Predictor(columns, found.astype(np.int8).reshape(-1, FEATURES))

    def __post_init__(self) -> None:
        """Refuse impossible numbers in all columns at once: files have thousands of columns."""
        gaps, levels = self.knots, self.levels
        self._wide = bool((gaps > _NARROW).any())
        if not ((gaps > 0).all() and (levels >= 0).all() and (levels < LEVELS).all()):
            raise FormatError("what was learned of a table is damaged: its bins make no sense")
        self.levels = levels.astype(np.uint8)

    def marginal(self, bins: int, low: int, high: int) -> Marginal:
        gaps, self.knots = self.knots[:bins], self.knots[bins:]
        levels, self.levels = self.levels[:bins], self.levels[bins:]
        edges = np.empty(len(gaps) + 1, np.int64)
        edges[0] = low - 1
        np.cumsum(gaps, out=edges[1:])
        edges[1:] += low - 1
        # compared, not subtracted: sums of wide gaps may wrap around
        ascending = not self._wide or bool((edges[1:] > edges[:-1]).all())
        if not ascending or len(gaps) != bins or len(levels) != bins or int(edges[-1]) != high + 1:
            raise FormatError("what was learned of a table is damaged: its bins make no sense")
        return Marginal(edges, levels)

    def dictionary(self, length: int) -> np.ndarray:
        if not length:
            return np.zeros(0, np.int64)
        steps, self.words = self.words[:length], self.words[length:]
        found = np.cumsum(steps, dtype=np.int64)
        if len(found) != length or (found[1:] <= found[:-1]).any():
            raise FormatError("what was learned of a table is damaged: a dictionary is out of order")
        return found


def _unsqueezed(reader: ByteReader) -> ByteReader:
    part = ByteReader(reader.sized(), reader.what)
    length = part.varint(_MOST_WORDS)
    return ByteReader(unsqueeze(part.rest(), length), reader.what)


def _unpacked(reader: ByteReader) -> np.ndarray:
    part = ByteReader(reader.sized(), reader.what)
    count = part.varint(_MOST_WORDS)
    return unpack_integers(part.rest(), count)


def _read_column(
    lattice: Lattice, numbers: StoredNumbers, extra: ByteReader, arrays: _Arrays, count: int
) -> ColumnPlan:
    kind = KINDS[numbers.varint(len(KINDS))]
    low = unzigzag(numbers.varint(2**64))
    high = low + numbers.varint(2**64)
    # so that loops can take the difference of any two symbols, and edges of bins are in 64 bits
    if not -LARGEST < low <= high < LARGEST:
        raise FormatError(f"{numbers.what} is damaged: symbols from {low} to {high}")
    words = numbers.varint(_MOST_WORDS)
    mixed = _read_mixed(numbers, arrays, count) if (bins := numbers.varint(_MOST_KNOTS)) else _UNMIXED
    if bins << mixed.inner > _MOST_DECISIONS:
        raise FormatError(f"{numbers.what} is damaged: {bins} bins are halved {mixed.inner} times")
    symbols = SymbolMap(kind, low, high, arrays.dictionary(words))
    if (kind == "dictionary") != (words > 0) or (words and (low, high) != (0, words - 1)):
        raise FormatError(f"{numbers.what} is damaged: a dictionary does not fit its symbols")
    marginal = arrays.marginal(bins, low, high) if bins else None
    relation, steps, own_steps = _read_relation(extra, count)
    references = tuple(place for k, place in enumerate(REFERENCES) if mixed.references >> k & 1)
    predictor = arrays.predictor(mixed.looked)
    coded = marginal, mixed.parents, mixed.inner, mixed.packed, predictor, mixed.network
    return ColumnPlan(lattice, symbols, *coded, relation, steps, references, own_steps)


class _Mixed(NamedTuple):
    """How the symbols of a column are mixed, as it is stored: columns looked at have no weights yet."""

    references: int = 0
    packed: bool = True
    inner: int = 0
    parents: tuple[int, ...] = ()
    looked: tuple[int, ...] = ()
    network: Network | None = None


_UNMIXED = _Mixed()


def _read_mixed(numbers: StoredNumbers, arrays: _Arrays, count: int) -> _Mixed:
    references, packed = divmod(numbers.varint(2 << len(REFERENCES)), 2)
    inner = numbers.varint(9)
    parents = tuple(numbers.varint(sources(count)) for _ in range(numbers.varint(9)))
    looked = tuple(numbers.varint(count) for _ in range(numbers.varint(count + 1)))
    network = None
    if width := numbers.varint(MOST_WIDE + 1):
        seen = tuple(numbers.varint(count) for _ in range(numbers.varint(MOST_COLUMNS + 1)))
        if not seen:
            raise FormatError(f"{numbers.what} is damaged: a network looks at nothing")
        network = arrays.networks.network(seen, width)
    return _Mixed(references, bool(packed), inner, parents, looked, network)


def _read_relation(extra: ByteReader, count: int) -> tuple[Relation | None, Steps | None, OwnSteps | None]:
    kind = extra.varint(1 + _OWN_STEPS)
    if not kind:
        return None, None, None
    if kind == _OWN_STEPS:
        return None, None, read_own_steps(extra, count)
    (step,) = struct.unpack("<d", extra.take(8))
    name = extra.sized().decode("utf-8", "replace")
    parents = tuple(extra.varint(count) for _ in range(extra.varint(65)))
    length = extra.varint(65)
    if name == LINEAR:
        constants = tuple(unzigzag(extra.varint(2**16)) / 4 for _ in range(length))
    else:
        constants = struct.unpack(f"<{length}d", extra.take(8 * length))
    if not (np.isfinite(step) and step > 0) or (name == LINEAR and length != len(parents)) or not parents:
        raise FormatError(f"{extra.what} is damaged: a relation makes no sense")
    return Relation(name, parents, constants), Steps(STEP_KINDS[kind - 1], step), None
