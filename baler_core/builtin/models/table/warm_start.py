"""Warm up counters with rows of the table that was learned from, before those of another file are coded."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from baler_core.builtin.models.table.events import Events
from baler_core.builtin.models.table.plan import TablePlan
from baler_core.errors import FormatError
from baler_core.machine.records import dataclass
from baler_core.plugin.interfaces import State

MOST_ROWS = 1 << 13
_PIECE = 1 << 9
"""Rows that are kept at most, in pieces of so many neighbours."""
_WORTH = 8
"""Row blocks longer than this many times the warm start learn enough by themselves."""


@dataclass(frozen=True)
class WarmStart:
    """Symbols of some rows.

    Attributes
    ----------
    symbols
        int64 (rows,) for each column; empty if there are none.
    lengths
        int64: the rows of each of their events; None in tables without events.
    """

    symbols: tuple[np.ndarray, ...] = ()
    lengths: np.ndarray | None = None

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.symbols[0]) if self.symbols else 0

    def of(self, column: int) -> np.ndarray:
        """Return symbols of a column."""
        return self.symbols[column] if self.symbols else np.zeros(0, np.int64)

    def where_it_pays(self, rows: int, events: Events | None) -> WarmStart:
        """Return itself, or none before so many rows, or rows that have events where these have none."""
        alike = (events is None) == (self.lengths is None)
        return self if alike and rows <= _WORTH * self.rows else WarmStart()

    def and_then(self, events: Events | None) -> Events | None:
        """Return the events of these rows and of those that follow."""
        if events is None or self.lengths is None:
            return events
        return Events(np.concatenate([self.lengths, events.lengths]))

    def to_state(self) -> State:
        """Return arrays by name."""
        events = {} if self.lengths is None or not self.symbols else {"primer events": self.lengths}
        return {f"primer {number}": symbols for number, symbols in enumerate(self.symbols)} | events


def chosen_pieces(count: int) -> list[slice]:
    """Return which rows of a sample of `count` make the warm start: evenly spaced pieces of neighbouring rows."""
    pieces = max(1, -(-count // _PIECE))
    taken = np.unique(np.linspace(0, pieces - 1, min(pieces, MOST_ROWS // _PIECE)).astype(np.int64))
    return [slice(piece * _PIECE, min(count, (piece + 1) * _PIECE)) for piece in taken.tolist()]


def read_warm_start(state: State, plan: TablePlan) -> WarmStart:
    """Read rows from the arrays of a model file; none if it has none.

    Raises
    ------
    FormatError
        If they do not fit the plan.
    """
    found: Sequence[np.ndarray | None] = [state.get(f"primer {number}") for number in range(len(plan.columns))]
    symbols = tuple(array for array in found if array is not None)
    if not symbols:
        return WarmStart()
    if len(symbols) != len(found) or len({array.shape for array in symbols}) != 1 or symbols[0].ndim != 1:
        raise FormatError("the rows that prime a table are damaged")
    for array, column in zip(symbols, plan.columns, strict=True):
        low, high = column.symbols.low - 1, column.symbols.high
        if array.dtype != np.int64 or (array.size and not (low <= array.min() and array.max() <= high)):
            raise FormatError("the rows that prime a table are damaged: a symbol is out of its range")
    return WarmStart(symbols, _read_lengths(state.get("primer events"), len(symbols[0])))


def _read_lengths(lengths: np.ndarray | None, rows: int) -> np.ndarray | None:
    if lengths is None:
        return None
    if (
        lengths.dtype != np.int64
        or lengths.ndim != 1
        or (lengths.size and not (0 <= lengths.min() <= lengths.max() <= rows))
    ):
        raise FormatError("the rows that prime a table are damaged: their events are")
    if int(lengths.sum()) != rows:
        raise FormatError("the rows that prime a table are damaged: their events have other rows")
    return lengths
