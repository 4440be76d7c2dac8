"""Restore one block of a table, or some columns and rows of it: the symbols of each column in the planned order, then values."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, SupportsBytes

import numpy as np

from baler_core.builtin.models.table.blocks import (
    APART,
    CONSTANT,
    MIXED,
    PACKED,
    BlockContext,
    Stored,
    checksum_of,
    symbols_after,
)
from baler_core.builtin.models.table.coded_columns import CodedColumns
from baler_core.builtin.models.table.columns import to_values
from baler_core.builtin.models.table.contexts.symbols import Symbols
from baler_core.builtin.models.table.events import POINTED, ColumnSource, Events
from baler_core.builtin.models.table.plan import ColumnPlan, TablePlan
from baler_core.builtin.models.table.streams import decode_symbols
from baler_core.entropy.integers import unpack_integers
from baler_core.entropy.leading import tells_its_length, unpack_leading
from baler_core.entropy.varint import ByteReader
from baler_core.errors import FormatError
from baler_core.format.ranged import RangeReader
from baler_core.quantise.lattice import Lattice

_NONE = np.zeros(0, np.int64)
_FEW_COLUMNS = 0.25
"""From this share of the columns on, a row block is read in one go."""
_MANY_WHOLE = 0.5
"""Where more than this share of the columns must be decoded to their ends, all of them are."""


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


def decode_block(
    data: SupportsBytes,
    rows: int,
    dtypes: Sequence[str],
    context: BlockContext,
    wanted: Collection[int] | None = None,
    part: slice | None = None,
) -> dict[int, np.ndarray]:
    """Decode the restored columns.

    Parameters
    ----------
    dtypes
        Of all columns of the plan; empty for one that this table lacks.
    wanted
        The columns to restore; others are decoded as far as these follow from them. None restores all, and compares
        the checksum of all.
    part
        With `wanted`, the rows to restore, from a start to a stop; None for all.

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
    inside = slice(0, rows) if part is None or wanted is None else part
    last = rows if inside.stop >= rows else _last_row(inside.stop, rows, context.events)
    whole = stored.keys() if last >= rows else _decoded_whole(stored, context)
    symbols = _read_symbols({number: stored[number] for number in whole}, (rows, rows), dtypes, context)
    if len(whole) < len(stored):
        symbols = _read_symbols(stored, (rows, last), dtypes, context, symbols)
    else:
        last = rows
    if wanted is None and checksum_of(symbols.values()) != checksum:
        raise FormatError("a block of a table is damaged: the checksum of its restored integers is wrong")
    return _restored(symbols, stored, (rows, last), dtypes, context, restored, inside)


def _last_row(most: int, rows: int, events: Events | None) -> int:
    """Return how many rows to decode to have so many, whole events."""
    if events is None:
        return min(most, rows)
    borders = events.borders
    return int(borders[min(int(np.searchsorted(borders, most)), len(borders) - 1)])


def _decoded_whole(stored: Mapping[int, Stored], context: BlockContext) -> Collection[int]:
    """Return the columns that cannot be decoded up to a row: contexts count values of all rows, escapes want their number."""
    plan = context.plan
    mixed = context.contexts > 1 or any(plan.columns[number].contexts > 1 for number in stored)
    if mixed or context.warm_start.rows or plan.flow is not None:
        return stored.keys()
    own = [n for n, one in stored.items() if len(data := bytes(one.escapes)) and not tells_its_length(data)]
    found = columns_decoded(plan, own) & stored.keys()
    return found if len(found) <= _MANY_WHOLE * len(stored) else stored.keys()


def _read_symbols(
    stored: Mapping[int, Stored],
    rows: tuple[int, int],
    dtypes: Sequence[str],
    context: BlockContext,
    whole: Mapping[int, Symbols] | None = None,
) -> dict[int, Symbols]:
    """Decode the columns that follow the plan, in its order, as each has earlier ones as contexts.

    Parameters
    ----------
    rows
        How many there are, and how many of the first to decode.
    whole
        Columns that were decoded to their ends before.
    """
    whole = {} if whole is None else whole
    symbols: dict[int, Symbols] = {}
    if rows[1] < rows[0]:
        context = context.part(slice(0, rows[1]))
    warm_start, coded_columns = context.begin(rows[1], len(dtypes))
    coded_columns.block_rows += rows[0] - rows[1]
    for number in (n for n in context.plan.order if n in stored or not dtypes[n]):
        column, known = context.plan.columns[number], warm_start.of(number)
        if number in whole:
            symbols[number] = whole[number].first(rows[1], column.symbols.low - 1)
        elif number in stored and stored[number].method != APART:
            decoding = Decoding(coded_columns, context.contexts, known, rows[0])
            symbols[number] = _read(number, stored[number], column, decoding)
        coded_columns.add(number, column, symbols_after(symbols.get(number), known))
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
    if len(restored) == len(plan.columns):
        return set(restored)
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
        alone = (plan.contexts or decoding.contexts) == 1
        context = coded_columns.first_parent(number, plan) if alone else coded_columns.context_of(number, plan)
        values = decode_symbols(bytes(stored.data), rows, plan, context, decoding.contexts, known)
    elif stored.method == PACKED:
        values = unpack_integers(bytes(stored.data), decoding.stored_rows)[:rows]
        # bins of values are places in arrays, for the loops that take this column as a context
        if values.size and not (plan.symbols.low - 1 <= values.min() and values.max() <= plan.symbols.high):
            raise FormatError("a column of a table holds a symbol beyond its range")
    else:
        values = np.full(rows, plan.symbols.low, np.int64)
    escaped = int(np.count_nonzero(values == plan.symbols.low - 1))
    if not escaped:
        return Symbols(values, _NONE)
    unpack = unpack_integers if rows == decoding.stored_rows else unpack_leading
    return Symbols(values, unpack(bytes(stored.escapes), escaped))


def _restored(
    symbols: Mapping[int, Symbols],
    stored: Mapping[int, Stored],
    rows: tuple[int, int],
    dtypes: Sequence[str],
    context: BlockContext,
    wanted: Collection[int],
    inside: slice,
) -> dict[int, np.ndarray]:
    """Restore some rows of columns; all that were decoded where others follow from them, as formulas take all in one go."""
    plan = context.plan
    restored: dict[int, np.ndarray] = {}
    derived = [number for number in plan.derived if number in wanted]
    related = {*derived, *(parent for number in derived for parent in plan.columns[number].derived_from)}
    for number in (*sorted(set(wanted).difference(derived)), *derived):
        own = slice(0, rows[1]) if number in related else inside
        if number in symbols:
            column = plan.columns[number]
            if not all(parent in restored for parent in column.derived_from):
                raise FormatError("a block of a table is damaged: a column follows from one that is not there")
            tolerance = None if column.own_steps is None else context.scales.of(number, restored)
            restored[number] = to_values(symbols[number], column, restored, tolerance, own)
        else:
            reader = ByteReader(bytes(stored[number].data), "a column of a table")
            lattice = Lattice.read(reader, dtypes[number])
            restored[number] = lattice.restore(unpack_integers(reader.rest(), rows[0])[own])
    return {number: values[inside] if number in related else values for number, values in restored.items()}
