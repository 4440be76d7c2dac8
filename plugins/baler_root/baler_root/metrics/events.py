"""Finds, in a block, the collections of objects that have four-momenta, and which objects belong to which event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from baler_core import Block, Variable, values_of
from baler_root.metrics.momenta import Momentum, find_momenta


@dataclass(frozen=True)
class ObjectCollection:
    """Objects with four-momenta, any number per event.

    Attributes
    ----------
    momentum
        The names of their components.
    counts
        How many objects each event of the block has: int64.
    """

    momentum: Momentum
    counts: np.ndarray

    def components(self, block: Block) -> dict[str, np.ndarray]:
        """Return values of all components: 1-D, one per object."""
        return {component: values_of(block, name) for component, name in self.momentum.variables.items()}

    def transverse(self, block: Block) -> np.ndarray:
        """pT of every object: float64."""
        values = self.components(block)
        if "pt" in values:
            return values["pt"].astype(np.float64)
        return np.hypot(values["px"].astype(np.float64), values["py"].astype(np.float64))

    @property
    def event(self) -> np.ndarray:
        """Number of the event each object belongs to: int64."""
        return np.repeat(np.arange(len(self.counts)), self.counts)


def find_objects(block: Block, variables: Mapping[str, Variable]) -> list[ObjectCollection]:
    """Return the collections whose counts are in the block too."""
    by_dim: dict[str, list[str]] = {}
    for variable in variables.values():
        if len(variable.dims) == 1 and variable.is_numeric and variable.name in block.variables:
            by_dim.setdefault(variable.dims[0], []).append(variable.name)
    found = []
    for dim, names in by_dim.items():
        momenta = find_momenta(names)
        counts = _counts_along(dim, block, variables) if momenta else None
        if counts is not None:
            found += [ObjectCollection(momentum, counts) for momentum in momenta]
    return found


def _counts_along(dim: str, block: Block, variables: Mapping[str, Variable]) -> np.ndarray | None:
    """How many rows of a dimension each event has: the integers along another dimension that add up to its length.

    A variable named for the dimension (`nJet`) goes before others that happen to add up.
    """
    fitting = {}
    for name, variable in variables.items():
        if len(variable.dims) == 1 and variable.dims[0] != dim and variable.numpy_dtype.kind in "iu":
            values = values_of(block, name)
            if values.sum() == block.sizes[dim] and values.min(initial=0) >= 0:
                fitting[name] = values.astype(np.int64)
    if not fitting:
        return None
    stem = dim.rstrip("[]").casefold()
    return fitting[min(fitting, key=lambda name: (not name.casefold().startswith("n" + stem), len(name)))]
