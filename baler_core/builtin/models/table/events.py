"""Rows of a jagged table by event: where each row stands in its event, and which rows of the same event come before it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np


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

    def part(self, rows: slice) -> Events:
        """The same of neighbouring rows; an event cut by the borders of the slice counts as far as it lies inside."""
        return Events(np.diff(np.clip(self.borders, rows.start, rows.stop)))
