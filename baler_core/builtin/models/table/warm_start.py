"""Warm up counters with rows of the table that was learned from, before those of another file are coded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from baler_core.builtin.models.table.plan import TablePlan
from baler_core.errors import FormatError
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
    """

    symbols: tuple[np.ndarray, ...] = ()

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.symbols[0]) if self.symbols else 0

    def of(self, column: int) -> np.ndarray:
        """Return symbols of a column."""
        return self.symbols[column] if self.symbols else np.zeros(0, np.int64)

    def where_it_pays(self, rows: int) -> WarmStart:
        """Return itself, or none before so many rows."""
        return self if rows <= _WORTH * self.rows else WarmStart()

    def to_state(self) -> State:
        """Return arrays by name."""
        return {f"primer {number}": symbols for number, symbols in enumerate(self.symbols)}


def chosen_rows(count: int) -> np.ndarray:
    """Return which rows of a sample of `count` make the warm start: evenly spaced pieces of neighbouring rows."""
    pieces = max(1, -(-count // _PIECE))
    taken = np.unique(np.linspace(0, pieces - 1, min(pieces, MOST_ROWS // _PIECE)).astype(np.int64))
    rows = (taken[:, None] * _PIECE + np.arange(_PIECE)).ravel()
    return rows[rows < count]


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
    return WarmStart(symbols)
