"""Say which variables of a block are wanted, and which region of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

import numpy as np

from baler_core.data.variables import Layout, Variable
from baler_core.machine.records import dataclass


def inside(values: np.ndarray, box: tuple[slice, ...]) -> np.ndarray:
    """Return a box of an array, as an array: indexed by no slices, a single text would be the text."""
    return values[box] if box else values


@dataclass(frozen=True)
class Part:
    """What is wanted of a group of a block.

    Attributes
    ----------
    names
        The variables.
    region
        By dimension, from which row to which, counted in the block: slices with a start and a stop, without a step.
        Dimensions that are left out are taken whole.
    """

    names: frozenset[str]
    region: Mapping[str, slice] = field(default_factory=dict)

    def box(self, variable: Variable) -> tuple[slice, ...]:
        """Return the region along the dimensions of a variable."""
        return tuple(self.region.get(dim, slice(None)) for dim in variable.dims)

    def cut(self, values: np.ndarray, variable: Variable) -> np.ndarray:
        """Return the region of the values of a variable, as an array even if it is a single value."""
        return inside(values, self.box(variable))

    def rows(self, dim: str, length: int) -> slice:
        """Return what is wanted along a dimension of a length."""
        found = self.region.get(dim, slice(0, length))
        return slice(found.start, found.stop)

    def shape(self, variable: Variable, layout: Layout) -> tuple[int, ...]:
        """Return the shape of what is wanted of a variable."""
        rows = (self.rows(dim, layout.sizes[dim]) for dim in variable.dims)
        return tuple(one.stop - one.start for one in rows)

    def covers(self, variable: Variable, layout: Layout) -> bool:
        """Return whether all of a variable is wanted."""
        return self.shape(variable, layout) == layout.shape(variable)

    def places(self, positions: np.ndarray, variable: Variable, layout: Layout) -> tuple[np.ndarray, np.ndarray]:
        """Return which flat positions of a variable lie inside the part, and their flat positions in it.

        Returns
        -------
        Boolean mask of the positions; int64 positions of those that lie inside.
        """
        shape = layout.shape(variable)
        if self.covers(variable, layout):
            return np.ones(positions.shape, bool), positions
        if len(shape) == 1:
            (dim,) = variable.dims
            only = self.rows(dim, layout.sizes[dim])
            inside = (positions >= only.start) & (positions < only.stop)
            return inside, positions[inside] - only.start
        indices = np.unravel_index(positions, shape)
        rows = [self.rows(dim, layout.sizes[dim]) for dim in variable.dims]
        inside = np.ones(positions.shape, bool)
        for index, one in zip(indices, rows, strict=True):
            inside &= (index >= one.start) & (index < one.stop)
        kept = tuple(index[inside] - one.start for index, one in zip(indices, rows, strict=True))
        found = np.ravel_multi_index(kept, self.shape(variable, layout)) if inside.any() else np.zeros(0, np.int64)
        return inside, found
