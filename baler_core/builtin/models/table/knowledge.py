"""What is known of a block's rows while its columns are coded one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from baler_core.builtin.models.table.contexts import Known
from baler_core.builtin.models.table.mixtures import Mixture
from baler_core.builtin.models.table.network import mixture_of
from baler_core.builtin.models.table.plan import ColumnPlan
from baler_core.builtin.models.table.predictor import FEATURES, features, predicted
from baler_core.errors import FormatError


class Knowledge:
    """Symbols of the columns coded so far, and what they tell to later ones.

    Parameters
    ----------
    rows
        Number of rows of the block.
    columns
        Number of columns of the table.
    """

    def __init__(self, rows: int, columns: int) -> None:
        self.rows = rows
        self._columns = columns
        self._known: dict[int, Known] = {}
        self._plans: dict[int, ColumnPlan] = {}
        self._features: dict[int, np.ndarray] = {}

    def add(self, number: int, plan: ColumnPlan, symbols: np.ndarray | None) -> None:
        """Take in a column; one without bins, or stored apart (None), tells nothing."""
        self._plans[number] = plan
        if symbols is None or plan.marginal is None:
            nothing = np.zeros(self.rows, np.int64)
            self._known[number] = Known(nothing, nothing, 1)
            self._features[number] = np.zeros((self.rows, FEATURES), np.int16)
        else:
            self._known[number] = Known(symbols, plan.marginal.bin_of(symbols), plan.marginal.bins)

    def parents(self, number: int, plan: ColumnPlan) -> list[Known]:
        """What is known of the parents of column `number`, its predicted class last."""
        parents = [self._parent(number, parent, plan) for parent in plan.parents]
        if plan.predictor is not None:
            parents.append(predicted(plan.predictor, {c: self.features(c) for c in plan.predictor.columns}))
        return parents

    def mixture(self, plan: ColumnPlan) -> Mixture | None:
        """What a column's network says of each row; None if it has none."""
        if plan.network is None:
            return None
        return mixture_of(plan.network, self.inputs(plan.network.columns))

    def inputs(self, columns: Sequence[int]) -> np.ndarray:
        """Features of several columns side by side: int16 (rows, FEATURES * columns)."""
        return np.concatenate([self.features(column) for column in columns], axis=1)

    def _parent(self, number: int, parent: int, plan: ColumnPlan) -> Known:
        if parent == number + self._columns:
            nothing = np.zeros(self.rows, np.int64)
            return Known(nothing, nothing, _bins(plan) + 1, own=True)
        return self._known[parent] if parent < self._columns else self._known[parent - self._columns].previous()

    def bins(self, number: int) -> np.ndarray:
        """Bins of a column: int64 (rows,)."""
        return self._known[number].bins

    def values(self, number: int) -> np.ndarray:
        """Symbols of a column: int64 (rows,)."""
        return self._known[number].values

    def features(self, number: int) -> np.ndarray:
        """Features of a column for predictors: int16 (rows, FEATURES)."""
        if number not in self._features:
            plan = self._plans[number]
            if plan.marginal is None:
                raise FormatError("a column of a table is predicted from one without bins")
            found = features(self._known[number].values, plan.marginal, plan.lattice, plan.symbols)
            self._features[number] = found.astype(np.int16)
        return self._features[number]

    def at(self, rows: np.ndarray) -> Knowledge:
        """The same of some neighbouring rows."""
        part = Knowledge(len(rows), self._columns)
        part._plans = self._plans
        part._known = {n: replace(k, values=k.values[rows], bins=k.bins[rows]) for n, k in self._known.items()}
        return part


def _bins(plan: ColumnPlan) -> int:
    return 0 if plan.marginal is None else plan.marginal.bins
