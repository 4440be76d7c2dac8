"""The quantities `HT` and `MET`: scalar and vector sums of transverse momenta in each event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from baler_core import Around, Cells, ConfigError, Quantity, Variable
from baler_root.metrics.momenta import split_name
from baler_root.quantities.collections import by_component, events_of, lengths_of, transverse, vectors_of


@dataclass(frozen=True)
class EventLengths:
    """What belongs to which event: how many objects of each part of the arguments, and the dimension of the events."""

    lengths: list[np.ndarray]
    dim: str
    starts: list[int]


class _EventSum(Quantity):
    """Sums over the objects of one collection or several."""

    takes_names = True
    most = None
    wanted: str

    def variables(self, names: Sequence[str], known: Sequence[Variable]) -> Sequence[str]:
        """Return the components that are needed, collection by collection."""
        return [variable for name in names for variable in vectors_of(name, known, self.wanted)]

    def plan(self, parts: Sequence[Cells], around: Around) -> EventLengths:
        """Look up how many objects each event has."""
        starts = [0]
        for place in range(1, len(parts)):
            if _stem(parts[place]) != _stem(parts[place - 1]):
                starts.append(place)
        lengths = [lengths_of(parts[start:], around) for start in starts]
        if len({len(each) for each in lengths}) > 1:
            raise ConfigError(f"the collections have {', '.join(str(len(each)) for each in lengths)} events")
        return EventLengths(lengths, events_of(parts, around), starts)

    def _collections(self, parts: Sequence[Cells], plan: EventLengths) -> list[Sequence[Cells]]:
        return [parts[start:end] for start, end in zip(plan.starts, [*plan.starts[1:], len(parts)], strict=True)]

    def depends(self, wrong: np.ndarray, parts: Sequence[Cells], plan: EventLengths) -> Sequence[np.ndarray]:
        """Return all objects of the events."""
        masks = []
        for collection, lengths in zip(self._collections(parts, plan), plan.lengths, strict=True):
            mask = np.repeat(wrong, lengths)
            masks += [mask.reshape(part.values.shape) for part in collection]
        return masks

    def units(self, units: Sequence[str]) -> str:
        """Return those of the first transverse momentum."""
        return units[0]


class HT(_EventSum):
    """Scalar sum of the transverse momenta of all objects of an event."""

    name = "HT"
    summary = "scalar sum of the transverse momenta of an event's objects (particle physics)"
    wanted = "sizes"

    def compute(self, parts: Sequence[Cells], plan: EventLengths) -> Cells:
        """Return one sum per event; 0 for events without objects."""
        total = np.zeros(len(plan.lengths[0]))
        for collection, lengths in zip(self._collections(parts, plan), plan.lengths, strict=True):
            values = by_component(collection)
            sizes = values["pt"] if "pt" in values else np.hypot(values["px"], values["py"])
            total += _per_event(np.abs(sizes).reshape(-1), lengths)
        return Cells(total, (plan.dim,))


class MET(_EventSum):
    """Size of the vector sum of the transverse momenta of all objects of an event: what they leave missing."""

    name = "MET"
    summary = "size of the vector sum of the transverse momenta of an event's objects (particle physics)"
    wanted = "plane"

    def compute(self, parts: Sequence[Cells], plan: EventLengths) -> Cells:
        """Return one size per event; 0 for events without objects."""
        x, y = np.zeros(len(plan.lengths[0])), np.zeros(len(plan.lengths[0]))
        for collection, lengths in zip(self._collections(parts, plan), plan.lengths, strict=True):
            along_x, along_y = transverse(collection)
            x += _per_event(along_x.reshape(-1), lengths)
            y += _per_event(along_y.reshape(-1), lengths)
        return Cells(np.hypot(x, y), (plan.dim,))


def _per_event(values: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    return np.bincount(np.repeat(np.arange(len(lengths)), lengths), values, minlength=len(lengths))


def _stem(part: Cells) -> str:
    """What the components of one collection have in common."""
    return split_name(part.variable.name)[0] if part.variable is not None else ""
