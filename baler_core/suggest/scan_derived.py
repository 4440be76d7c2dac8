"""Measure on samples how far derived quantities move, for a ladder of bounds on what they are derived from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from baler_core.data.block import Block
from baler_core.data.derived import DerivedRule
from baler_core.machine.records import dataclass
from baler_core.pipeline.derived.quantities import Derived, Surroundings, arrays_of, bind_rules, coordinates_of
from baler_core.pipeline.input import Input
from baler_core.plugin.registry import Registry


@dataclass(frozen=True)
class DerivedRung:
    """What bounds multiplied by one factor make of a quantity, which is not kept by itself.

    Attributes
    ----------
    largest, rms
        Errors of its cells.
    beyond
        Share of the cells that move by more than its own bound allows.
    """

    factor: float
    largest: float
    rms: float
    beyond: float


@dataclass(frozen=True)
class DerivedScan:
    """The curve of one derived quantity."""

    name: str
    units: str
    stated: str
    rungs: tuple[DerivedRung, ...]


@dataclass(frozen=True)
class Quantities:
    """Derived quantities of a sample."""

    given: Input
    bound: tuple[Derived, ...]
    around: Surroundings

    @classmethod
    def of(cls, rules: Sequence[DerivedRule], given: Input, registry: Registry) -> Quantities:
        """Bind the rules of a configuration to a sample."""
        schema = given.source.schema
        bound = bind_rules(rules, schema, registry)
        return cls(
            given, bound, Surroundings(schema, coordinates_of(lambda: given.source.blocks(1 << 40), bound, schema))
        )

    def rungs(self, factor: float, restored: Iterable[Block]) -> list[DerivedRung]:
        """Return how far each quantity moves between the sample and its restored blocks."""
        errors: list[list[np.ndarray]] = [[] for _ in self.bound]
        beyond = [0 for _ in self.bound]
        for before, after in zip(self.given.source.blocks(1 << 40), restored, strict=True):
            around = self.around.of(before, {})
            for place, one in enumerate(self.bound):
                arrays, moved = arrays_of(before, one), arrays_of(after, one)
                if arrays is None or moved is None:
                    continue
                computed = one.original(arrays, around)
                values, _ = one.restored(moved, computed)
                finite = computed.values[np.isfinite(computed.values)]
                known = replace(one, width=float(np.ptp(finite)) if finite.size else 0.0)
                beyond[place] += int(np.count_nonzero(known.misses(computed, values)))
                with np.errstate(all="ignore"):
                    errors[place].append(np.abs(values - computed.values).ravel())
        return [_rung(factor, found, count) for found, count in zip(errors, beyond, strict=True)]

    def scans(self, rungs: Sequence[Sequence[DerivedRung]]) -> tuple[DerivedScan, ...]:
        """Return the curves from the rungs of all factors."""
        return tuple(
            DerivedScan(one.rule.name, one.units, str(one.rule), tuple(ladder[place] for ladder in rungs))
            for place, one in enumerate(self.bound)
        )


def _rung(factor: float, parts: Sequence[np.ndarray], beyond: int) -> DerivedRung:
    error = np.concatenate(parts) if parts else np.zeros(0)
    finite = error[np.isfinite(error)]
    rms = float(np.sqrt(np.square(finite).mean())) if finite.size else 0.0
    return DerivedRung(factor, float(finite.max(initial=0.0)), rms, beyond / max(1, error.size))
