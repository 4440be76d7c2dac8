"""Code one block of a table: each column's symbols in the planned order, with a checksum, and back."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, SupportsBytes

import numpy as np

from baler_core.builtin.models.table.coded_columns import CodedColumns
from baler_core.builtin.models.table.columns import coded, to_values
from baler_core.builtin.models.table.contexts.symbols import Symbols
from baler_core.builtin.models.table.events import POINTED, ColumnSource, Events
from baler_core.builtin.models.table.plan import ColumnPlan, TablePlan
from baler_core.builtin.models.table.relations.scales import NO_SCALES, Scales
from baler_core.builtin.models.table.streams import decode_symbols, encode_symbols
from baler_core.builtin.models.table.warm_start import WarmStart
from baler_core.data.bounds import Tolerance
from baler_core.entropy.integers import pack_integers, unpack_integers
from baler_core.entropy.varint import ByteReader, write_sized
from baler_core.errors import FormatError
from baler_core.format.ranged import RangeReader
from baler_core.machine.records import dataclass
from baler_core.quantise.lattice import Lattice
from baler_core.quantise.lattice_fit import fit_lattice

COLD_START = WarmStart()
CONSTANT, MIXED, PACKED, APART = range(4)
"""How a column is stored in a block: its lowest symbol throughout, mixed, packed, or apart by a lattice of its own."""
_FEW, _WRONG = 2, 0.001
"""How many values may break the tolerance before a column is stored apart: a few, and a share of all."""
_LOOKED_AT = 1 << 13
"""Values of a long column that tell whether it follows the plan, where none of them breaks the tolerance."""
_FEW_COLUMNS = 0.25
"""From this share of the columns on, a row block is read in one go."""


class Stored(NamedTuple):
    """One column in a block.

    Attributes
    ----------
    method
        CONSTANT, MIXED, PACKED or APART.
    data, escapes
        Bytes of the symbols, and of the escapes.
    """

    method: int
    data: SupportsBytes
    escapes: SupportsBytes = b""


_LACKING = Stored(CONSTANT, b"")


@dataclass(frozen=True)
class BlockContext:
    """What encoder and decoder of a row block both know.

    Attributes
    ----------
    contexts
        The effort of mixing.
    events, scales
        Of the rows.
    warm_start
        Rows whose symbols come before those of the block.
    """

    plan: TablePlan
    contexts: int
    events: Events | None = None
    warm_start: WarmStart = COLD_START
    scales: Scales = NO_SCALES

    def part(self, rows: slice) -> BlockContext:
        """Return the same for some of the rows."""
        events = None if self.events is None else self.events.part(rows)
        return replace(self, events=events, scales=self.scales.part(rows))

    def begin(self, rows: int, columns: int) -> tuple[WarmStart, CodedColumns]:
        """Return the rows to start with, if any, and the columns coded so far: none."""
        warm_start = self.warm_start.where_it_pays(rows, self.events)
        events = warm_start.and_then(self.events)
        return warm_start, CodedColumns(warm_start.rows + rows, columns, events, self.plan.pointer, self.plan.flow)


class Decoding(NamedTuple):
    """What a column of a block is decoded with.

    Attributes
    ----------
    columns
        Those before it.
    contexts
        The effort of mixing.
    known
        Symbols of rows before those of the block.
    stored_rows
        How many rows the block has; of the first ones, `columns` tell how many are decoded.
    """

    columns: CodedColumns
    contexts: int
    known: np.ndarray
    stored_rows: int


def encode_block(values: Sequence[np.ndarray | None], tolerances: Sequence[Tolerance], context: BlockContext) -> bytes:
    """Write the columns of a block (1-D arrays of equal length; None for one that this table lacks) as bytes."""
    plan = context.plan
    rows = next(len(column) for column in values if column is not None)
    symbols, stored = all_symbols(values, tolerances, plan, context.scales)
    warm_start, coded_columns = context.begin(rows, len(values))
    for number in plan.order:
        own = plan.columns[number]
        if number in symbols:
            known = warm_start.of(number)
            stored[number] = _store(number, symbols[number], own, coded_columns, context.contexts, known)
        coded_columns.add(number, own, _values(symbols.get(number), warm_start.of(number)))
    checksum = _checksum(symbols[number] for number in plan.order if number in symbols)
    columns = [stored.get(number, _LACKING) for number in range(len(values))]
    head = [c.method + 4 * bool(bytes(c.escapes)) for c in columns]
    sizes = []
    for column in columns:
        sizes += [len(bytes(column.data))] if column.method != CONSTANT else []
        sizes += [len(bytes(column.escapes))] if bytes(column.escapes) else []
    body = write_sized(pack_integers(np.array(head, np.int64))) + write_sized(pack_integers(np.array(sizes, np.int64)))
    return checksum.to_bytes(4, "little") + body + b"".join(bytes(c.data) + bytes(c.escapes) for c in columns)


def all_symbols(
    values: Sequence[np.ndarray | None], tolerances: Sequence[Tolerance], plan: TablePlan, scales: Scales = NO_SCALES
) -> tuple[dict[int, Symbols], dict[int, Stored]]:
    """Return symbols of the columns that follow the plan, and the others as they are stored; nothing of those that lack."""
    symbols: dict[int, Symbols] = {}
    apart: dict[int, Stored] = {}
    restored: dict[int, np.ndarray] = {}
    for number in [*(j for j in range(len(values)) if j not in plan.derived), *plan.derived]:
        column, own = plan.columns[number], values[number]
        if own is None:
            continue
        if all(parent in restored for parent in column.derived_from):
            tolerance = tolerances[number] if column.own_steps is None else scales.of(number, restored)
            # what follows from nothing here is kept as if it had no error of its own
            tolerance = tolerance if column.own_steps is not None else tolerance.where_none
            found, restored[number] = coded(own, column, restored, tolerance)
            if _follows(own, restored[number], tolerance):
                symbols[number] = found
                continue
        lattice = fit_lattice(own, tolerances[number].where_none)
        codes = lattice.codes(own)
        apart[number] = Stored(APART, lattice.to_bytes() + pack_integers(codes))
        restored[number] = lattice.restore(codes)
    return symbols, apart


def _follows(values: np.ndarray, restored: np.ndarray, tolerance: Tolerance) -> bool:
    """Return whether all but a few values are restored within their tolerance; of long columns, some tell whether to count.

    All are compared once more, by the core, when they are decoded.
    """
    step = len(values) // _LOOKED_AT
    if step > 1 and tolerance.kind != "each" and not tolerance.violations(values[::step], restored[::step]).any():
        return True
    wrong = tolerance.violations(values, restored)
    return bool(wrong.sum() <= _FEW + _WRONG * len(wrong))


def _store(
    number: int, symbols: Symbols, plan: ColumnPlan, coded_columns: CodedColumns, contexts: int, known: np.ndarray
) -> Stored:
    escapes = pack_integers(symbols.escapes) if len(symbols.escapes) else b""
    if plan.marginal is not None and not plan.packed:
        context = coded_columns.context_of(number, plan)
        return Stored(MIXED, encode_symbols(symbols.values, plan, context, contexts, known), escapes)
    if len(symbols.values) and (symbols.values == plan.symbols.low).all():
        return Stored(CONSTANT, b"", escapes)
    return Stored(PACKED, pack_integers(symbols.values), escapes)


def _values(symbols: Symbols | None, known: np.ndarray) -> np.ndarray | None:
    return None if symbols is None else np.concatenate([known, symbols.values])


def _checksum(symbols: Iterable[Symbols]) -> int:
    found = 0
    for one in symbols:
        found = zlib.crc32(np.ascontiguousarray(one.values, "<i8").data, found)
    return found


def decode_block(
    data: SupportsBytes,
    rows: int,
    dtypes: Sequence[str],
    context: BlockContext,
    wanted: Collection[int] | None = None,
    most: int | None = None,
) -> dict[int, np.ndarray]:
    """Decode the restored columns.

    Parameters
    ----------
    dtypes
        Of all columns of the plan; empty for one that this table lacks.
    wanted
        The columns to restore; others are decoded as far as these follow from them. None restores all, and compares
        the checksum of all.
    most
        With `wanted`, so many of the first rows are restored, or some more; None for all.

    Raises
    ------
    FormatError
        If the bytes are damaged.
    """
    plan = context.plan
    there = {number for number, dtype in enumerate(dtypes) if dtype}
    restored = there if wanted is None else columns_restored(plan, wanted) & there
    decoded = restored if wanted is None else columns_decoded(plan, restored) & there
    few = len(decoded) < _FEW_COLUMNS * len(dtypes)
    reader = RangeReader(data if few else bytes(data), "a block of a table")
    checksum = int.from_bytes(reader.take(4), "little")
    stored = _read_columns(reader, len(dtypes), decoded)
    first = rows if most is None or wanted is None else _first_rows(stored, rows, most, context)
    symbols = _read_symbols(stored, (rows, first), dtypes, context)
    if wanted is None and _checksum(symbols.values()) != checksum:
        raise FormatError("a block of a table is damaged: the checksum of its restored integers is wrong")
    return _restored(symbols, stored, (rows, first), dtypes, context, restored)


def _first_rows(stored: Mapping[int, Stored], rows: int, most: int, context: BlockContext) -> int:
    """Return how many rows to decode to have so many, whole events; all where more contexts than one or escapes need them."""
    plan = context.plan
    mixed = context.contexts > 1 or any(plan.columns[number].contexts > 1 for number in stored)
    needed = mixed or context.warm_start.rows or plan.flow is not None
    if needed or any(bytes(one.escapes) for one in stored.values()):
        return rows
    if context.events is None:
        return min(most, rows)
    borders = context.events.borders
    return int(borders[min(int(np.searchsorted(borders, most)), len(borders) - 1)])


def _read_symbols(
    stored: Mapping[int, Stored], rows: tuple[int, int], dtypes: Sequence[str], context: BlockContext
) -> dict[int, Symbols]:
    """Decode the columns that follow the plan, in its order, as each has earlier ones as contexts.

    Parameters
    ----------
    rows
        How many there are, and how many of the first to decode.
    """
    symbols: dict[int, Symbols] = {}
    if rows[1] < rows[0]:
        context = context.part(slice(0, rows[1]))
    warm_start, coded_columns = context.begin(rows[1], len(dtypes))
    coded_columns.block_rows += rows[0] - rows[1]
    for number in (n for n in context.plan.order if n in stored or not dtypes[n]):
        column, known = context.plan.columns[number], warm_start.of(number)
        if number in stored and stored[number].method != APART:
            decoding = Decoding(coded_columns, context.contexts, known, rows[0])
            symbols[number] = _read(number, stored[number], column, decoding)
        coded_columns.add(number, column, _values(symbols.get(number), known))
    return symbols


def columns_restored(plan: TablePlan, wanted: Collection[int]) -> set[int]:
    """Return the columns whose values must be restored for some: these, and all that they are derived from."""
    found: set[int] = set()
    waiting = list(wanted)
    while waiting:
        number = waiting.pop()
        if number not in found:
            found.add(number)
            waiting += plan.columns[number].derived_from
    return found


def columns_decoded(plan: TablePlan, restored: Collection[int]) -> set[int]:
    """Return the columns whose symbols must be decoded to restore some: these, and all that their contexts look at."""
    found: set[int] = set()
    waiting = list(restored)
    while waiting:
        number = waiting.pop()
        if number not in found:
            found.add(number)
            waiting += _looked_at(plan, number)
    return found


def _looked_at(plan: TablePlan, number: int) -> set[int]:
    """Return the columns from whose symbols the contexts of a column are made."""
    column, count = plan.columns[number], len(plan.columns)
    sources = [ColumnSource.of(parent, count) for parent in column.parents]
    found = {source.column for source in sources if not source.of_event}
    found |= {*column.predictor.columns} if column.predictor is not None else set()
    found |= {*column.network.columns} if column.network is not None else set()
    found |= plan.flow.before(number) if plan.flow is not None else set()
    points = POINTED in column.references or any(source.place == POINTED for source in sources)
    return found | ({plan.pointer} if points and plan.pointer is not None else set())


def _read_columns(reader: RangeReader, count: int, wanted: Collection[int]) -> dict[int, Stored]:
    """Return how the wanted columns are stored, without reading their data."""
    head = unpack_integers(reader.sized(), count)
    if count and not (head.min() >= 0 and head.max() < 8):
        raise FormatError(f"{reader.what} is damaged: a column is stored in an unknown way")
    parts = np.stack([head & 3 != CONSTANT, head & 4 > 0], axis=1)
    lengths = np.zeros((count, 2), np.int64)
    lengths[parts] = unpack_integers(reader.sized(), int(parts.sum()))
    if count and not (lengths.min() >= 0 and lengths.sum(dtype=np.float64) <= reader.left):
        raise FormatError(f"{reader.what} is damaged: more bytes were announced than the {reader.left} that are left")
    starts = np.concatenate([[0], np.cumsum(lengths.ravel())])
    start = reader.position
    columns = {}
    for number in sorted(wanted):
        reader.position = start + int(starts[2 * number])
        data, escapes = (reader.part(length) for length in lengths[number].tolist())
        columns[number] = Stored(int(head[number]) & 3, data, escapes)
    return columns


def _read(number: int, stored: Stored, plan: ColumnPlan, decoding: Decoding) -> Symbols:
    known, coded_columns = decoding.known, decoding.columns
    rows = coded_columns.rows - len(known)
    if stored.method == MIXED:
        context = coded_columns.context_of(number, plan)
        values = decode_symbols(bytes(stored.data), rows, plan, context, decoding.contexts, known)
    elif stored.method == PACKED:
        values = unpack_integers(bytes(stored.data), decoding.stored_rows)[:rows]
        # bins of values are places in arrays, for the loops that take this column as a context
        if values.size and not (plan.symbols.low - 1 <= values.min() and values.max() <= plan.symbols.high):
            raise FormatError("a column of a table holds a symbol beyond its range")
    else:
        values = np.full(rows, plan.symbols.low, np.int64)
    escaped = int((values == plan.symbols.low - 1).sum())
    return Symbols(values, unpack_integers(bytes(stored.escapes), escaped) if escaped else np.zeros(0, np.int64))


def _restored(
    symbols: Mapping[int, Symbols],
    stored: Mapping[int, Stored],
    rows: tuple[int, int],
    dtypes: Sequence[str],
    context: BlockContext,
    wanted: Collection[int],
) -> dict[int, np.ndarray]:
    plan = context.plan
    restored: dict[int, np.ndarray] = {}
    derived = [number for number in plan.derived if number in wanted]
    for number in (*sorted(set(wanted).difference(derived)), *derived):
        if number in symbols:
            column = plan.columns[number]
            if not all(parent in restored for parent in column.derived_from):
                raise FormatError("a block of a table is damaged: a column follows from one that is not there")
            tolerance = None if column.own_steps is None else context.scales.of(number, restored)
            restored[number] = to_values(symbols[number], column, restored, tolerance)
        else:
            reader = ByteReader(bytes(stored[number].data), "a column of a table")
            lattice = Lattice.read(reader, dtypes[number])
            restored[number] = lattice.restore(unpack_integers(reader.rest(), rows[0])[: rows[1]])
    return restored
