"""Symbols of one column to bytes and back, by context mixing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from baler_core.builtin.models.table.coded_columns import Told
from baler_core.builtin.models.table.contexts.coder import (
    Rehearsal,
    Selectors,
    code_by_counters,
    code_column,
    marginal_counters,
)
from baler_core.builtin.models.table.contexts.decisions import list_decisions
from baler_core.builtin.models.table.contexts.marginals import Marginal
from baler_core.builtin.models.table.contexts.places import Known, place_contexts, recipes, recipes_with_predictor
from baler_core.builtin.models.table.contexts.references import CELLS
from baler_core.builtin.models.table.contexts.trees import BinTree, grow_tree
from baler_core.builtin.models.table.plan import ColumnPlan
from baler_core.entropy.arithmetic import POSITION, Coder, finish, new_decoder, new_encoder
from baler_core.entropy.mixing import new_counters
from baler_core.errors import FormatError

_NONE = np.zeros(0, np.int64)
_SPEED = 4
_SPEED_ADVISED = 3
_THOROUGH = 8
"""Where fewer contexts are mixed at most, it is done by fewer mixers too: faster."""


def encode_symbols(
    symbols: np.ndarray,
    plan: ColumnPlan,
    told: Told,
    contexts: int,
    known: np.ndarray = _NONE,
) -> bytes:
    """Symbols (int64, all inside the plan's range) as bytes.

    Parameters
    ----------
    told
        What is known of each row, those of `known` first.
    contexts
        How many contexts are mixed at most.
    known
        Symbols of rows before these that decoders have too: they are learned from.
    """
    coder = new_encoder(len(symbols) * 10 + 64)
    _run(coder, np.concatenate([known, symbols]), plan, told, contexts, len(known))
    return finish(coder)


def decode_symbols(
    data: bytes,
    rows: int,
    plan: ColumnPlan,
    told: Told,
    contexts: int,
    known: np.ndarray = _NONE,
) -> np.ndarray:
    """The symbols that `encode_symbols` was given."""
    symbols = np.concatenate([known, np.zeros(rows, np.int64)])
    _run(new_decoder(data), symbols, plan, told, contexts, len(known))
    return symbols[len(known) :]


def _rehearse(coder: Coder, rows: int) -> Rehearsal:
    """Make the coder write nowhere until `rows` are over."""
    registers = coder.registers.copy()
    coder.registers[:] = new_encoder(0).registers
    coder.registers[POSITION] = len(coder.data)
    return Rehearsal(rows, registers)


def _run(
    coder: Coder,
    symbols: np.ndarray,
    plan: ColumnPlan,
    told: Told,
    contexts: int,
    known: int,
) -> None:
    marginal, rehearsal, parents = _marginal(plan), _rehearse(coder, known), told.parents
    advised = len(told.mixture.weights) > 0
    tree = grow_tree(marginal)
    if contexts == 1:
        _run_fast(coder, symbols, marginal, tree, parents, rehearsal)
        return
    nodes = len(tree.splits) + (marginal.bins << plan.inner)
    # where a network has spoken, it leaves contexts little to add
    most = contexts * 5 // 8 if advised else contexts
    count = len(parents)
    chosen = recipes_with_predictor(count, most) if plan.predictor else recipes(count, most)
    places = place_contexts(parents, chosen, len(symbols), nodes)
    none = np.zeros(len(symbols), np.int64)
    selectors = Selectors(
        parents[0].bins if parents else none,
        parents[-1].bins if len(parents) > 1 else none,
        bool(parents) and parents[0].own is not None,
    )
    shares = np.concatenate([[0], np.cumsum(marginal.masses)]) << 8
    decisions = list_decisions(tree, plan.inner, shares)
    thorough = contexts >= _THOROUGH
    speed = _SPEED_ADVISED if advised else _SPEED
    counters = new_counters(places.total + CELLS * told.references.shape[1])
    code_column(
        *coder, symbols, tree, plan.inner, places, counters, selectors, told.references, decisions, told.mixture,
        thorough, speed, rehearsal,
    )  # fmt: skip


def _run_fast(
    coder: Coder,
    symbols: np.ndarray,
    marginal: Marginal,
    tree: BinTree,
    parents: Sequence[Known],
    rehearsal: Rehearsal,
) -> None:
    """With the bins of the first parent as the only context."""
    chosen = recipes(min(len(parents), 1), 2)[-1:]
    nodes = max(len(tree.splits), 1)
    places = place_contexts(parents, chosen, len(symbols), nodes)
    counters = marginal_counters(tree.chances, nodes, len(tree.splits), places.total)
    code_by_counters(*coder, symbols, tree, places, counters, rehearsal)


def _marginal(plan: ColumnPlan) -> Marginal:
    if plan.marginal is None:
        raise FormatError("a column of a table is said to be mixed but has no bins")
    return plan.marginal
