"""Hold the plan of a table (how each column becomes symbols and how these are coded), and write it."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from baler_core.builtin.models.table.contexts.marginals import Marginal
from baler_core.builtin.models.table.contexts.predictor import Predictor
from baler_core.builtin.models.table.contexts.symbols import KINDS, SymbolMap
from baler_core.builtin.models.table.events import BEFORE, IN_EVENT, POINTED
from baler_core.builtin.models.table.network.flow import Flow
from baler_core.builtin.models.table.network.inference import Network
from baler_core.builtin.models.table.network.weights import networks_to_bytes
from baler_core.builtin.models.table.relations.relation import LINEAR, Relation
from baler_core.builtin.models.table.relations.residuals import Steps
from baler_core.builtin.models.table.relations.scales import OwnSteps
from baler_core.entropy.bytes import squeeze
from baler_core.entropy.integers import pack_integers
from baler_core.entropy.varint import write_sized, write_varint, zigzag
from baler_core.machine.records import dataclass
from baler_core.quantise.lattice import Lattice

REFERENCES = (BEFORE, IN_EVENT, POINTED)
MOST_CONTEXTS = 16
STEP_KINDS = ("log", "plain", "whole", "codes")
OWN_STEPS = 1 + len(STEP_KINDS)
_PER_CONTEXT = 2 << len(REFERENCES)


@dataclass(frozen=True)
class ColumnPlan:
    """How one column is coded.

    Attributes
    ----------
    lattice
        Values to codes.
    symbols
        Codes (or residuals) to symbols.
    marginal
        Bins of the symbols; None if no column needs them.
    parents
        Numbers of the sources that make its contexts: columns of this or an earlier row, or the event.
    inner
        How many halvings inside a bin are mixed.
    predictor
        A further parent, after the others: classes of a score predicted from all earlier columns.
    packed
        The symbols are packed, not mixed.
    network
        Predicts a mixture over scores from earlier columns.
    relation, steps
        From which columns it follows, and how its residuals count; None for a column by itself.
    references
        Places of earlier rows whose distance from each cut is a context: of REFERENCES, in that order.
    contexts
        How many contexts are mixed at most, 1 for counters of one context alone; 0 for as many as the effort says.
    own_steps
        How it counts in steps as wide as each value's own tolerance; None for a column with one tolerance.
    """

    lattice: Lattice
    symbols: SymbolMap
    marginal: Marginal | None = None
    parents: tuple[int, ...] = ()
    inner: int = 0
    packed: bool = True
    predictor: Predictor | None = None
    network: Network | None = None
    relation: Relation | None = None
    steps: Steps | None = None
    references: tuple[int, ...] = ()
    own_steps: OwnSteps | None = None
    contexts: int = 0

    @property
    def bins(self) -> int:
        """How many bins the symbols have; 0 where these are not mixed."""
        return 0 if self.marginal is None else self.marginal.bins

    @property
    def is_derived(self) -> bool:
        """Whether values follow from restored ones of other columns."""
        return self.relation is not None or self.own_steps is not None

    @property
    def derived_from(self) -> tuple[int, ...]:
        """Columns that its relation, or the sum that its steps count from, needs."""
        if self.own_steps is not None:
            return self.own_steps.parents
        return () if self.relation is None else self.relation.parents


class TablePlan(NamedTuple):
    """Plans of all columns.

    Attributes
    ----------
    order
        Column numbers in the order in which symbols are coded.
    derived
        Columns that follow from others by a relation or by their tolerances, parents first.
    pointer
        The column that points to earlier rows of the same event.
    flow
        Predicts mixtures of columns, in place of networks of their own; stored apart.
    """

    columns: Sequence[ColumnPlan]
    order: tuple[int, ...]
    derived: tuple[int, ...]
    pointer: int | None = None
    flow: Flow | None = None


def plan_to_bytes(plan: TablePlan) -> bytes:
    """Write a plan as bytes."""
    lattices = b"".join(c.lattice.to_bytes() for c in plan.columns)
    numbers: list[int] = [*plan.order, len(plan.derived), *plan.derived]
    knots: list[np.ndarray] = [np.zeros(0, np.int64)]
    levels: list[np.ndarray] = [np.zeros(0, np.uint8)]
    weights: list[np.ndarray] = [np.zeros(0, np.int64)]
    words: list[np.ndarray] = [np.zeros(0, np.int64)]
    networks: list[Network] = []
    extra = b""
    for column in plan.columns:
        numbers += _column_numbers(column)
        extra += _relation_bytes(column)
        if column.marginal is not None:
            knots.append(np.diff(column.marginal.edges))
            levels.append(column.marginal.levels)
        if column.predictor is not None:
            weights.append(column.predictor.weights.astype(np.int64).ravel())
        if column.network is not None:
            networks.append(column.network)
        words.append(np.diff(column.symbols.dictionary, prepend=np.int64(0)))
    numbers += [] if plan.pointer is None else [plan.pointer]
    parts = [lattices, b"".join(write_varint(n) for n in numbers), extra]
    packed = [np.concatenate(arrays).astype(np.int64) for arrays in (knots, levels, words, weights)]
    body = b"".join(write_sized(write_varint(len(part)) + squeeze(part)) for part in parts)
    body += b"".join(write_sized(write_varint(a.size) + pack_integers(a)) for a in packed)
    return body + networks_to_bytes(networks)


def _column_numbers(column: ColumnPlan) -> list[int]:
    symbols, marginal = column.symbols, column.marginal
    found = [KINDS.index(symbols.kind), zigzag(symbols.low), symbols.high - symbols.low, len(symbols.dictionary)]
    found += [column.bins]
    if marginal is not None:
        found += [
            int(column.packed) + 2 * _references_number(column.references) + _PER_CONTEXT * column.contexts,
            column.inner,
            len(column.parents),
            *column.parents,
        ]
        looked = () if column.predictor is None else column.predictor.columns
        found += [len(looked), *looked]
        found += [0] if column.network is None else [_width(column.network), *_seen(column.network)]
    return found


def _references_number(references: tuple[int, ...]) -> int:
    return sum(1 << k for k, place in enumerate(REFERENCES) if place in references)


def _width(network: Network) -> int:
    return len(network.bias)


def _seen(network: Network) -> list[int]:
    return [len(network.columns), *network.columns]


def _relation_bytes(column: ColumnPlan) -> bytes:
    relation, steps = column.relation, column.steps
    if column.own_steps is not None:
        return bytes([OWN_STEPS]) + column.own_steps.to_bytes()
    if relation is None or steps is None:
        return b"\0"
    out = bytes([1 + STEP_KINDS.index(steps.kind)]) + struct.pack("<d", steps.step)
    out += write_sized(relation.name.encode()) + write_varint(len(relation.parents))
    out += b"".join(write_varint(p) for p in relation.parents) + write_varint(len(relation.constants))
    if relation.name == LINEAR:
        return out + b"".join(write_varint(zigzag(round(4 * a))) for a in relation.constants)
    return out + struct.pack(f"<{len(relation.constants)}d", *relation.constants)
