"""A sample of a table to a plan: relations, symbols, bins, order and parents, each chosen by what it saves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from baler_core.builtin.models.table.coded_columns import Knowledge
from baler_core.builtin.models.table.columns import predicted, to_symbols, to_values
from baler_core.builtin.models.table.contexts.marginals import fit_marginal, knots_wanted
from baler_core.builtin.models.table.contexts.predictor import Scatter
from baler_core.builtin.models.table.contexts.symbols import SymbolMap, choose_map
from baler_core.builtin.models.table.events import (
    BEFORE,
    FIRST,
    HERE,
    IN_EVENT,
    PLACES,
    POINTED,
    POSITION,
    SECOND,
    SIZE,
    Events,
    Source,
)
from baler_core.builtin.models.table.network.inference import Network
from baler_core.builtin.models.table.plan import ColumnPlan, TablePlan
from baler_core.builtin.models.table.pointers import find_pointer
from baler_core.builtin.models.table.relations.order import Candidate, choose_parents, entropy, shared_information
from baler_core.builtin.models.table.relations.residuals import FAR, residuals
from baler_core.builtin.models.table.relations.search import Column, Relation, find_relations
from baler_core.builtin.models.table.sample import TableSample
from baler_core.builtin.models.table.schedule import Pupil, most_telling, train_networks
from baler_core.builtin.models.table.trials import Effort, Trial
from baler_core.data.formulas import Formula
from baler_core.machine.progress import bits_per_row, shown

_MEASURED = 1 << 14
_WIDEST = 2**46
"""Symbols over a wider range are packed, not mixed."""
_FEWEST_ROWS = 64
_WIDE = 500


def make_plan(sample: TableSample, formulas: Sequence[Formula], effort: Effort) -> TablePlan:
    """The plan for a table."""
    relations = find_relations(sample.columns, formulas)
    derived = (number in relations for number in range(len(sample.columns)))
    differences = False
    if not all(_same_map(c, d, whole=sample.whole) for c, d in zip(sample.columns, derived, strict=True)):
        quick = replace(effort, network_seconds=0.0)
        sizes = [_plan_with(sample, relations, quick, differences=eager).size for eager in (False, True)]
        differences = sizes[1] < sizes[0]
    return _plan_with(sample, relations, effort, differences=differences).plan


def _same_map(column: Column, derived: bool, *, whole: bool) -> bool:
    """Whether a column becomes the same symbols, be differences liked or not."""
    if derived:
        return True
    codes = column.lattice.codes(column.values)
    return choose_map(codes, whole=whole).kind == choose_map(codes, whole=whole, differences=False).kind


@dataclass(frozen=True)
class _Tried:
    """A plan, and how many bytes the first rows took with it."""

    plan: TablePlan
    size: float


def _plan_with(sample: TableSample, relations: Mapping[int, Relation], effort: Effort, *, differences: bool) -> _Tried:
    """The plan that takes differences of rows gladly or reluctantly."""
    columns = sample.columns
    plans: dict[int, ColumnPlan] = {}
    symbols: dict[int, np.ndarray] = {}
    restored: dict[int, np.ndarray] = {}
    for number in [*(j for j in range(len(columns)) if j not in relations), *relations]:
        plan = ColumnPlan(columns[number].lattice, SymbolMap("codes", 0, 0))
        if number in relations:
            plan = replace(plan, relation=relations[number], steps=columns[number].steps)
            plan = replace(plan, symbols=_residual_map(columns[number], plan, restored))
        else:
            codes = plan.lattice.codes(columns[number].values)
            plan = replace(plan, symbols=choose_map(codes, whole=sample.whole, differences=differences))
        found = to_symbols(columns[number].values, plan, restored, columns[number].tolerance)
        restored[number] = to_values(found, plan, restored)
        plans[number], symbols[number] = plan, found.values
    order = sorted(plans, key=lambda j: entropy(symbols[j]))
    pointer = None if sample.events is None else find_pointer(plans, symbols, sample.events)
    order.sort(key=lambda j: j != pointer)
    size = _choose_contexts(plans, symbols, order, sample.events, pointer, effort)
    return _Tried(
        TablePlan(tuple(plans[j] for j in range(len(columns))), tuple(order), tuple(relations), pointer), size
    )


def _residual_map(column: Column, plan: ColumnPlan, restored: Mapping[int, np.ndarray]) -> SymbolMap:
    """The range of the residuals that occur, and below it places for special values."""
    assert plan.steps is not None
    special = plan.lattice.quantise(column.values)[1]
    found = residuals(column.values, predicted(plan, restored), plan.lattice, plan.steps)
    found = found[(found != FAR) & (special == 0)]
    low, high = min(int(found.min(initial=0)), 0), max(int(found.max(initial=0)), 0)
    return SymbolMap("codes", low - len(plan.lattice.specials), high)


def _choose_contexts(
    plans: dict[int, ColumnPlan],
    symbols: Mapping[int, np.ndarray],
    order: Sequence[int],
    events: Events | None,
    pointer: int | None,
    effort: Effort,
) -> float:
    """Give bins, parents and depth of mixing to every column that gains from being mixed; returns what was measured."""
    rows, count = len(symbols[0]), len(plans)
    mixed = [j for j in order if rows >= _FEWEST_ROWS and _varies(symbols[j]) and _narrow(plans[j].symbols)]
    if not mixed:
        return 0.0
    everything = Knowledge(rows, count, events, pointer)
    for j in mixed:
        limits = plans[j].symbols
        bins = fit_marginal(symbols[j], limits.low - 1, limits.high, knots_wanted(rows))
        plans[j] = replace(plans[j], marginal=bins)
        everything.add(j, plans[j], symbols[j])
    told = _sources(mixed, pointer, jagged=events is not None)
    binned = [everything.bins(j) for j in mixed]
    candidates = [_candidate(everything, source.number(count), first) for source, first in told]
    shared = shared_information(len(mixed), candidates, rows)
    chosen = choose_parents(binned, candidates, effort.parents, shared)
    scatter = _scatter(everything, mixed) if effort.predictor else None
    networks = _networks(everything, plans, mixed, shared, effort) if effort.network_seconds else {}
    trial = Trial(everything.head(min(rows, _MEASURED)), scatter, networks, effort)
    total = 0.0
    with shown("learn table", "column", len(mixed)) as step:
        for place, (j, parents) in enumerate(zip(mixed, chosen, strict=True)):
            numbers = tuple(told[p][0].number(count) for p in parents)
            plans[j] = replace(plans[j], parents=numbers, packed=False)
            past = [
                BEFORE,
                *([IN_EVENT] if events is not None else []),
                *([POINTED] if pointer in mixed[:place] else []),
            ]
            plans[j], size = trial.cheapest(j, plans[j], mixed[:place], past, rows)
            total += size
            step(bits_per_row(total, trial.head.rows))
    _drop_unused(plans, mixed)
    return total


def _networks(
    everything: Knowledge,
    plans: Mapping[int, ColumnPlan],
    mixed: Sequence[int],
    shared: np.ndarray,
    effort: Effort,
) -> Mapping[int, Network]:
    """Networks of the mixed columns, as far as time allows."""
    telling = most_telling(shared, mixed)
    pupils = []
    for j in mixed:
        marginal = plans[j].marginal
        assert marginal is not None
        pupils.append(Pupil(j, marginal, everything.values(j), telling[j]))
    return train_networks(pupils, everything, effort.network_seconds, effort.seed)


def _sources(mixed: Sequence[int], pointer: int | None, *, jagged: bool) -> list[tuple[Source, int]]:
    """What may be known of a row, and the place of the first column in the order of coding that it is known to."""
    found = [(Source(HERE, j), place + 1) for place, j in enumerate(mixed)]
    for past in (BEFORE, IN_EVENT, SECOND, FIRST) if jagged else (BEFORE,):
        found += [(Source(past, j), place) for place, j in enumerate(mixed)]
    if pointer in mixed:
        after = mixed.index(pointer) + 1
        found += [(Source(POINTED, j), max(place, after)) for place, j in enumerate(mixed)]
    return [*found, (Source(PLACES, POSITION), 0), (Source(PLACES, SIZE), 0)] if jagged else found


def _candidate(everything: Knowledge, number: int, first: int) -> Candidate:
    return Candidate(first, lambda rows: everything.known(number).bins[rows])


def _scatter(everything: Knowledge, mixed: Sequence[int]) -> Scatter | None:
    """What predictors learn from; None for tables so wide that it would fill the memory."""
    if len(mixed) > _WIDE:
        return None
    rows = np.linspace(0, everything.rows - 1, min(everything.rows, _MEASURED)).astype(np.int64)
    return Scatter.of({j: everything.features_at(j, rows) for j in mixed})


def _varies(symbols: np.ndarray) -> bool:
    return bool(symbols.min() != symbols.max())


def _narrow(limits: SymbolMap) -> bool:
    return limits.high - limits.low < _WIDEST


def _drop_unused(plans: dict[int, ColumnPlan], mixed: Sequence[int]) -> None:
    """Columns that are better packed lose their bins, unless others have them as parents."""
    count = len(plans)
    needed: set[int] = set()
    for j in reversed(mixed):
        plan = plans[j]
        if plan.packed and j not in needed:
            plans[j] = replace(plan, marginal=None)
        told = (Source.of(number, count) for number in plan.parents)
        needed.update(source.column for source in told if not source.of_event)
        needed.update(plan.predictor.columns if plan.predictor is not None else ())
        needed.update(plan.network.columns if plan.network is not None else ())
