"""Write the symbols of one column as bytes by context mixing, and read them back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import xxhash

from baler_core.builtin.models.table.coded_columns import ColumnContext
from baler_core.builtin.models.table.contexts.coder import (
    ColumnCoding,
    Selectors,
    WarmUp,
    code_column,
)
from baler_core.builtin.models.table.contexts.decisions import list_decisions
from baler_core.builtin.models.table.contexts.marginals import Marginal
from baler_core.builtin.models.table.contexts.one_context import code_by_counters, marginal_counters
from baler_core.builtin.models.table.contexts.places import (
    ParentColumn,
    place_contexts,
    place_first,
    recipes,
    recipes_with_predictor,
)
from baler_core.builtin.models.table.contexts.references import CELLS
from baler_core.builtin.models.table.contexts.trees import BinTree, grow_tree
from baler_core.builtin.models.table.plan import ColumnPlan
from baler_core.entropy.arithmetic import POSITION, Coder, finish, new_decoder, new_encoder
from baler_core.entropy.mixing import new_counters
from baler_core.errors import FormatError
from baler_core.machine.recent import Recent

_NONE = np.zeros(0, np.int64)
_SHORT = 2000
"""Rows up to which bytes are kept for a while: of short tables, what was measured for the plan is what is written by it."""
_MADE: Final[Recent[bytes]] = Recent(1 << 20)
_RATE = 4
_RATE_ADVISED = 3
"""How fast mixers learn in the end, without and with a network."""
_THOROUGH = 8
"""Where fewer contexts are mixed at most, it is done by fewer mixers too: faster."""


def encode_symbols(
    symbols: np.ndarray,
    plan: ColumnPlan,
    context: ColumnContext,
    contexts: int,
    known: np.ndarray = _NONE,
) -> bytes:
    """Write symbols (int64, all inside the plan's range) as bytes.

    Parameters
    ----------
    context
        What is known of each row, those of `known` first.
    contexts
        How many contexts are mixed at most, where the plan does not say.
    known
        Symbols of rows before these that decoders have too: they are learned from.
    """
    contexts = plan.contexts or contexts
    if len(symbols) > _SHORT or len(known) or len(context.mixture.weights):
        return _encoded(symbols, plan, context, contexts, known)
    key = _all_that_matters(symbols, plan, context), contexts
    made = _MADE.get(key)
    if made is None:
        made = _encoded(symbols, plan, context, contexts, known)
        _MADE.put(key, made, len(made))
    return made


def _encoded(symbols: np.ndarray, plan: ColumnPlan, context: ColumnContext, contexts: int, known: np.ndarray) -> bytes:
    coder = new_encoder(len(symbols) * 10 + 64)
    _run(coder, np.concatenate([known, symbols]), plan, context, contexts, len(known))
    return finish(coder)


def _all_that_matters(symbols: np.ndarray, plan: ColumnPlan, context: ColumnContext) -> bytes:
    """Return a digest of what the bytes of a column follow from, if it has neither network nor rows known before."""
    marginal = _marginal(plan)
    arrays = [symbols, marginal.edges, marginal.levels, context.references]
    numbers = [plan.inner, plan.predictor is not None, context.rows]
    for parent in context.parents:
        own = () if parent.own is None else (parent.own,)
        arrays += [parent.values, parent.bins, *own]
        numbers += [parent.count, len(own)]
    digest = xxhash.xxh3_128(repr((numbers, [one.shape for one in arrays])).encode())
    for one in arrays:
        digest.update(one.tobytes())
    return digest.digest()


def decode_symbols(
    data: bytes,
    rows: int,
    plan: ColumnPlan,
    context: ColumnContext,
    contexts: int,
    known: np.ndarray = _NONE,
) -> np.ndarray:
    """Decode the symbols that `encode_symbols` was given."""
    symbols = np.concatenate([known, np.zeros(rows, np.int64)])
    _run(new_decoder(data), symbols, plan, context, plan.contexts or contexts, len(known))
    return symbols[len(known) :]


def _begin_warm_up(coder: Coder, rows: int) -> WarmUp:
    """Make the coder write nowhere until `rows` are over."""
    registers = coder.registers.copy()
    if rows:
        coder.registers[:] = new_encoder(0).registers
        coder.registers[POSITION] = len(coder.data)
    return WarmUp(rows, registers)


def _run(
    coder: Coder,
    symbols: np.ndarray,
    plan: ColumnPlan,
    context: ColumnContext,
    contexts: int,
    known: int,
) -> None:
    marginal, warm_up, parents = _marginal(plan), _begin_warm_up(coder, known), context.parents
    advised = len(context.mixture.weights) > 0
    tree = grow_tree(marginal)
    if contexts == 1:
        _run_fast(coder, symbols, tree, context, warm_up)
        return
    nodes = len(tree.splits) + (marginal.bins << plan.inner)
    # where a network has spoken, it leaves contexts little to add
    most = contexts * 5 // 8 if advised else contexts
    count = len(parents)
    chosen = recipes_with_predictor(count, most) if plan.predictor else recipes(count, most)
    slots = place_contexts(parents, chosen, len(symbols), nodes, len(symbols))
    selectors = _selectors(parents, len(symbols))
    shares = np.concatenate([[0], np.cumsum(marginal.masses)]) << 8
    column = ColumnCoding(
        tree,
        plan.inner,
        slots,
        new_counters(slots.total + CELLS * context.references.shape[1]),
        selectors,
        context.references,
        list_decisions(tree, plan.inner, shares),
        context.mixture,
        contexts >= _THOROUGH,
        _RATE_ADVISED if advised else _RATE,
        warm_up,
    )
    code_column(coder, symbols, column)


def _selectors(parents: Sequence[ParentColumn], rows: int) -> Selectors:
    none = np.zeros(rows, np.int64)
    last = parents[-1].bins if len(parents) > 1 else none
    return Selectors(parents[0].bins if parents else none, last, bool(parents) and parents[0].own is not None)


def _run_fast(
    coder: Coder,
    symbols: np.ndarray,
    tree: BinTree,
    context: ColumnContext,
    warm_up: WarmUp,
) -> None:
    """Code with the bins of the first parent as the only context."""
    nodes = max(len(tree.splits), 1)
    places = place_first(context.parents, len(symbols), nodes, context.rows)
    counters = marginal_counters(tree.chances, nodes, len(tree.splits), int(places.masks[0]) + 1)
    code_by_counters(coder, symbols, tree, places, counters, warm_up)


def _marginal(plan: ColumnPlan) -> Marginal:
    if plan.marginal is None:
        raise FormatError("a column of a table is said to be mixed but has no bins")
    return plan.marginal
