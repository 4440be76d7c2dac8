"""Locate rows of a jagged table in their events, and the rows of the same event that come before."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from baler_core.machine.cached import cached_property
from baler_core.machine.records import dataclass

HERE, BEFORE, IN_EVENT, SECOND, FIRST = range(5)
"""Where a source of knowledge stands: in the row itself; in the row before, of whatever event; in the row before of the
same event; in the one before that; in the first row of the event."""
PLACES = 5
POINTED = 6
"""In the earlier row of the same event that a pointer column names."""
_OF_EVENT = 2
POSITION, SIZE = range(_OF_EVENT)
"""What an event itself contributes to the context of a row: how many rows of the event come before it, and how many there are in all."""


@dataclass(frozen=True)
class Events:
    """How rows are cut into events.

    Attributes
    ----------
    lengths
        int64, rows of each event, in order.
    """

    lengths: np.ndarray

    @cached_property
    def borders(self) -> np.ndarray:
        """int64 (events + 1,): the row at which each event begins, and the number of rows."""
        return np.concatenate([[0], np.cumsum(self.lengths)]).astype(np.int64)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.borders[-1])

    @cached_property
    def position(self) -> np.ndarray:
        """int64 (rows,): rows of the same event that come before."""
        return np.arange(self.rows) - np.repeat(self.borders[:-1], self.lengths)

    @cached_property
    def size(self) -> np.ndarray:
        """int64 (rows,): rows of the event."""
        return np.repeat(self.lengths, self.lengths)

    def rows_at(self, place: int) -> np.ndarray:
        """Return for each row the row at BEFORE, IN_EVENT, SECOND or FIRST, -1 where there is none: int64."""
        rows = np.arange(self.rows)
        if place == BEFORE:
            return rows - 1
        back = {IN_EVENT: 1, SECOND: 2}.get(place, self.position)
        return np.where(self.position >= np.maximum(back, 1), rows - back, -1)

    def earlier(self, numbers: np.ndarray) -> np.ndarray:
        """For each row the row of that number (int64, from 0) in its event, -1 where that is not before it: int64."""
        there = (numbers >= 0) & (numbers < self.position)
        return np.where(there, np.arange(self.rows) - self.position + numbers, -1)

    def part(self, rows: slice) -> Events:
        """The same of neighbouring rows; an event cut by the borders of the slice counts as far as it lies inside."""
        first = np.searchsorted(self.borders, rows.start, side="right") - 1
        last = np.searchsorted(self.borders, rows.stop) + 1
        return Events(np.diff(np.clip(self.borders[first:last], rows.start, rows.stop)))


class ColumnSource(NamedTuple):
    """Where knowledge of a row comes from: a column in this or an earlier row, or the event itself.

    Attributes
    ----------
    place
        HERE, BEFORE, IN_EVENT, SECOND, FIRST or POINTED; PLACES for the event itself.
    column
        Column number; POSITION or SIZE of the event.
    """

    place: int
    column: int

    @classmethod
    def of(cls, number: int, columns: int) -> ColumnSource:
        """Return the source of a number among those of a table with so many columns."""
        if number < PLACES * columns:
            return cls(*divmod(number, columns))
        rest = number - PLACES * columns - _OF_EVENT
        return cls(PLACES, rest + _OF_EVENT) if rest < 0 else cls(POINTED, rest)

    @property
    def of_event(self) -> bool:
        """Whether it is no column."""
        return self.place == PLACES

    def number(self, columns: int) -> int:
        """Invert `of`: below columns the columns themselves, then the same of the row before, and so on."""
        beyond = _OF_EVENT - columns if self.place == POINTED else 0
        return self.place * columns + self.column + beyond


def sources(columns: int) -> int:
    """Return how many sources a table with so many columns has."""
    return PLACES * columns + _OF_EVENT + columns
