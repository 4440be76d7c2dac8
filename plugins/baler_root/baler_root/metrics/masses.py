"""The metric `pair_mass`: the invariant mass of the two leading objects of each event, original against restored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from baler_root.metrics.collection_metric import CollectionMetric
from baler_root.metrics.events import ObjectCollection
from baler_root.metrics.momenta import cartesian

if TYPE_CHECKING:
    from baler_core import Block


class PairMass(CollectionMetric):
    """Invariant mass of the two objects of highest transverse momentum in each event.

    The same two objects are taken before and after, so that differences are those of the values alone.
    """

    name = "pair_mass"
    summary = "invariant mass of the two leading objects of each event (particle physics)"
    quantity = "m({}, {})"

    def compute(
        self, objects: ObjectCollection, original: Block, restored: Block
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Return masses of the pairs of all events with at least two objects."""
        if not objects.momentum.is_complete:
            return None
        pairs = leading_pairs(objects, original)
        return _masses(objects, original, *pairs), _masses(objects, restored, *pairs)


def leading_pairs(objects: ObjectCollection, block: Block) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of the first and second object, by transverse momentum, of all events that have two."""
    order = np.lexsort((-objects.transverse(block), objects.event))
    starts = np.cumsum(objects.counts) - objects.counts
    starts = starts[objects.counts >= 2]
    return order[starts], order[starts + 1]


def _masses(objects: ObjectCollection, block: Block, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Mass of each pair; 0 where rounding makes it imaginary."""
    vectors = cartesian(objects.components(block))
    energy, *momentum = vectors[:, first] + vectors[:, second]
    return np.sqrt(np.maximum(energy**2 - np.sum(np.square(momentum), axis=0), 0.0))
