"""Plan a table on a sample: relations, symbols, bins, order and parents, each chosen by what it saves."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from baler_core.builtin.models.table.columns import coded, own_codes, predicted
from baler_core.builtin.models.table.contexts.symbols import SymbolMap, choose_maps
from baler_core.builtin.models.table.effort import TableEffort
from baler_core.builtin.models.table.events import Events
from baler_core.builtin.models.table.mixing_plan import CodingOrder, choose_contexts
from baler_core.builtin.models.table.plan import ColumnPlan, TablePlan
from baler_core.builtin.models.table.relations.centre import fit_centre
from baler_core.builtin.models.table.relations.order import entropy
from baler_core.builtin.models.table.relations.relation import Relation
from baler_core.builtin.models.table.relations.residuals import FAR, residuals
from baler_core.builtin.models.table.relations.scales import OwnSteps
from baler_core.builtin.models.table.relations.search import SampledColumn, find_relations
from baler_core.builtin.models.table.sample import TableSample
from baler_core.builtin.models.table.schedule import FEWEST_ROWS
from baler_core.builtin.models.table.trials import SHORT
from baler_core.data.bounds import Tolerance
from baler_core.data.formulas import Formula
from baler_core.entropy.integers import pack_integers
from baler_core.machine.records import dataclass
from baler_core.quantise.lattice import IntegerLattice
from baler_core.quantise.own_steps import own_points

_COMPARED = 1 << 12
"""Rows on which plans of the whole table are compared."""
StepWay = Literal["plain", "octaves", "quarters", "centre"]
"""How steps of their own count: as wide as may be, in few widths, or from a sum of other columns."""
_RUNGS: Mapping[StepWay, int] = {"octaves": 1, "quarters": 4}
_CENTRES: tuple[StepWay, ...] = ("centre",)
_COMMON, _BELOW = 0.02, 0.99
"""Share of rows whose steps are below the one that widths count from; and what part of that, so that no step that
another machine may restore by a last bit otherwise lies where widths change."""
_WAY_BYTES, _WORTH = 12.0, 0.01
"""What another way than the plain one takes in the plan, about, and what share of such columns it must save."""
_FEWEST_POINTING = 0.2
"""Share of rows that must point somewhere."""
_MOST_STRAY = 0.001
"""Share of rows whose number may lie outside their event."""


def make_plan(sample: TableSample, formulas: Sequence[Formula], effort: TableEffort) -> TablePlan:
    """Return the plan for a table."""
    scaled = sample.scales.tolerances
    relations = find_relations(sample.columns, formulas, scaled, virtual=effort.predictor)
    maps = {
        number: choose_maps(column.lattice.codes(column.values), whole=sample.whole)
        for number, column in enumerate(sample.columns)
        if number not in relations and number not in scaled
    }
    sample = replace(sample, maps=maps)
    few, quick = sample.head(_COMPARED), effort.quick
    ways, plain = _cheapest_ways(few, relations, quick) if scaled else ({}, None)
    differences = False
    undecided = [pair for pair in maps.values() if pair[0].kind != pair[1].kind]
    if undecided:
        plain = plain or _plan_with(few, relations, quick, differences=False, ways=ways)
        eager = _plan_with(few, relations, quick, differences=True, ways=ways)
        share = len(few.columns[0].values) / len(sample.columns[0].values)
        listed = [_dictionary_bytes([pair[k] for pair in undecided]) * share for k in (False, True)]
        differences = eager.size + listed[True] < plain.size + listed[False]
        plain = eager if differences else plain
    if plain is not None and _is_full(few, sample, quick, effort):
        return plain.plan
    return _plan_with(sample, relations, effort, differences=differences, ways=ways).plan


def _dictionary_bytes(maps: Sequence[SymbolMap]) -> int:
    """Return what the dictionaries of some columns take in the plan, about."""
    words = [np.diff(one.dictionary, prepend=np.int64(0)) for one in maps]
    return len(pack_integers(np.concatenate(words), thorough=False))


def _is_full(few: TableSample, sample: TableSample, quick: TableEffort, effort: TableEffort) -> bool:
    """Return whether a plan that was made to compare is what would be made of it in full."""
    rows = len(sample.columns[0].values)
    networks = effort.network_seconds > 0 and rows >= FEWEST_ROWS
    as_tried = rows < SHORT and quick.contexts == effort.contexts
    return not networks and as_tried and len(few.columns[0].values) == rows


def _cheapest_ways(
    sample: TableSample, relations: Mapping[int, Relation], effort: TableEffort
) -> tuple[dict[int, StepWay], _SizedPlan | None]:
    """Return for each column that counts in steps of its own, how it does so in the fewest bytes, and the plan with that.

    Others learn less from columns that count from a sum: these must be worth it for the whole table.
    """
    scaled = tuple(sample.scales.tolerances)
    plain: dict[int, StepWay] = dict.fromkeys(scaled, "plain")
    if effort.contexts <= 1:
        return plain, None

    def sized(ways: Mapping[int, StepWay], only: Collection[int] | None = None) -> _SizedPlan:
        return _plan_with(sample, relations, effort, differences=False, ways=ways, only=only)

    best, least = plain, sized(plain)
    for alternatives in (_RUNGS, _CENTRES):
        found = {way: sized({**best, **dict.fromkeys(scaled, way)}, scaled).sizes for way in alternatives}
        chosen = dict(best)
        for number in scaled:
            way, size = min(((w, s.get(number, np.inf)) for w, s in found.items()), key=lambda pair: pair[1])
            if size + _WAY_BYTES < least.sizes.get(number, np.inf):
                chosen[number] = way
        together = sized(chosen) if chosen != best else least
        if together.size < least.size - _WORTH * sum(least.sizes.get(n, 0.0) for n in scaled):
            best, least = chosen, together
    return best, least


@dataclass(frozen=True)
class _SizedPlan:
    """A plan, and how many bytes the first rows took with it, by column."""

    plan: TablePlan
    sizes: Mapping[int, float]

    @property
    def size(self) -> float:
        """Bytes of all columns."""
        return sum(self.sizes.values())


def _plan_with(
    sample: TableSample,
    relations: Mapping[int, Relation],
    effort: TableEffort,
    *,
    differences: bool,
    ways: Mapping[int, StepWay],
    only: Collection[int] | None = None,
) -> _SizedPlan:
    """Return the plan that takes differences of rows gladly or reluctantly; of some columns if others do not matter."""
    columns = sample.columns
    plans: dict[int, ColumnPlan] = {}
    symbols: dict[int, np.ndarray] = {}
    restored: dict[int, np.ndarray] = {}
    scales = sample.scales
    scaled = scales.parents_first(list(scales.tolerances))
    for number in [*(j for j in range(len(columns)) if j not in {*relations, *scaled}), *relations, *scaled]:
        plan, tolerance = ColumnPlan(columns[number].lattice, SymbolMap("codes", 0, 0)), columns[number].tolerance
        if number in scales.tolerances:
            tolerance = scales.of(number, restored)
            plan = _in_own_steps(columns[number], plan, restored, tolerance, ways[number])
        elif number in relations:
            plan = replace(plan, relation=relations[number], steps=columns[number].steps)
            plan = replace(plan, symbols=_residual_map(columns[number], plan, restored))
        else:
            plan = replace(plan, symbols=sample.maps[number][differences])
        found, restored[number] = coded(columns[number].values, plan, restored, tolerance)
        plans[number], symbols[number] = plan, found.values
    order = sorted(plans, key=lambda j: entropy(symbols[j]))
    pointer = None if sample.events is None else _find_pointer(plans, symbols, sample.events)
    order.sort(key=lambda j: j != pointer)
    order = scales.parents_first(order)
    coding = CodingOrder(order, sample.events, pointer)
    sizes = choose_contexts(plans, symbols, coding, effort, only)
    return _SizedPlan(
        TablePlan(tuple(plans[j] for j in range(len(columns))), tuple(order), (*relations, *scaled), pointer), sizes
    )


def _find_pointer(plans: Mapping[int, ColumnPlan], symbols: Mapping[int, np.ndarray], events: Events) -> int | None:
    """Find the column of a sample that points from most rows to earlier rows of their events; None if there is none.

    Columns of small counts may look like one. It does no harm: a pointed-to row is used where that saves bytes.
    """
    most, best = _FEWEST_POINTING * max(1, events.rows), None
    for number, plan in plans.items():
        if not _can_point(plan):
            continue
        stray = (symbols[number] < -1) | (symbols[number] >= events.size)
        count = int((events.earlier(symbols[number]) >= 0).sum())
        if stray.sum() <= _MOST_STRAY * stray.size and count > most and symbols[number].max() > 0:
            most, best = count, number
    return best


def _can_point(plan: ColumnPlan) -> bool:
    """Return whether a column can be a pointer: plain integers, whose symbols are their values."""
    lattice = plan.lattice
    plain = isinstance(lattice, IntegerLattice) and (lattice.spacing, lattice.merge, lattice.first) == (1, 1, 0)
    return plain and not lattice.specials and plan.symbols.kind == "codes" and plan.relation is None


def _residual_map(column: SampledColumn, plan: ColumnPlan, restored: Mapping[int, np.ndarray]) -> SymbolMap:
    """Return the range of the residuals that occur, and below it places for special values."""
    assert plan.steps is not None
    special = plan.lattice.quantise(column.values)[1]
    found = residuals(column.values, predicted(plan, restored), plan.lattice, plan.steps)
    found = found[(found != FAR) & (special == 0)]
    low, high = min(int(found.min(initial=0)), 0), max(int(found.max(initial=0)), 0)
    return SymbolMap("codes", low - len(plan.lattice.specials), high)


def _in_own_steps(
    column: SampledColumn,
    plan: ColumnPlan,
    restored: Mapping[int, np.ndarray],
    tolerance: Tolerance,
    way: StepWay,
) -> ColumnPlan:
    """Return the plan of a column in steps of its own, with the range of their numbers and places for special values."""
    steps = OwnSteps(own_points(column.values))
    assert tolerance.each is not None
    known = tolerance.each[tolerance.each > 0]
    if way in _RUNGS and known.size:
        steps = replace(steps, rungs=_RUNGS[way], base=_BELOW * float(np.quantile(known, _COMMON)))
    elif way == "centre":
        steps = fit_centre(column.values, tolerance, restored, steps.points) or steps
    found = own_codes(column.values, steps, restored, tolerance)
    low, high = min(int(found.min(initial=0)), 0), max(int(found.max(initial=0)), 0)
    return replace(plan, own_steps=steps, symbols=SymbolMap("codes", low - len(plan.lattice.specials), high))
