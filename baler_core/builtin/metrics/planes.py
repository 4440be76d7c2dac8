"""The base of metrics of fields and images: planes over the last two dimensions, whole whatever blocks they come in."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import Field

from baler_core.data.block import Block, values_of
from baler_core.data.comparison import is_measured, measured
from baler_core.data.patterns import matching_names
from baler_core.data.variables import Variable
from baler_core.plugin.interfaces import Metric, Options

SMALLEST = 11
"""Planes with fewer rows or columns are left out: vectors in the rows of a table, thin strips."""


class PlaneOptions(Options):
    """Which fields."""

    variables: tuple[str, ...] = Field(default=("*",), description="Patterns of the variables to take.")
    planes: int = Field(default=1000, ge=1, description="At most so many planes of a variable, the first ones.")


class PlaneMetric(Metric):
    """Compares planes of real numbers: float64, physical units, NaN where there is nothing.

    A variable of two dimensions is one plane, and waits until all its rows have come; those of three and more come in
    blocks of whole planes.
    """

    Options = PlaneOptions
    options: PlaneOptions

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._rows: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
        self._taken: dict[str, int] = {}

    @abstractmethod
    def take(self, name: str, before: np.ndarray, after: np.ndarray) -> None:
        """Take in one plane of each."""

    def update(self, original: Block, restored: Block, variables: Mapping[str, Variable]) -> None:
        """Take in one block of each."""
        for name in matching_names(self.options.variables, [str(key) for key in original.variables]):
            variable = variables[name]
            if not is_measured(variable) or len(variable.dims) < 2:
                continue
            pair = [_shown(values_of(block, name), variable) for block in (original, restored)]
            if len(variable.dims) == 2:
                self._rows.setdefault(name, []).append((pair[0], pair[1]))
                continue
            planes = (values.reshape(-1, *values.shape[-2:]) for values in pair)
            for before, after in zip(*planes, strict=True):
                self._one(name, before, after)

    def finish(self) -> None:
        """Take in the planes that came in rows."""
        for name, rows in self._rows.items():
            before, after = (np.concatenate(parts) for parts in zip(*rows, strict=True))
            self._one(name, before, after)
        self._rows = {}

    def _one(self, name: str, before: np.ndarray, after: np.ndarray) -> None:
        taken = self._taken.get(name, 0)
        if min(before.shape) >= SMALLEST and taken < self.options.planes and np.isfinite(before).any():
            self._taken[name] = taken + 1
            self.take(name, before, after)


def _shown(values: np.ndarray, variable: Variable) -> np.ndarray:
    """Physical values, NaN where there is nothing."""
    with np.errstate(all="ignore"):
        physical = values.astype(np.float64) * variable.scale + variable.offset
    return np.where(measured(variable, values), physical, np.nan)
