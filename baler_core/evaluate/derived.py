"""Compute derived quantities from original and restored values, and compare them cell by cell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import field
from typing import TYPE_CHECKING

import numpy as np

from baler_core.data.bounds import Tolerance, ValueRange
from baler_core.data.pairing import Piece
from baler_core.data.running_statistics import Sample, sample_size
from baler_core.data.variables import Schema, Variable, leading_dimension
from baler_core.evaluate.derived_blocks import Cuts, Joined
from baler_core.evaluate.distributions import DistributionRecorder
from baler_core.evaluate.drawings import Distribution
from baler_core.evaluate.results import DerivedResult
from baler_core.machine.records import dataclass
from baler_core.pipeline.derived.quantities import Derived, Surroundings, arrays_of, coordinates_of

if TYPE_CHECKING:
    from baler_core.data.block import Block

_SAMPLE = 20_000
_LOSS_SAMPLE = 50_000


@dataclass
class _Recorder:
    """One quantity so far."""

    one: Derived
    distribution: DistributionRecorder
    cells: int = 0
    judged: int = 0
    violations: int = 0
    largest: float = 0.0
    share: float = 0.0
    allowed: float | None = None
    sums: np.ndarray = field(default_factory=lambda: np.zeros(2))

    def add(self, block: Joined, around: Surroundings) -> None:
        """Take in one block of each."""
        before, after = arrays_of(block.original, self.one), arrays_of(block.restored, self.one)
        if before is None or after is None:
            return
        computed = self.one.original(before, around.of(block.original, block.start))
        found = self.one.restored(after, computed)[0]
        values = computed.values
        self.violations += int(np.count_nonzero(self.one.misses(computed, found)))
        known = np.isfinite(values) & np.isfinite(found)
        self.cells += values.size
        self.judged += int(np.count_nonzero(known))
        x, y = values[known], found[known]
        if not x.size:
            return
        self.distribution.update(x, y)
        self.sums += [x.sum(), y.sum()]
        error, allowed = np.abs(y - x), self.one.allowed(x)
        with np.errstate(all="ignore"):
            share = np.divide(error, allowed, out=np.zeros_like(error), where=error > 0)
        worst = int(share.argmax()) if share.any() else int(allowed.argmax())
        self.largest = max(self.largest, float(error.max()))
        if share[worst] > self.share or self.allowed is None:
            self.share, self.allowed = float(share[worst]), float(allowed[worst])

    def result(self) -> DerivedResult:
        """Return what was found."""
        means = self.sums / self.judged if self.judged else np.full(2, np.nan)
        return DerivedResult(
            name=self.one.rule.name,
            formula=self.one.rule.formula.text,
            bound=str(self.one.rule.bound),
            inputs=self.one.names,
            units=self.one.units,
            cells=self.cells,
            judged=self.judged,
            largest_error=self.largest,
            allowed=self.allowed,
            share=self.share,
            violations=self.violations,
            means=(float(means[0]), float(means[1])),
        )


class DerivedRecorders:
    """All derived quantities of a file, fed with pieces of it.

    Parameters
    ----------
    walk
        Gives the blocks of the original anew.
    cuts
        By leading dimension: where the blocks end in which the quantities were kept.
    """

    def __init__(
        self, quantities: Sequence[Derived], schema: Schema, walk: Callable[[], Iterable[Block]], cuts: Cuts
    ) -> None:
        self._around = Surroundings(schema, coordinates_of(walk, quantities, schema) if quantities else {})
        self._cuts = cuts
        samples = _surveyed(quantities, schema, walk, self._around, cuts) if quantities else []
        self._recorders = [_recorder(one, *found) for one, found in zip(quantities, samples, strict=True)]

    def update(self, piece: Piece) -> None:
        """Take in the same rows of both files."""
        for block in self._cuts.joined(piece) if self._recorders else ():
            for recorder in self._recorders:
                recorder.add(block, self._around)

    def results(self) -> tuple[DerivedResult, ...]:
        """Return what was found of each."""
        return tuple(recorder.result() for recorder in self._recorders)

    def distributions(self) -> dict[str, Distribution]:
        """Return what figures are drawn from."""
        return {
            recorder.one.rule.name: recorder.distribution.distribution()
            for recorder in self._recorders
            if recorder.judged
        }


def _surveyed(
    quantities: Sequence[Derived],
    schema: Schema,
    walk: Callable[[], Iterable[Block]],
    around: Surroundings,
    cuts: Cuts,
) -> list[tuple[ValueRange, Sample]]:
    """Range and sample of each quantity of the original."""
    found = [(ValueRange(), Sample(sample_size(len(quantities), most=_SAMPLE))) for _ in quantities]
    rows: dict[str | None, int] = {}
    own = cuts.fresh()
    for block in walk():
        name = next((name for name in map(str, block.variables)), "")
        dim = leading_dimension(schema[name], schema) if name in schema.names else None
        piece = Piece(block, block, dim, rows.get(dim, 0))
        rows[dim] = rows.get(dim, 0) + (int(block.sizes[dim]) if dim is not None else 1)
        for joined in own.joined(piece):
            for place, one in enumerate(quantities):
                arrays = arrays_of(joined.original, one)
                if arrays is not None:
                    computed = one.original(arrays, around.of(joined.original, joined.start))
                    values = around.inner(one, computed, joined.original, joined.start)
                    finite = values[np.isfinite(values)]
                    found[place][1].update(finite)
                    if finite.size:
                        limits = ValueRange(float(finite.min()), float(finite.max()))
                        found[place] = found[place][0].joined(limits), found[place][1]
    return found


def _recorder(one: Derived, limits: ValueRange, sample: Sample) -> _Recorder:
    """A recorder whose bins suit the quantity; bounds of a range need that first."""
    known = Derived(one.rule, one.node, one.inputs, one.units, limits.width)
    bound = one.rule.bound
    value = bound.value * (limits.width if bound.kind == "range" else 1.0)
    tolerance = Tolerance("rel" if bound.kind == "rel" else "abs", value) if value > 0 else Tolerance("exact")
    variable = Variable(one.rule.name, "<f8", ("cells",), one.units)
    return _Recorder(known, DistributionRecorder(variable, limits, sample, tolerance=tolerance, size=_LOSS_SAMPLE))


def needed_by(quantities: Sequence[Derived], schema: Schema) -> set[str]:
    """Return the variables that quantities are computed from, and the counts of their jagged dimensions."""
    names = {name for one in quantities for name in one.names}
    for _ in schema.counts:
        names |= {schema.counts[dim] for name in names for dim in schema[name].dims if dim in schema.counts}
    return names
