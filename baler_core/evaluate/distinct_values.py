"""Gather the distinct values of many blocks, in time that grows with the blocks and not with what was gathered before."""

from __future__ import annotations

from dataclasses import field

import numpy as np

from baler_core.machine.records import dataclass


@dataclass
class DistinctValues:
    """Sorted distinct values, and those of later blocks until they are as many."""

    _gathered: list[np.ndarray] = field(default_factory=list)
    _waiting: int = 0

    def add(self, values: np.ndarray) -> None:
        """Take in values of any shape."""
        self._gathered.append(np.unique(values))
        self._waiting += self._gathered[-1].size
        if self._waiting > 2 * self._gathered[0].size:
            self._join()

    def count(self) -> int:
        """Count the distinct values so far."""
        self._join()
        return self._gathered[0].size if self._gathered else 0

    @property
    def at_least(self) -> int:
        """A number of values known to be distinct."""
        return self._gathered[0].size if self._gathered else 0

    def _join(self) -> None:
        if len(self._gathered) > 1:
            self._gathered = [np.unique(np.concatenate(self._gathered))]
        self._waiting = self.at_least
