"""Read the plan of a table: what all columns share at once, each column when it is asked for, as tables have thousands."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from threading import Lock
from typing import NamedTuple, overload

import numpy as np

from baler_core.builtin.models.table.contexts.marginals import LEVELS, Marginal
from baler_core.builtin.models.table.contexts.predictor import FEATURES, Predictor
from baler_core.builtin.models.table.contexts.symbols import KINDS, LARGEST, SymbolMap
from baler_core.builtin.models.table.events import HERE, POINTED, ColumnSource, sources
from baler_core.builtin.models.table.network.inference import Network
from baler_core.builtin.models.table.network.weights import MOST_COLUMNS, MOST_WIDE, NetworkReader
from baler_core.builtin.models.table.plan import (
    MOST_CONTEXTS,
    OWN_STEPS,
    REFERENCES,
    STEP_KINDS,
    ColumnPlan,
    TablePlan,
)
from baler_core.builtin.models.table.relations.relation import LINEAR, Relation
from baler_core.builtin.models.table.relations.residuals import Steps
from baler_core.builtin.models.table.relations.scales import OwnSteps, read_own_steps
from baler_core.builtin.models.table.stored_numbers import StoredNumbers
from baler_core.entropy.bytes import unsqueeze
from baler_core.entropy.integers import unpack_integers
from baler_core.entropy.varint import ByteReader, unzigzag
from baler_core.errors import FormatError
from baler_core.quantise.lattice import Lattice

_WHAT = "what was learned of a table"
_MOST_KNOTS = 1 << 12
_MOST_DECISIONS = 1 << 17
"""What bins and their halves may need: more than twice as many as those that are made."""
_MOST_WORDS = 1 << 24
_NARROW = 1 << 50
"""Sums of _MOST_KNOTS gaps that are no wider stay within 64 bits."""
_BEFORE_MIXED = 5
"""Numbers of a column that is not mixed: the last is that of its bins, the one before that of its words."""


def plan_from_bytes(data: bytes, dtypes: Sequence[str]) -> TablePlan:
    """Return the plan for columns of these dtypes, each of them checked.

    Raises
    ------
    FormatError
        If the bytes are damaged.
    """
    plan = open_plan(data, dtypes)
    return plan._replace(columns=tuple(plan.columns))


def open_plan(data: bytes, dtypes: Sequence[str]) -> TablePlan:
    """Return the plan for columns of these dtypes, each of which is read and checked when it is asked for first.

    Raises
    ------
    FormatError
        If the bytes are damaged; so do its columns.
    """
    reader = ByteReader(data, _WHAT)
    lattices, stored, relations = (_unsqueezed(reader) for _ in range(3))
    numbers = StoredNumbers.of(stored, reader.what)
    arrays = _Arrays(*(_unpacked(reader) for _ in range(4)))
    count = len(dtypes)
    order = numbers.take(count)
    derived = tuple(numbers.varint(count) for _ in range(numbers.varint(count + 1)))
    if sorted(order) != list(range(count)) or len(set(derived)) != len(derived):
        raise FormatError(f"{reader.what} is damaged: its order names a column twice")
    try:
        starts, shares = Lattice.starts(lattices, count), _shares(numbers.numbers, numbers.position, count)
    except IndexError as error:
        raise FormatError(f"{reader.what} is damaged: it lacks columns") from error
    pointer = numbers.at(shares.end).varint(count) if shares.end < len(numbers.numbers) else None
    found = _read_relations(ByteReader(relations, reader.what), count)
    _check_relations(found, derived)
    networks = NetworkReader(reader.rest(), FEATURES)
    places = _Places({column: place for place, column in enumerate(order)}, pointer)
    coded = _CodedColumns(numbers, shares, arrays, networks, places)
    pieces = [lattices[start:stop] for start, stop in pairwise(starts)]
    return TablePlan(StoredColumns(pieces, dtypes, coded, found), order, derived, pointer)


def _unsqueezed(reader: ByteReader) -> bytes:
    part = ByteReader(reader.sized(), reader.what)
    length = part.varint(_MOST_WORDS)
    return unsqueeze(part.rest(), length)


def _unpacked(reader: ByteReader) -> np.ndarray:
    part = ByteReader(reader.sized(), reader.what)
    count = part.varint(_MOST_WORDS)
    return unpack_integers(part.rest(), count)


class _Related(NamedTuple):
    """From which columns one follows."""

    relation: Relation | None = None
    steps: Steps | None = None
    own_steps: OwnSteps | None = None

    @property
    def parents(self) -> tuple[int, ...]:
        """Return these columns."""
        if self.own_steps is not None:
            return self.own_steps.parents
        return () if self.relation is None else self.relation.parents


_UNRELATED = _Related()


def _read_relations(stored: ByteReader, count: int) -> dict[int, _Related]:
    """Return what columns follow from, of those that follow from any."""
    found: dict[int, _Related] = {}
    if stored.left >= count and not any(stored.data):
        return found
    for number in range(count):
        if kind := stored.varint(1 + OWN_STEPS):
            found[number] = _read_relation(stored, kind, count)
    return found


def _read_relation(stored: ByteReader, kind: int, count: int) -> _Related:
    if kind == OWN_STEPS:
        return _Related(own_steps=read_own_steps(stored, count))
    (step,) = struct.unpack("<d", stored.take(8))
    name = stored.sized().decode("utf-8", "replace")
    parents = tuple(stored.varint(count) for _ in range(stored.varint(65)))
    length = stored.varint(65)
    if name == LINEAR:
        constants = tuple(unzigzag(stored.varint(2**16)) / 4 for _ in range(length))
    else:
        constants = struct.unpack(f"<{length}d", stored.take(8 * length))
    if not (np.isfinite(step) and step > 0) or (name == LINEAR and length != len(parents)) or not parents:
        raise FormatError(f"{stored.what} is damaged: a relation makes no sense")
    return _Related(Relation(name, parents, constants), Steps(STEP_KINDS[kind - 1], step))


def _check_relations(relations: Mapping[int, _Related], derived: Sequence[int]) -> None:
    """Raise FormatError if a column follows from one that is restored after it."""
    ready: set[int] = set()
    for number in derived:
        if number not in relations or any(p in relations and p not in ready for p in relations[number].parents):
            raise FormatError(f"{_WHAT} is damaged: its relations are out of order")
        ready.add(number)
    if ready != relations.keys():
        raise FormatError(f"{_WHAT} is damaged: a relation is missing from its order")


class _Shares(NamedTuple):
    """Where in what all columns share the part of each begins.

    Attributes
    ----------
    numbers, knots, words, weights
        Of each column, in the numbers and in the long arrays.
    networks
        The columns that have one.
    end
        Behind the numbers of the last column.
    """

    numbers: list[int]
    knots: list[int]
    words: list[int]
    weights: list[int]
    networks: list[int]
    end: int


def _shares(numbers: Sequence[int], place: int, count: int) -> _Shares:
    """Return where the columns begin, the first at a place of the numbers; IndexError if these end before."""
    starts, knots, words, looked_at, networks = [], [], [], [], list[int]()
    for column in range(count):
        starts.append(place)
        words.append(numbers[place + 3])
        bins, looked = numbers[place + 4], 0
        place += _BEFORE_MIXED
        if bins:
            place += 3 + numbers[place + 2]  # after references, depth and parents
            looked = numbers[place]
            place += 1 + looked
            if numbers[place]:
                networks.append(column)
                place += 1 + numbers[place + 1]
            place += 1
        knots.append(bins)
        looked_at.append(looked)
    begin = [list(accumulate(sizes, initial=0)) for sizes in (knots, words, looked_at)]
    return _Shares(starts, begin[0], begin[1], [FEATURES * start for start in begin[2]], networks, place)


class _Arrays:
    """Long arrays that columns take their parts from; impossible numbers are refused in all columns at once."""

    def __init__(self, knots: np.ndarray, levels: np.ndarray, words: np.ndarray, weights: np.ndarray) -> None:
        self._wide = bool((knots > _NARROW).any())
        if not ((knots > 0).all() and (levels >= 0).all() and (levels < LEVELS).all()):
            raise FormatError(f"{_WHAT} is damaged: its bins make no sense")
        self._knots, self._levels, self._words, self._weights = knots, levels.astype(np.uint8), words, weights

    def predictor(self, start: int, columns: tuple[int, ...]) -> Predictor | None:
        """Return a predictor that looks at these columns; None if it looks at none."""
        if not columns:
            return None
        size = len(columns) * FEATURES
        found = self._weights[start : start + size]
        if len(found) != size or (np.abs(found) > 127).any():
            raise FormatError(f"{_WHAT} is damaged: weights are missing")
        return Predictor(columns, found.astype(np.int8).reshape(-1, FEATURES))

    def marginal(self, start: int, bins: int, low: int, high: int) -> Marginal:
        gaps, levels = self._knots[start : start + bins], self._levels[start : start + bins]
        edges = np.empty(len(gaps) + 1, np.int64)
        edges[0] = low - 1
        np.cumsum(gaps, out=edges[1:])
        edges[1:] += low - 1
        # compared, not subtracted: sums of wide gaps may wrap around
        ascending = not self._wide or bool((edges[1:] > edges[:-1]).all())
        if not ascending or len(gaps) != bins or len(levels) != bins or int(edges[-1]) != high + 1:
            raise FormatError(f"{_WHAT} is damaged: its bins make no sense")
        return Marginal(edges, levels)

    def dictionary(self, start: int, length: int) -> np.ndarray:
        if not length:
            return np.zeros(0, np.int64)
        found = np.cumsum(self._words[start : start + length], dtype=np.int64)
        if len(found) != length or (found[1:] <= found[:-1]).any():
            raise FormatError(f"{_WHAT} is damaged: a dictionary is out of order")
        return found


class _Mixed(NamedTuple):
    """How the symbols of a column are mixed, as it is stored: columns looked at have neither weights nor networks yet."""

    references: int = 0
    packed: bool = True
    inner: int = 0
    parents: tuple[int, ...] = ()
    looked: tuple[int, ...] = ()
    width: int = 0
    seen: tuple[int, ...] = ()
    contexts: int = 0

    @classmethod
    def read(cls, numbers: StoredNumbers, count: int) -> _Mixed:
        """Read what stands next."""
        contexts, flags = divmod(numbers.varint((2 << len(REFERENCES)) * (MOST_CONTEXTS + 1)), 2 << len(REFERENCES))
        references, packed = divmod(flags, 2)
        inner = numbers.varint(9)
        parents = tuple(numbers.varint(sources(count)) for _ in range(numbers.varint(9)))
        looked = tuple(numbers.varint(count) for _ in range(numbers.varint(count + 1)))
        width, seen = numbers.varint(MOST_WIDE + 1), tuple[int, ...]()
        if width:
            seen = tuple(numbers.varint(count) for _ in range(numbers.varint(MOST_COLUMNS + 1)))
            if not seen:
                raise FormatError(f"{numbers.what} is damaged: a network looks at nothing")
        return cls(references, bool(packed), inner, parents, looked, width, seen, contexts)


_UNMIXED = _Mixed()


class _Places(NamedTuple):
    """The place of each column in the order of coding, and the column that points."""

    place: Mapping[int, int]
    pointer: int | None

    def check(self, number: int, mixed: _Mixed) -> None:
        """Raise FormatError if a column is told by one that is decoded after it."""
        place = self.place
        if not (mixed.parents or mixed.looked or mixed.seen or mixed.references):
            return
        used = [ColumnSource.of(parent, len(place)) for parent in mixed.parents]
        told = [s.column for s in used if not s.of_event and not (s.column == number and s.place != HERE)]
        if any(place[column] >= place[number] for column in (*told, *mixed.looked, *mixed.seen)):
            raise FormatError(f"{_WHAT} is damaged: a column is told by later ones")
        pointed = any(s.place == POINTED for s in used) or mixed.references >> REFERENCES.index(POINTED) & 1
        if pointed and (self.pointer is None or place[self.pointer] >= place[number]):
            raise FormatError(f"{_WHAT} is damaged: a column looks where nothing points yet")


class _CodedColumns:
    """How the columns of a plan are coded, each by itself; networks, whose counters they share, all at once."""

    def __init__(
        self, numbers: StoredNumbers, shares: _Shares, arrays: _Arrays, networks: NetworkReader, places: _Places
    ) -> None:
        self._numbers, self._shares, self._arrays, self._places = numbers, shares, arrays, places
        self._reader, self._lock = networks, Lock()
        self._networks: dict[int, Network] = {}

    def column(self, number: int, lattice: Lattice, related: _Related) -> ColumnPlan:
        """Return the plan of a column."""
        numbers, shares, arrays = self._numbers.at(self._shares.numbers[number]), self._shares, self._arrays
        kind = KINDS[numbers.varint(len(KINDS))]
        low = unzigzag(numbers.varint(2**64))
        high = low + numbers.varint(2**64)
        # so that loops can take the difference of any two symbols, and edges of bins are in 64 bits
        if not -LARGEST < low <= high < LARGEST:
            raise FormatError(f"{numbers.what} is damaged: symbols from {low} to {high}")
        words = numbers.varint(_MOST_WORDS)
        bins = numbers.varint(_MOST_KNOTS)
        mixed = _Mixed.read(numbers, len(self._places.place)) if bins else _UNMIXED
        if bins << mixed.inner > _MOST_DECISIONS:
            raise FormatError(f"{numbers.what} is damaged: {bins} bins are halved {mixed.inner} times")
        if (kind == "dictionary") != (words > 0) or (words and (low, high) != (0, words - 1)):
            raise FormatError(f"{numbers.what} is damaged: a dictionary does not fit its symbols")
        self._places.check(number, mixed)
        symbols = SymbolMap(kind, low, high, arrays.dictionary(shares.words[number], words))
        return ColumnPlan(
            lattice,
            symbols,
            arrays.marginal(shares.knots[number], bins, low, high) if bins else None,
            mixed.parents,
            mixed.inner,
            mixed.packed,
            arrays.predictor(shares.weights[number], mixed.looked),
            self._network(number) if mixed.width else None,
            related.relation,
            related.steps,
            tuple(place for k, place in enumerate(REFERENCES) if mixed.references >> k & 1),
            related.own_steps,
            mixed.contexts,
        )

    def _network(self, number: int) -> Network:
        """Return the network of a column; those before it are read first."""
        with self._lock:
            for column in self._shares.networks[len(self._networks) :]:
                if number in self._networks:
                    break
                numbers = self._numbers.at(self._shares.numbers[column] + _BEFORE_MIXED)
                mixed = _Mixed.read(numbers, len(self._places.place))
                self._networks[column] = self._reader.network(mixed.seen, mixed.width)
            return self._networks[number]


class StoredColumns(Sequence[ColumnPlan]):
    """The plans of columns, each read when it is asked for first; several threads may ask.

    Parameters
    ----------
    lattices
        The bytes of each column's.
    """

    def __init__(
        self,
        lattices: Sequence[bytes],
        dtypes: Sequence[str],
        coded: _CodedColumns,
        relations: Mapping[int, _Related],
    ) -> None:
        self._lattices, self._dtypes, self._coded, self._relations = lattices, dtypes, coded, relations
        self._made: dict[int, ColumnPlan] = {}

    def __len__(self) -> int:
        return len(self._lattices)

    @overload
    def __getitem__(self, number: int) -> ColumnPlan: ...

    @overload
    def __getitem__(self, number: slice) -> tuple[ColumnPlan, ...]: ...

    def __getitem__(self, number: int | slice) -> ColumnPlan | tuple[ColumnPlan, ...]:
        if isinstance(number, slice):
            return tuple(self[one] for one in range(*number.indices(len(self))))
        if (made := self._made.get(number)) is not None:
            return made
        number = range(len(self))[number]
        found = self._made.get(number)
        if found is None:
            stored = ByteReader(self._lattices[number], _WHAT)
            lattice = Lattice.read(stored, self._dtypes[number])
            if stored.left:
                raise FormatError(f"{_WHAT} is damaged: a lattice is followed by more")
            related = self._relations.get(number, _UNRELATED)
            found = self._made[number] = self._coded.column(number, lattice, related)
        return found

    def __reduce__(self) -> tuple[type[tuple[ColumnPlan, ...]], tuple[tuple[ColumnPlan, ...]]]:
        """Send all columns to another process, whose threads share no lock with those here."""
        return tuple, (tuple(self),)
