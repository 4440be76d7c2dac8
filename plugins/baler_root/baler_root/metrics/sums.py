"""The metric `event_sums`: HT, the sum of transverse momenta in each event, original against restored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from baler_root.metrics.collection_metric import CollectionMetric
from baler_root.metrics.events import ObjectCollection

if TYPE_CHECKING:
    from baler_core import Block


class EventSums(CollectionMetric):
    """Scalar sum of the transverse momenta of all objects of a collection in each event that has any (HT)."""

    name = "event_sums"
    summary = "sum of transverse momenta (HT) of each event (particle physics)"
    quantity = "HT({})"

    def compute(
        self, objects: ObjectCollection, original: Block, restored: Block
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Return sums of all events with at least one object."""
        if not (objects.momentum.has("pt") or objects.momentum.has("px", "py")):
            return None
        return _sums(objects, original), _sums(objects, restored)


def _sums(objects: ObjectCollection, block: Block) -> np.ndarray:
    sums = np.bincount(objects.event, np.abs(objects.transverse(block)), minlength=len(objects.counts))
    return sums[objects.counts > 0]
