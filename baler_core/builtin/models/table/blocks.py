"""Code one block of a table: each column's symbols in the planned order, with a checksum."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple, SupportsBytes

import numpy as np

from baler_core.builtin.models.table.coded_columns import CodedColumns
from baler_core.builtin.models.table.columns import coded
from baler_core.builtin.models.table.contexts.symbols import Symbols
from baler_core.builtin.models.table.events import Events
from baler_core.builtin.models.table.plan import ColumnPlan, TablePlan
from baler_core.builtin.models.table.relations.scales import NO_SCALES, Scales
from baler_core.builtin.models.table.streams import encode_symbols
from baler_core.builtin.models.table.warm_start import WarmStart
from baler_core.data.bounds import Tolerance
from baler_core.entropy.integers import pack_integers
from baler_core.entropy.varint import write_sized
from baler_core.machine.records import dataclass
from baler_core.quantise.lattice_fit import fit_lattice

COLD_START = WarmStart()
CONSTANT, MIXED, PACKED, APART = range(4)
"""How a column is stored in a block: its lowest symbol throughout, mixed, packed, or apart by a lattice of its own."""
_FEW, _WRONG = 2, 0.001
"""How many values may break the tolerance before a column is stored apart: a few, and a share of all."""
_LOOKED_AT = 1 << 13
"""Values of a long column that tell whether it follows the plan, where none of them breaks the tolerance."""


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
        coded_columns.add(number, own, symbols_after(symbols.get(number), warm_start.of(number)))
    checksum = checksum_of(symbols[number] for number in plan.order if number in symbols)
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
    return Stored(PACKED, pack_integers(symbols.values, thorough=contexts > 1), escapes)


def symbols_after(symbols: Symbols | None, known: np.ndarray) -> np.ndarray | None:
    """Return the symbols of a column after those of rows known before; None if it has none."""
    return None if symbols is None else np.concatenate([known, symbols.values])


def checksum_of(symbols: Iterable[Symbols]) -> int:
    """Return the checksum of the symbols of several columns."""
    found = 0
    for one in symbols:
        found = zlib.crc32(np.ascontiguousarray(one.values, "<i8").data, found)
    return found
