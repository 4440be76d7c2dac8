"""The quantities `pair_mass` and `leading_mass`: invariant masses of pairs of objects in each event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from baler_core import Around, Cells, ConfigError, Quantity, Variable
from baler_root.metrics.momenta import split_name
from baler_root.quantities.collections import four_vectors, lengths_of, transverse, vectors_of

# Pairs of one block that fit into memory with room to compute.
_MOST_PAIRS = 50_000_000


@dataclass(frozen=True)
class ObjectPairs:
    """Pairs of objects.

    Attributes
    ----------
    first, second
        int64, (pairs,): rows of their collections.
    split
        How many of the parts belong to the first collection.
    """

    first: np.ndarray
    second: np.ndarray
    split: int


class PairMasses(Quantity):
    """Invariant mass of every pair of objects of an event: of one collection, or one object of each of two."""

    name = "pair_mass"
    summary = "invariant mass of every pair of objects of an event (particle physics)"
    takes_names = True
    most = 2

    def variables(self, names: Sequence[str], known: Sequence[Variable]) -> Sequence[str]:
        """Return pt, eta, phi and mass (or energy), or px, py, pz and energy (or mass)."""
        return [variable for name in names for variable in vectors_of(name, known, "vectors")]

    def plan(self, parts: Sequence[Cells], around: Around) -> ObjectPairs:
        """Pair the objects of each event."""
        split = _first_collection(parts)
        one = lengths_of(parts[:split], around)
        two = lengths_of(parts[split:], around) if split < len(parts) else one
        if len(one) != len(two):
            raise ConfigError(f"the two collections have {len(one)} and {len(two)} events")
        count = float(np.sum(one.astype(np.float64) * two))
        if count > _MOST_PAIRS:
            raise ConfigError(
                f"there are {count:.3g} pairs in a block, more than {_MOST_PAIRS:,}: take leading_mass, or a smaller block_size"
            )
        first, second = _all_pairs(one, two, same=split == len(parts))
        return ObjectPairs(first, second, split)

    def compute(self, parts: Sequence[Cells], plan: ObjectPairs) -> Cells:
        """Return the mass of every pair; 0 where rounding makes it imaginary."""
        one = four_vectors(_flat(parts[: plan.split]))
        two = four_vectors(_flat(parts[plan.split :])) if plan.split < len(parts) else one
        energy, *momentum = one[:, plan.first] + two[:, plan.second]
        squared = energy**2 - np.sum(np.square(momentum), axis=0)
        return Cells(
            np.where(squared > 0, np.sqrt(np.abs(squared)), np.where(np.isnan(squared), squared, 0.0)), ("(pairs)",)
        )

    def depends(self, wrong: np.ndarray, parts: Sequence[Cells], plan: ObjectPairs) -> Sequence[np.ndarray]:
        """Return both objects of each pair."""
        masks = []
        for place, part in enumerate(parts):
            mask = np.zeros(part.values.size, bool)
            for rows, is_second in ((plan.first, False), (plan.second, True)):
                if plan.split == len(parts) or (place >= plan.split) == is_second:
                    mask[rows[wrong]] = True
            masks.append(mask.reshape(part.values.shape))
        return masks

    def units(self, units: Sequence[str]) -> str:
        """Return those of the transverse momentum, or of px."""
        return units[0]


class LeadingMass(PairMasses):
    """Invariant mass of the two objects of highest transverse momentum of each event that has two."""

    name = "leading_mass"
    summary = "invariant mass of the two objects of highest transverse momentum of each event (particle physics)"
    most = 1

    def plan(self, parts: Sequence[Cells], around: Around) -> ObjectPairs:
        """Find the two objects; the same before and after."""
        lengths = lengths_of(parts, around)
        flat = _flat(parts)
        event = np.repeat(np.arange(len(lengths)), lengths)
        order = np.lexsort((-np.hypot(*transverse(flat)), event))
        starts = (np.cumsum(lengths) - lengths)[lengths >= 2]
        return ObjectPairs(order[starts], order[starts + 1], len(parts))


def _flat(parts: Sequence[Cells]) -> list[Cells]:
    return [Cells(part.values.reshape(-1), part.dims, part.variable) for part in parts]


def _first_collection(parts: Sequence[Cells]) -> int:
    """How many parts belong to the first collection: those before a component comes again."""
    seen: set[str] = set()
    for place, part in enumerate(parts):
        component = split_name(part.variable.name)[1] if part.variable is not None else ""
        if component in seen or ({"pt", "px"} & seen and component in ("pt", "px") and place >= 3):
            return place
        seen.add(component)
    return len(parts)


def _all_pairs(one: np.ndarray, two: np.ndarray, *, same: bool) -> tuple[np.ndarray, np.ndarray]:
    """Rows of all pairs, event after event; of the same collection each pair once."""
    counts = one * two
    event = np.repeat(np.arange(len(one)), counts)
    within = np.arange(event.size) - np.repeat(np.cumsum(counts) - counts, counts)
    left, right = within // np.maximum(two[event], 1), within % np.maximum(two[event], 1)
    first, second = (np.cumsum(one) - one)[event] + left, (np.cumsum(two) - two)[event] + right
    kept = left < right if same else np.ones(left.shape, bool)
    return first[kept], second[kept]
