"""Symbols of one column to bytes and back, by context mixing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from baler_core.builtin.models.table import tables
from baler_core.builtin.models.table.coder import finish, new_decoder, new_encoder
from baler_core.builtin.models.table.contexts import Known, context_tables, recipes, recipes_with_predictor
from baler_core.builtin.models.table.marginals import Marginal
from baler_core.builtin.models.table.mixing import HALF_COUNTER, code_by_counters, code_column, marginal_counters
from baler_core.builtin.models.table.plan import ColumnPlan
from baler_core.builtin.models.table.trees import BinTree, grow_tree
from baler_core.errors import FormatError

_SELECTED = 128
_SPEED = 4
_NONE = np.zeros(0, np.int64)


def encode_symbols(
    symbols: np.ndarray, plan: ColumnPlan, parents: Sequence[Known], contexts: int, known: np.ndarray = _NONE
) -> bytes:
    """Symbols (int64, all inside the plan's range) as bytes.

    Parameters
    ----------
    parents
        What is known of each row, those of `known` first, in the order of `plan.parents`.
    contexts
        How many contexts are mixed at most.
    known
        Symbols of rows before these that decoders have too: they are learned from.
    """
    state = new_encoder()
    out = np.zeros(len(symbols) * 10 + 64, np.uint8)
    _run(False, state, out, np.concatenate([known, symbols]), plan, parents, contexts, len(known))
    return out[: finish(state, out)].tobytes()


def decode_symbols(
    data: bytes, rows: int, plan: ColumnPlan, parents: Sequence[Known], contexts: int, known: np.ndarray = _NONE
) -> np.ndarray:
    """The symbols that `encode_symbols` was given."""
    stored = np.frombuffer(data, np.uint8).copy()
    symbols = np.concatenate([known, np.zeros(rows, np.int64)])
    _run(True, new_decoder(stored), stored, symbols, plan, parents, contexts, len(known))
    return symbols[len(known) :]


def _run(
    decoding: bool,
    state: np.ndarray,
    data: np.ndarray,
    symbols: np.ndarray,
    plan: ColumnPlan,
    parents: Sequence[Known],
    contexts: int,
    known: int,
) -> None:
    marginal = _marginal(plan)
    tree = grow_tree(marginal.masses)
    if contexts == 1:
        _run_fast(decoding, state, data, symbols, marginal, tree, parents, known)
        return
    places = tree.nodes + (marginal.bins << plan.inner)
    count = len(parents)
    chosen = recipes_with_predictor(count, contexts) if plan.predictor else recipes(count, contexts)
    context = context_tables(parents, chosen, len(symbols), places)
    counters = np.full(context.places, HALF_COUNTER, np.int32)
    selector = np.minimum(parents[0].bins, _SELECTED - 1) if parents else np.zeros(len(symbols), np.int64)
    own_selects = bool(parents) and parents[0].own
    code_column(
        decoding, state, data, symbols, marginal.edges, tree.children, tree.splits, tree.chances, tree.depths,
        plan.inner, context.base, context.masks, context.offsets, context.own, context.classes, counters,
        selector, own_selects, _SELECTED,
        tables.stretch_table(), tables.squash_table(), tables.trust_table(), tables.rate_table(), _SPEED, known,
    )  # fmt: skip


def _run_fast(
    decoding: bool,
    state: np.ndarray,
    data: np.ndarray,
    symbols: np.ndarray,
    marginal: Marginal,
    tree: BinTree,
    parents: Sequence[Known],
    known: int,
) -> None:
    """With the bins of the first parent as the only context."""
    chosen = recipes(min(len(parents), 1), 2)[-1:]
    places = max(tree.nodes, 1)
    context = context_tables(parents, chosen, len(symbols), places)
    counters = marginal_counters(tree.chances, places, tree.nodes, context.places)
    code_by_counters(
        decoding, state, data, symbols, marginal.edges, tree.children, tree.splits, context.base[:, 0].copy(),
        int(context.own[0]), int(context.classes[0]), int(context.masks[0]), counters, tables.rate_table(), known,
    )  # fmt: skip


def _marginal(plan: ColumnPlan) -> Marginal:
    if plan.marginal is None:
        raise FormatError("a column of a table is said to be mixed but has no bins")
    return plan.marginal
