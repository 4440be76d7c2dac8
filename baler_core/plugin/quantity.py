"""Define the class of derived quantities that formulas may call, and the arrays that they are computed from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, ClassVar

import numpy as np

from baler_core.data.variables import Variable
from baler_core.errors import ConfigError
from baler_core.machine.records import dataclass
from baler_core.plugin.interfaces import Component


@dataclass(frozen=True)
class Cells:
    """Values with the names of their dimensions.

    Attributes
    ----------
    values
        float64, any shape, in physical units; NaN where there is nothing.
    dims
        One name per axis. A quantity whose cells belong to no dimension of the file names its own, in parentheses
        (`(pairs)`).
    variable
        The variable that they are, if no formula has changed them.
    """

    values: np.ndarray
    dims: tuple[str, ...]
    variable: Variable | None = None


@dataclass(frozen=True)
class Around:
    """What a block tells beyond the values of a formula's variables; the same for original and restored values.

    Attributes
    ----------
    lengths
        int64, by jagged dimension: how many rows of it belong to each event.
    events
        By jagged dimension: the dimension of its events.
    coordinates
        float64, by dimension: its coordinates, where the file has them.
    axes
        By dimension: what it is (`time`, `x`, ...), where the file tells.
    """

    lengths: Mapping[str, np.ndarray] = field(default_factory=dict)
    events: Mapping[str, str] = field(default_factory=dict)
    coordinates: Mapping[str, np.ndarray] = field(default_factory=dict)
    axes: Mapping[str, str] = field(default_factory=dict)


class Quantity(Component, ABC):
    """A function that formulas under `derived` may call: `sum(Jet_pt)`, `ddx(u)`, `pair_mass(Muon)`.

    Nothing is learned, and nothing is kept from one call to the next.
    """

    least: ClassVar[int] = 1
    """How many arguments it takes, at least."""
    most: ClassVar[int | None] = 1
    """How many at most; None for any number."""
    takes_names: ClassVar[bool] = False
    """Whether its arguments are names, of collections say, which `variables` resolves, and not formulas."""

    def variables(self, names: Sequence[str], known: Sequence[Variable]) -> Sequence[str]:
        """Return the variables that names stand for, in the order in which `compute` gets them (if `takes_names`).

        Raises
        ------
        ConfigError
            If there are none: the message says what there is.
        """
        raise ConfigError(f"{self.name} takes formulas, not names")

    def plan(self, parts: Sequence[Cells], around: Around) -> Any:
        """Return what is fixed by the original values and stays the same for the restored ones: pairs, places, steps."""
        return None

    @abstractmethod
    def compute(self, parts: Sequence[Cells], plan: Any) -> Cells:
        """Return the quantity.

        Raises
        ------
        ConfigError
            If the arguments do not have the dimensions that it needs.
        """

    def depends(self, wrong: np.ndarray, parts: Sequence[Cells], plan: Any) -> Sequence[np.ndarray]:
        """Return, for each part, a boolean mask of the values that the cells in `wrong` depend on; all, by default.

        Parameters
        ----------
        wrong
            Boolean, of the shape of what `compute` returns; at least one is True.
        """
        return [np.ones(part.values.shape, bool) for part in parts]

    def reach(self, parts: Sequence[Cells], plan: Any) -> int:
        """Return how many rows before and after its own a cell needs, along the first dimension of the parts."""
        return 0

    def units(self, units: Sequence[str]) -> str:
        """Return units of the quantity from those of its parts; empty where they are not known."""
        return ""


def aligned(parts: Sequence[Cells]) -> tuple[list[np.ndarray], tuple[str, ...]]:
    """Return arrays that broadcast by the names of their dimensions, and these.

    Raises
    ------
    ConfigError
        If none of them has all dimensions that the others have.
    """
    largest = max(parts, key=lambda part: len(part.dims))
    for part in parts:
        if not set(part.dims) <= set(largest.dims):
            raise ConfigError(f"{_named(part)} and {_named(largest)} have other rows")
    return [_spread(part, largest.dims) for part in parts], largest.dims


def _named(part: Cells) -> str:
    what = repr(part.variable.name) if part.variable is not None else "a part of it"
    return f"{what} (along {', '.join(part.dims) or 'nothing'})"


def _spread(part: Cells, dims: tuple[str, ...]) -> np.ndarray:
    order = [part.dims.index(dim) for dim in dims if dim in part.dims]
    places = tuple(slice(None) if dim in part.dims else None for dim in dims)
    return np.asarray(part.values.transpose(order)[places])


def gathered(wrong: np.ndarray, parts: Sequence[Cells]) -> list[np.ndarray]:
    """Return the mask of each part from that of what `aligned` made of them, cell by cell."""
    dims = max((part.dims for part in parts), key=len)
    return [_gathered(wrong, dims, part) for part in parts]


def _gathered(wrong: np.ndarray, dims: tuple[str, ...], part: Cells) -> np.ndarray:
    lost = tuple(axis for axis, dim in enumerate(dims) if dim not in part.dims)
    left = [dim for dim in dims if dim in part.dims]
    return np.asarray(wrong.any(axis=lost) if lost else wrong).transpose([left.index(dim) for dim in part.dims])


class CellByCell(Quantity):
    """A quantity whose cells depend on one value of each part: `colour(g, r)`, `kinetic_energy(u, v)`."""

    @abstractmethod
    def apply(self, *values: np.ndarray) -> np.ndarray:
        """Return the quantity of float64 arrays that broadcast."""

    def compute(self, parts: Sequence[Cells], plan: Any) -> Cells:
        """Return the quantity of all cells."""
        arrays, dims = aligned(parts)
        return Cells(np.asarray(self.apply(*arrays), np.float64), dims)

    def depends(self, wrong: np.ndarray, parts: Sequence[Cells], plan: Any) -> Sequence[np.ndarray]:
        """Return the values in the same place."""
        return gathered(wrong, parts)


__all__ = ["Around", "CellByCell", "Cells", "Quantity", "aligned", "gathered"]
