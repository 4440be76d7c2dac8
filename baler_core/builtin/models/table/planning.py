"""A sample of a table to a plan: relations, symbols, bins, order and parents, each chosen by what it saves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from baler_core.builtin.models.table.columns import predicted, to_symbols, to_values
from baler_core.builtin.models.table.contexts import Known
from baler_core.builtin.models.table.derive import FAR, residuals
from baler_core.builtin.models.table.marginals import fit_marginal, knots_wanted
from baler_core.builtin.models.table.order import choose_parents, entropy
from baler_core.builtin.models.table.plan import ColumnPlan, TablePlan
from baler_core.builtin.models.table.relations import Column, find_relations
from baler_core.builtin.models.table.streams import encode_symbols, known_parents
from baler_core.builtin.models.table.symbols import SymbolMap, choose_map
from baler_core.entropy import pack_integers
from baler_core.formulas import Formula

_MEASURED = 1 << 14
_WIDEST = 2**46
"""Symbols over a wider range are packed, not mixed."""
_INNER = (0, 2, 5)
_FEWEST_ROWS = 64


@dataclass(frozen=True)
class Effort:
    """How hard the model tries.

    Attributes
    ----------
    contexts
        How many contexts are mixed at most.
    parents
        How many parents a column may have.
    """

    contexts: int
    parents: int


def make_plan(columns: Sequence[Column], formulas: Sequence[Formula], effort: Effort, *, whole: bool) -> TablePlan:
    """The plan for a table of which `columns` hold a sample, or the whole."""
    relations = find_relations(columns, formulas)
    plans: dict[int, ColumnPlan] = {}
    symbols: dict[int, np.ndarray] = {}
    restored: dict[int, np.ndarray] = {}
    for number in [*(j for j in range(len(columns)) if j not in relations), *relations]:
        plan = ColumnPlan(columns[number].lattice, SymbolMap("codes", 0, 0))
        if number in relations:
            plan = replace(plan, relation=relations[number], steps=columns[number].steps)
            plan = replace(plan, symbols=_residual_map(columns[number], plan, restored))
        else:
            plan = replace(plan, symbols=choose_map(plan.lattice.codes(columns[number].values), whole=whole))
        found = to_symbols(columns[number].values, plan, restored, columns[number].tolerance)
        assert found is not None
        restored[number] = to_values(found, plan, restored)
        plans[number], symbols[number] = plan, found.values
    order = sorted(plans, key=lambda j: entropy(symbols[j]))
    plans = _with_contexts(plans, symbols, order, effort)
    return TablePlan(tuple(plans[j] for j in range(len(columns))), tuple(order), tuple(relations))


def _residual_map(column: Column, plan: ColumnPlan, restored: Mapping[int, np.ndarray]) -> SymbolMap:
    """The range of the residuals that occur, and below it places for special values."""
    assert plan.steps is not None
    special = plan.lattice.quantise(column.values)[1]
    found = residuals(column.values, predicted(plan, restored), plan.lattice, plan.steps)
    found = found[(found != FAR) & (special == 0)]
    low, high = min(int(found.min(initial=0)), 0), max(int(found.max(initial=0)), 0)
    return SymbolMap("codes", low - len(plan.lattice.specials), high)


def _with_contexts(
    plans: dict[int, ColumnPlan], symbols: Mapping[int, np.ndarray], order: Sequence[int], effort: Effort
) -> dict[int, ColumnPlan]:
    """Plans with bins, parents and depth of mixing for every column that gains from being mixed."""
    rows = len(symbols[0])
    bins = knots_wanted(rows)
    mixed = [j for j in order if rows >= _FEWEST_ROWS and _varies(symbols[j]) and _narrow(plans[j].symbols)]
    if not mixed:
        return plans
    for j in mixed:
        limits = plans[j].symbols
        plans[j] = replace(plans[j], marginal=fit_marginal(symbols[j], limits.low - 1, limits.high, bins))
    known = {j: known_symbols(symbols[j], plans[j]) for j in mixed}
    chosen = choose_parents([known[j].bins for j in mixed], range(len(mixed)), effort.parents)
    count = len(plans)
    for j, parents in zip(mixed, chosen, strict=True):
        numbers = (mixed[p] if p < len(mixed) else count + mixed[p - len(mixed)] for p in parents)
        plans[j] = _cheapest(
            j, replace(plans[j], parents=tuple(numbers), packed=False), symbols[j], known, count, effort
        )
    return _without_unused(plans, mixed)


def _varies(symbols: np.ndarray) -> bool:
    return bool(symbols.min() != symbols.max())


def _narrow(limits: SymbolMap) -> bool:
    return limits.high - limits.low < _WIDEST


def known_symbols(symbols: np.ndarray, plan: ColumnPlan) -> Known:
    """What a column tells to later ones."""
    assert plan.marginal is not None
    return Known(symbols, plan.marginal.bin_of(symbols), plan.marginal.bins)


def _cheapest(
    number: int, plan: ColumnPlan, symbols: np.ndarray, known: Mapping[int, Known], columns: int, effort: Effort
) -> ColumnPlan:
    """The plan mixed to the depth that pays, or with `inner` -1 if packing is smaller, measured on the first rows."""
    rows = min(len(symbols), _MEASURED)
    needed = {p % columns for p in plan.parents} - {number}
    head = {j: Known(known[j].values[:rows], known[j].bins[:rows], known[j].count) for j in needed}
    parents = known_parents(number, plan, head, columns, rows)
    widest = int(np.diff(plan.marginal.edges).max()) if plan.marginal is not None else 1
    sizes = {-1: float(len(pack_integers(symbols[:rows])))}
    for inner in _INNER:
        if not inner or widest > 1 << (inner - 1):
            coded = encode_symbols(symbols[:rows], replace(plan, inner=inner), parents, effort.contexts)
            sizes[inner] = len(coded) + 2.5 * (0 if plan.marginal is None else plan.marginal.bins) * rows / len(symbols)
    return replace(plan, inner=min(sizes, key=lambda inner: sizes[inner]))


def _without_unused(plans: dict[int, ColumnPlan], mixed: Sequence[int]) -> dict[int, ColumnPlan]:
    """Columns that are better packed lose their bins, unless others have them as parents."""
    count = len(plans)
    for j in reversed(mixed):
        packed = plans[j].inner < 0
        if packed:
            plans[j] = replace(plans[j], inner=0, parents=(), packed=True)
            needed = any(j in (p % count for p in plan.parents) for plan in plans.values())
            if not needed:
                plans[j] = replace(plans[j], marginal=None)
    return plans
