"""What is known of a block's rows while its columns are coded one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from baler_core.builtin.models.table.contexts import Known
from baler_core.builtin.models.table.events import HERE, POSITION, Events, Source
from baler_core.builtin.models.table.mixtures import Mixture
from baler_core.builtin.models.table.network import mixture_of
from baler_core.builtin.models.table.plan import ColumnPlan
from baler_core.builtin.models.table.predictor import FEATURES, features, predicted

_COUNTED = 15
"""Rows of an event are told one from another up to here."""


class Knowledge:
    """Symbols of the columns coded so far, and what they tell to later ones.

    Parameters
    ----------
    rows
        Number of rows of the block.
    columns
        Number of columns of the table.
    events
        How the rows are cut into events; None for one.
    """

    def __init__(self, rows: int, columns: int, events: Events | None = None) -> None:
        self.rows = rows
        self.columns = columns
        self._events = Events(np.array([rows], np.int64)) if events is None else events
        self._known: dict[int, Known] = {}
        self._plans: dict[int, ColumnPlan] = {}
        self._features: dict[int, np.ndarray] = {}

    def add(self, number: int, plan: ColumnPlan, symbols: np.ndarray | None) -> None:
        """Take in a column; one without bins, or stored apart (None), tells nothing."""
        self._plans[number] = plan
        if symbols is None or plan.marginal is None:
            nothing = np.zeros(self.rows, np.int64)
            self._known[number] = Known(nothing, nothing, 1)
        else:
            self._known[number] = Known(symbols, plan.marginal.bin_of(symbols), plan.marginal.bins)

    def parents(self, number: int, plan: ColumnPlan) -> list[Known]:
        """What is known of the parents of column `number`, its predicted class last."""
        parents = [self._parent(number, Source.of(parent, self.columns), plan) for parent in plan.parents]
        if plan.predictor is not None:
            parents.append(predicted(plan.predictor, {c: self.features(c) for c in plan.predictor.columns}))
        return parents

    def mixture(self, plan: ColumnPlan) -> Mixture | None:
        """What a column's network says of each row; None if it has none."""
        if plan.network is None:
            return None
        return mixture_of(plan.network, self.inputs(plan.network.columns))

    def inputs(self, columns: Sequence[int]) -> np.ndarray:
        """Features of several columns: int16 (FEATURES * columns, rows)."""
        return np.concatenate([self.features(column) for column in columns])

    def _parent(self, number: int, source: Source, plan: ColumnPlan) -> Known:
        if source.column == number and not source.of_event:
            nothing = np.zeros(self.rows, np.int64)
            return Known(nothing, nothing, _bins(plan) + 1, own=self._events.rows_at(source.place))
        return self.known(source.number(self.columns))

    def known(self, number: int) -> Known:
        """What a source, told by its number, says of each row."""
        source = Source.of(number, self.columns)
        if source.of_event:
            told = self._events.position if source.column == POSITION else self._events.size
            return Known(told, np.minimum(told, _COUNTED), _COUNTED + 1)
        known = self._known[source.column]
        return known if source.place == HERE else known.looked_up(self._events.rows_at(source.place))

    def bins(self, number: int) -> np.ndarray:
        """Bins of a column: int64 (rows,)."""
        return self._known[number].bins

    def values(self, number: int) -> np.ndarray:
        """Symbols of a column: int64 (rows,)."""
        return self._known[number].values

    def features(self, number: int) -> np.ndarray:
        """Features of a column for predictors: int16 (FEATURES, rows)."""
        if number not in self._features:
            self._features[number] = self.features_at(number, slice(None))
        return self._features[number]

    def features_at(self, number: int, rows: np.ndarray | slice) -> np.ndarray:
        """The same in some rows."""
        plan, known = self._plans[number], self._known[number]
        values = known.values[rows]
        if plan.marginal is None or known.count == 1:
            return np.zeros((FEATURES, len(values)), np.int16)
        return features(values, known.bins[rows], plan.marginal, plan.lattice, plan.symbols)

    def head(self, rows: int) -> Knowledge:
        """The same of the first rows."""
        part = Knowledge(rows, self.columns, self._events.part(slice(0, rows)))
        part._plans = self._plans
        part._known = {n: replace(k, values=k.values[:rows], bins=k.bins[:rows]) for n, k in self._known.items()}
        return part


def _bins(plan: ColumnPlan) -> int:
    return 0 if plan.marginal is None else plan.marginal.bins
