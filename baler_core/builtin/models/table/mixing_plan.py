"""Plan how the symbols of a table's columns are mixed: bins, parents, depth, predictors, networks and references."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np

from baler_core.builtin.models.table.coded_columns import CodedColumns
from baler_core.builtin.models.table.contexts.marginals import fit_marginal, knots_wanted
from baler_core.builtin.models.table.contexts.predictor import Scatter
from baler_core.builtin.models.table.contexts.symbols import SymbolMap
from baler_core.builtin.models.table.effort import TableEffort
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
    ColumnSource,
    Events,
)
from baler_core.builtin.models.table.network.inference import Network
from baler_core.builtin.models.table.plan import ColumnPlan
from baler_core.builtin.models.table.relations.order import Candidate, choose_parents, shared_information
from baler_core.builtin.models.table.schedule import NetworkTarget, most_informative, train_networks
from baler_core.builtin.models.table.trials import ColumnTrial, SizedColumn
from baler_core.machine.progress import bits_per_row, shown
from baler_core.machine.records import dataclass
from baler_core.machine.threads import in_parallel

_MEASURED = 1 << 14
"""Rows that are encoded to compare ways to code a column."""
_WIDEST = 2**46
"""Symbols over a wider range are packed, not mixed."""
_FEWEST_ROWS = 64
"""Shorter tables are packed: they are too short to learn from."""
_WIDE = 500
"""Columns beyond which products of the features of all columns would fill the memory."""


@dataclass(frozen=True)
class CodingOrder:
    """In which order symbols are coded.

    Attributes
    ----------
    columns
        Numbers of all columns.
    events
        How the rows are cut into events; None for one.
    pointer
        The column that points to earlier rows of the same event; None if there is none.
    """

    columns: Sequence[int]
    events: Events | None
    pointer: int | None


def choose_contexts(
    plans: dict[int, ColumnPlan],
    symbols: Mapping[int, np.ndarray],
    order: CodingOrder,
    effort: TableEffort,
    only: Collection[int] | None = None,
) -> dict[int, float]:
    """Give bins, parents and depth of mixing to every column that gains from being mixed; returns what was measured.

    Parameters
    ----------
    only
        Columns that are measured, the others being contexts; None for all.
    """
    rows, count, events, pointer = len(symbols[0]), len(plans), order.events, order.pointer
    mixed = [j for j in order.columns if rows >= _FEWEST_ROWS and _varies(symbols[j]) and _narrow(plans[j].symbols)]
    wanted = [place for place, j in enumerate(mixed) if only is None or j in only]
    if not wanted:
        return {}
    coded = CodedColumns(rows, count, events, pointer)
    for j in mixed:
        limits = plans[j].symbols
        bins = fit_marginal(symbols[j], limits.low - 1, limits.high, knots_wanted(rows))
        plans[j] = replace(plans[j], marginal=bins)
        coded.add(j, plans[j], symbols[j])
    possible = _sources(mixed, pointer, jagged=events is not None)
    candidates = [_candidate(coded, source.number(count), first) for source, first in possible]
    shared = shared_information(len(mixed), candidates, rows)
    chosen = choose_parents({k: coded.bins(mixed[k]) for k in wanted}, candidates, effort.parents, shared)
    for k, parents in chosen.items():
        of = tuple(possible[p][0].number(count) for p in parents)
        plans[mixed[k]] = replace(plans[mixed[k]], parents=of, packed=False)
    past = (BEFORE,) if events is None else (BEFORE, IN_EVENT)
    table = _MixedTable(coded, mixed, past, pointer, most_informative(shared, mixed))
    found = _cheapest({mixed[k]: plans[mixed[k]] for k in wanted}, table, effort)
    plans.update((j, sized.plan) for j, sized in found.items())
    _drop_unused(plans, mixed)
    return {j: sized.size for j, sized in found.items()}


@dataclass(frozen=True)
class _MixedTable:
    """Columns that are mixed, in the order of coding.

    Attributes
    ----------
    past
        Places of earlier rows that may be references, but for that which is pointed to.
    telling
        By column: earlier ones that a network may look at, the most informative first.
    """

    coded: CodedColumns
    mixed: Sequence[int]
    past: tuple[int, ...]
    pointer: int | None
    telling: Mapping[int, tuple[int, ...]]

    def earlier(self, number: int) -> Sequence[int]:
        """Return the columns before one."""
        return self.mixed[: self.mixed.index(number)]

    def places(self, number: int) -> tuple[int, ...]:
        """Return the places of earlier rows that may be references of a column."""
        return (*self.past, POINTED) if self.pointer in self.earlier(number) else self.past


def _cheapest(plans: Mapping[int, ColumnPlan], table: _MixedTable, effort: TableEffort) -> dict[int, SizedColumn]:
    """Return the cheapest plan of each of some columns; they are tried at once, as none depends on what others get."""
    coded, numbers = table.coded, list(plans)
    scatter = _scatter(coded, table.mixed) if effort.predictor else None
    trial = ColumnTrial(coded.head(min(coded.rows, _MEASURED)), scatter, effort, coded.rows)

    def tried(ways: Callable[[int], SizedColumn]) -> dict[int, SizedColumn]:
        sizes: list[float] = []
        with shown("learn table", "column", len(numbers)) as step:

            def sized(number: int) -> SizedColumn:
                found = ways(number)
                sizes.append(found.size)
                step(bits_per_row(sum(sizes), trial.head.rows))
                return found

            return dict(zip(numbers, in_parallel(sized, numbers), strict=True))

    plain = tried(lambda j: trial.with_contexts(j, plans[j], table.earlier(j)))
    networks = _networks(table, plain, effort) if effort.network_seconds else {}
    return tried(lambda j: trial.cheapest(j, plain[j], table.places(j), networks.get(j)))


def _networks(table: _MixedTable, plain: Mapping[int, SizedColumn], effort: TableEffort) -> Mapping[int, Network]:
    """Return networks of the mixed columns, as far as time allows and they may pay."""
    targets = []
    for j, sized in plain.items():
        marginal = sized.plan.marginal
        assert marginal is not None
        targets.append(NetworkTarget(j, marginal, table.coded.values(j), table.telling[j], sized.all_bytes))
    return train_networks(targets, table.coded, effort.network_seconds, effort.seed, all_columns=effort.keep_networks)


def _sources(mixed: Sequence[int], pointer: int | None, *, jagged: bool) -> list[tuple[ColumnSource, int]]:
    """What may be known of a row, and the place of the first column in the order of coding that it is known to."""
    found = [(ColumnSource(HERE, j), place + 1) for place, j in enumerate(mixed)]
    for past in (BEFORE, IN_EVENT, SECOND, FIRST) if jagged else (BEFORE,):
        found += [(ColumnSource(past, j), place) for place, j in enumerate(mixed)]
    if pointer in mixed:
        after = mixed.index(pointer) + 1
        found += [(ColumnSource(POINTED, j), max(place, after)) for place, j in enumerate(mixed)]
    return [*found, (ColumnSource(PLACES, POSITION), 0), (ColumnSource(PLACES, SIZE), 0)] if jagged else found


def _candidate(coded: CodedColumns, number: int, first: int) -> Candidate:
    return Candidate(first, lambda rows: coded.known(number).bins[rows])


def _scatter(coded: CodedColumns, mixed: Sequence[int]) -> Scatter | None:
    """Return what predictors learn from; None for tables so wide that it would fill the memory."""
    if len(mixed) > _WIDE:
        return None
    if coded.rows <= _MEASURED:  # trials look at the same rows, and find these features made
        return Scatter.of({j: coded.features(j) for j in mixed})
    rows = np.linspace(0, coded.rows - 1, _MEASURED).astype(np.int64)
    return Scatter.of({j: coded.features_at(j, rows) for j in mixed})


def _varies(symbols: np.ndarray) -> bool:
    return bool(symbols.min() != symbols.max())


def _narrow(limits: SymbolMap) -> bool:
    return limits.high - limits.low < _WIDEST


def _drop_unused(plans: dict[int, ColumnPlan], mixed: Sequence[int]) -> None:
    """Drop the bins of columns that are better packed, unless others have them as parents."""
    count = len(plans)
    needed: set[int] = set()
    for j in reversed(mixed):
        plan = plans[j]
        if plan.packed and j not in needed:
            plans[j] = replace(plan, marginal=None)
        possible = (ColumnSource.of(number, count) for number in plan.parents)
        needed.update(source.column for source in possible if not source.of_event)
        needed.update(plan.predictor.columns if plan.predictor is not None else ())
        needed.update(plan.network.columns if plan.network is not None else ())
