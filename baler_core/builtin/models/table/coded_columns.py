"""Keep the columns of a block that are coded, and derive the context of the next column from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from baler_core.builtin.models.table.contexts.places import ParentColumn
from baler_core.builtin.models.table.contexts.predictor import FEATURES, features, predicted
from baler_core.builtin.models.table.events import HERE, POINTED, POSITION, ColumnSource, Events
from baler_core.builtin.models.table.network.flow import Flow, FlowRows
from baler_core.builtin.models.table.network.inference import mixture_of
from baler_core.builtin.models.table.network.mixtures import Mixture, no_mixture
from baler_core.builtin.models.table.plan import ColumnPlan
from baler_core.quantise.lattice import IntegerLattice

_COUNTED = 15
"""Positions in an event and sizes of events are distinguished up to here; larger ones share the last bin."""
_COUNT_FEATURE = 16
"""The input of a flow for each: a quarter."""


_NO_REFERENCES = np.zeros((0, 0), np.int64)


class ColumnContext(NamedTuple):
    """What is known of each row before a column is coded.

    Attributes
    ----------
    parents
        In the order of the plan, the predicted class last.
    mixture
        The prediction of the column's network; of no rows if it has none.
    references
        int64 (rows, references): earlier rows whose values are looked at, -1 for none.
    rows
        How many the whole block has, of which these are the first.
    """

    parents: Sequence[ParentColumn]
    mixture: Mixture
    references: np.ndarray
    rows: int


class CodedColumns:
    """Symbols of the columns coded so far, and the contexts that later ones derive from them.

    Parameters
    ----------
    rows
        Number of rows of the block.
    columns
        Number of columns of the table.
    events
        How the rows are cut into events; None for one.
    pointer
        Number of the column that points to earlier rows.
    flow
        Predicts mixtures of all columns.

    Attributes
    ----------
    block_rows
        How many rows the whole block has, if these are the first of them.
    """

    def __init__(
        self,
        rows: int,
        columns: int,
        events: Events | None = None,
        pointer: int | None = None,
        flow: Flow | None = None,
    ) -> None:
        self.rows = self.block_rows = rows
        self.columns = columns
        self._events = Events(np.array([rows], np.int64)) if events is None else events
        self._pointer = pointer
        self._pointed = np.full(rows, -1, np.int64)
        self._symbols: dict[int, np.ndarray | None] = {}
        self._known: dict[int, ParentColumn] = {}
        self._plans: dict[int, ColumnPlan] = {}
        self._features: dict[int, np.ndarray] = {}
        self._flow = None if flow is None else FlowRows(flow, self)

    def add(self, number: int, plan: ColumnPlan, symbols: np.ndarray | None) -> None:
        """Take in a column; one without bins, or stored apart (None), is no context."""
        self._plans[number], self._symbols[number] = plan, symbols
        if symbols is not None and number == self._pointer:
            self._pointed = self._events.earlier(symbols)

    def _column(self, number: int) -> ParentColumn:
        """Return a column that was taken in: its bins are found when a later one looks at it, as few do at many."""
        found = self._known.get(number)
        if found is None:
            symbols, marginal = self._symbols[number], self._plans[number].marginal
            if symbols is None or marginal is None:
                nothing = np.zeros(self.rows, np.int64)
                found = ParentColumn(nothing, nothing, 1)
            else:
                found = ParentColumn(symbols, marginal.bin_of(symbols), marginal.bins)
            self._known[number] = found
        return found

    def context_of(self, number: int, plan: ColumnPlan) -> ColumnContext:
        """Return all that is known of the rows of column `number`."""
        references = [self.rows_at(place) for place in plan.references]
        looked_at = np.stack(references, axis=1) if references else np.zeros((self.rows, 0), np.int64)
        return ColumnContext(self._parents(number, plan), self._mixture(number, plan), looked_at, self.block_rows)

    def first_parent(self, number: int, plan: ColumnPlan) -> ColumnContext:
        """Return what a column needs that is coded with its first parent as the only context."""
        if plan.parents:
            parents = [self._parent(number, ColumnSource.of(plan.parents[0], self.columns), plan)]
        else:
            parents = self._parents(number, plan)
        return ColumnContext(parents, no_mixture(), _NO_REFERENCES, self.block_rows)

    def _parents(self, number: int, plan: ColumnPlan) -> list[ParentColumn]:
        parents = [self._parent(number, ColumnSource.of(parent, self.columns), plan) for parent in plan.parents]
        if plan.predictor is not None:
            parents.append(predicted(plan.predictor, {c: self.features(c) for c in plan.predictor.columns}))
        return parents

    def _mixture(self, number: int, plan: ColumnPlan) -> Mixture:
        if self._flow is not None and self._flow.flow.tells(number):
            return self._flow.mixture_of(number)
        if plan.network is None:
            return no_mixture()
        return mixture_of(plan.network, self.inputs(plan.network.columns))

    def counts(self) -> np.ndarray:
        """Return position in the event and size of the event, for flows: int16 (2, rows)."""
        both = np.stack([self._events.position, self._events.size])
        return (np.minimum(both, _COUNTED) * _COUNT_FEATURE).astype(np.int16)

    def inputs(self, columns: Sequence[int]) -> np.ndarray:
        """Return features of several columns: int16 (FEATURES * columns, rows)."""
        return np.concatenate([self.features(column) for column in columns])

    def _parent(self, number: int, source: ColumnSource, plan: ColumnPlan) -> ParentColumn:
        if source.column == number and not source.of_event:
            nothing = np.zeros(self.rows, np.int64)
            return ParentColumn(nothing, nothing, plan.bins + 1, own=self.rows_at(source.place))
        return self.known(source.number(self.columns))

    def rows_at(self, place: int) -> np.ndarray:
        """Return for each row the row at a place of the past, -1 where there is none: int64 (rows,)."""
        return self._pointed if place == POINTED else self._events.rows_at(place)

    def known(self, number: int) -> ParentColumn:
        """Return values and bins of a source, given by its number, for each row."""
        source = ColumnSource.of(number, self.columns)
        if source.of_event:
            counts = self._events.position if source.column == POSITION else self._events.size
            return ParentColumn(counts, np.minimum(counts, _COUNTED), _COUNTED + 1)
        known = self._column(source.column)
        return known if source.place == HERE else known.looked_up(self.rows_at(source.place))

    def bins(self, number: int) -> np.ndarray:
        """Return bins of a column: int64 (rows,)."""
        return self._column(number).bins

    def values(self, number: int) -> np.ndarray:
        """Return symbols of a column: int64 (rows,)."""
        return self._column(number).values

    def features(self, number: int) -> np.ndarray:
        """Return features of a column for predictors: int16 (FEATURES, rows)."""
        if number not in self._features:
            self._features[number] = self.features_at(number, slice(None))
        return self._features[number]

    def features_at(self, number: int, rows: np.ndarray | slice) -> np.ndarray:
        """Return the same in some rows."""
        plan, known = self._plans[number], self._column(number)
        values = known.values[rows]
        if plan.marginal is None or known.count == 1:
            return np.zeros((FEATURES, len(values)), np.int16)
        lattice = plan.lattice if plan.own_steps is None else IntegerLattice("<i8")
        return features(values, known.bins[rows], plan.marginal, lattice, plan.symbols)

    def head(self, rows: int, flow: Flow | None = None) -> CodedColumns:
        """Return the same of the first rows, with the mixtures of a flow if there is one."""
        if rows == self.rows and flow is None:
            return self
        part = CodedColumns(rows, self.columns, self._events.part(slice(0, rows)), flow=flow)
        part._plans, part._pointer, part._pointed = self._plans, self._pointer, self._pointed[:rows]
        part._symbols = {n: None if k is None else k[:rows] for n, k in self._symbols.items()}
        part._known = {n: replace(k, values=k.values[:rows], bins=k.bins[:rows]) for n, k in self._known.items()}
        return part
