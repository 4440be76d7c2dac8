"""Tries ways to code a column on a part of the sample, and keeps the one with the fewest bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from baler_core.builtin.models.table.knowledge import Knowledge, target_scores
from baler_core.builtin.models.table.plan import ColumnPlan
from baler_core.builtin.models.table.predictor import Predictor, fit_predictor
from baler_core.builtin.models.table.streams import encode_symbols
from baler_core.entropy import pack_integers

_INNER = (0, 2, 5)
_MOST_LOOKED_AT = 48
_WEIGHT_BITS = 5
_KNOT_BYTES = 2


@dataclass(frozen=True)
class Effort:
    """How hard the model tries.

    Attributes
    ----------
    contexts
        How many contexts are mixed at most.
    parents
        How many parents a column may have.
    predictor
        Whether all earlier columns together may predict a column.
    """

    contexts: int
    parents: int
    predictor: bool


@dataclass(frozen=True)
class Trial:
    """Where ways are tried.

    Attributes
    ----------
    head
        All columns of the first rows: what is encoded to compare.
    spread
        All columns of rows from everywhere: what predictors learn from.
    """

    head: Knowledge
    spread: Knowledge
    effort: Effort

    def cheapest(self, number: int, plan: ColumnPlan, earlier: Sequence[int], rows: int) -> tuple[ColumnPlan, float]:
        """The plan of a column with the depth and the predictor that pay, or packed; and its bytes for the first rows.

        Parameters
        ----------
        plan
            With bins and parents.
        earlier
            Columns that a predictor may look at.
        rows
            Of the whole sample, to share the bytes of the plan among them.
        """
        symbols = self.head.values(number)
        share = self.head.rows / rows
        best, size = replace(plan, packed=True, parents=(), inner=0), float(len(pack_integers(symbols)))
        for candidate in self._depths(plan):
            bytes_ = self._size(number, candidate) + _KNOT_BYTES * _bins(plan) * share
            if bytes_ < size:
                best, size = candidate, bytes_
        predictor = self._predictor(number, plan, earlier) if self.effort.predictor else None
        if predictor is not None:
            base = plan if best.packed else best
            candidate = replace(base, predictor=predictor)
            bytes_ = self._size(number, candidate) + (_bins(plan) * _KNOT_BYTES + _weight_bytes(predictor)) * share
            if bytes_ < size:
                best, size = candidate, bytes_
        return best, size

    def _depths(self, plan: ColumnPlan) -> list[ColumnPlan]:
        widest = int(np.diff(plan.marginal.edges).max()) if plan.marginal is not None else 1
        return [replace(plan, inner=inner) for inner in _INNER if not inner or widest > 1 << (inner - 1)]

    def _size(self, number: int, plan: ColumnPlan) -> float:
        parents = self.head.parents(number, plan)
        return float(len(encode_symbols(self.head.values(number), plan, parents, self.effort.contexts)))

    def _predictor(self, number: int, plan: ColumnPlan, earlier: Sequence[int]) -> Predictor | None:
        target = target_scores(self.spread.values(number), plan)
        known = {c: self.spread.features(c) for c in earlier}
        if len(known) > _MOST_LOOKED_AT:
            aims = target - target.mean()
            strength = {c: float(np.abs(aims @ f).max()) for c, f in known.items()}
            known = {c: known[c] for c in sorted(strength, key=lambda c: -strength[c])[:_MOST_LOOKED_AT]}
        return fit_predictor(target, sorted(known), known)


def _bins(plan: ColumnPlan) -> int:
    return 0 if plan.marginal is None else plan.marginal.bins


def _weight_bytes(predictor: Predictor) -> float:
    """About what the predictor adds to the plan."""
    return float(np.count_nonzero(predictor.weights) * _WEIGHT_BITS + predictor.weights.size) / 8 + len(
        predictor.columns
    )
