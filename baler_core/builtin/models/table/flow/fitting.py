"""Train a flow on the sample of a table, and keep what of it pays."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from baler_core.builtin.models.table.blocks import all_symbols
from baler_core.builtin.models.table.coded_columns import CodedColumns
from baler_core.builtin.models.table.contexts.symbols import smooth_bits
from baler_core.builtin.models.table.network.flow import INPUT_ONE, MOST_COLUMNS, Flow
from baler_core.builtin.models.table.network.weights import networks_to_bytes
from baler_core.builtin.models.table.plan import ColumnPlan, TablePlan
from baler_core.builtin.models.table.sample import TableSample
from baler_core.builtin.models.table.schedule import ends_of
from baler_core.builtin.models.table.streams import encode_symbols
from baler_core.builtin.training.loop import History
from baler_core.builtin.training.run import seeded, train_network
from baler_core.machine.records import dataclass
from baler_core.plugin.interfaces import Training

logger = logging.getLogger(__name__)

_PENALTY = 100.0
_MEASURED = 1 << 13
"""Rows that are encoded to see which columns gain."""


@dataclass(frozen=True)
class FlowTask:
    """What a flow is trained for.

    Attributes
    ----------
    plan
        Of the table, perhaps with networks of single columns.
    sample
        Rows of it.
    hidden
        Units of both layers.
    contexts
        How many contexts are mixed at most.
    keep
        Whether to keep it although it does not pay.
    """

    plan: TablePlan
    sample: TableSample
    hidden: tuple[int, int]
    contexts: int
    keep: bool = False


@dataclass(frozen=True)
class FittedFlow:
    """A flow that pays, if there is one.

    Attributes
    ----------
    plan
        With the flow in place of the networks of the columns that it tells.
    histories
        How training went, by seed.
    """

    plan: TablePlan
    histories: Mapping[int, History]

    @property
    def losses(self) -> Mapping[int, float]:
        """The lowest loss of each seed, the best seed first."""
        found = {seed: _lowest(history) for seed, history in self.histories.items()}
        return dict(sorted(found.items(), key=lambda pair: pair[1]))


def fit_flow(task: FlowTask, training: Training, name: str) -> FittedFlow:
    """Train flows from all seeds, and keep the best one, in the columns that gain from it."""
    plan, sample = task.plan, task.sample
    values, tolerances = [c.values for c in sample.columns], [c.tolerance for c in sample.columns]
    scales = sample.scales.knowing(sample.known)
    found, _ = all_symbols(values, tolerances, plan, scales)
    symbols = {number: one.values for number, one in found.items()}
    columns = _chosen(plan, symbols)
    if len(columns) < 2:
        return FittedFlow(plan, {})
    coded = _coded(plan, symbols, sample, len(values[0]))
    jagged = sample.events is not None
    rows = _training_rows(plan, symbols, coded, columns, jagged=jagged)
    flows, histories = _train(rows, columns, task.hidden, training, name, jagged=jagged)
    best = min(histories, key=lambda seed: _lowest(histories[seed]))
    with_flow, saved = _paying(task, flows[best], symbols)
    if task.keep or saved > 0:
        return FittedFlow(with_flow, histories)
    logger.info("%s: the flow would take more bytes than it saves, and is left out", name)
    return FittedFlow(plan, histories)


def _chosen(plan: TablePlan, symbols: Mapping[int, np.ndarray]) -> tuple[int, ...]:
    """The columns of a flow, in their order: of those that are mixed, the ones with the most bits."""
    mixed = [
        n for n in plan.order if n in symbols and plan.columns[n].marginal is not None and not plan.columns[n].packed
    ]
    largest = sorted(mixed, key=lambda n: -smooth_bits(symbols[n]))[:MOST_COLUMNS]
    return tuple(n for n in mixed if n in {*largest})


def _coded(
    plan: TablePlan, symbols: Mapping[int, np.ndarray], sample: TableSample, rows: int, flow: Flow | None = None
) -> CodedColumns:
    events = (
        sample.events if sample.events is None or rows == sample.events.rows else sample.events.part(slice(0, rows))
    )
    coded = CodedColumns(rows, len(plan.columns), events, plan.pointer, flow)
    for number in plan.order:
        own = symbols.get(number)
        coded.add(number, plan.columns[number], None if own is None else own[:rows])
    return coded


def _training_rows(
    plan: TablePlan, symbols: Mapping[int, np.ndarray], coded: CodedColumns, columns: Sequence[int], *, jagged: bool
) -> np.ndarray:
    """What a flow learns from: float32 (rows, inputs + 3 * columns); see `MaskedFlow.forward`."""
    inputs = [*([coded.counts()] if jagged else []), *(coded.features(number) for number in columns)]
    ends = []
    for number in columns:
        marginal = plan.columns[number].marginal
        assert marginal is not None
        ends.append(ends_of(marginal, symbols[number]))
    low, high, mass = (np.stack(parts, axis=1) for parts in zip(*ends, strict=True))
    features = np.concatenate(inputs).T.astype(np.float32) / np.float32(INPUT_ONE)
    return np.concatenate([features, low, high - low, mass], axis=1).astype(np.float32)


def _train(
    rows: np.ndarray,
    columns: tuple[int, ...],
    hidden: tuple[int, int],
    training: Training,
    name: str,
    *,
    jagged: bool,
) -> tuple[dict[int, Flow], dict[int, History]]:
    """Flows and how their training went, by seed."""
    from baler_core.builtin.models.table.flow.networks import FlowLength, FlowLengthOptions, MaskedFlow

    loss = FlowLength(FlowLengthOptions(penalty=_PENALTY / len(rows)))
    flows, histories = {}, {}
    for number in range(training.seeds):
        seed = training.seed + number
        with seeded(seed):
            network = MaskedFlow(len(columns), hidden, jagged=jagged)
        title = f"train {name}" if training.seeds == 1 else f"train {name}, seed {number + 1} of {training.seeds}"
        histories[seed] = train_network(network, rows, loss=loss, training=training, title=title, seed=seed)
        flows[seed] = network.stored(columns, jagged=jagged)
    return flows, histories


def _lowest(history: History) -> float:
    return min((loss for loss in history.validation or history.train if math.isfinite(loss)), default=math.inf)


def _paying(task: FlowTask, flow: Flow, symbols: Mapping[int, np.ndarray]) -> tuple[TablePlan, float]:
    """The plan with the flow for those columns whose bytes it makes fewer, and how many bytes it saves."""
    rows, total = min(len(task.sample.columns[0].values), _MEASURED), task.sample.total
    kept = {number: replace(task.plan.columns[number], network=None) for number in flow.columns}
    plainly, with_flow = (_coded(task.plan, symbols, task.sample, rows, one) for one in (None, flow))

    def size(number: int, plan: ColumnPlan, coded: CodedColumns) -> float:
        data = encode_symbols(symbols[number][:rows], plan, coded.context_of(number, plan), task.contexts)
        network = 0 if plan.network is None else len(networks_to_bytes([plan.network]))
        return len(data) * total / max(rows, 1) + network

    gains = {n: size(n, task.plan.columns[n], plainly) - size(n, own, with_flow) for n, own in kept.items()}
    flow = without_unused(replace(flow, told=tuple(gains[number] > 0 for number in flow.columns)))
    columns = [kept[n] if flow.tells(n) else own for n, own in enumerate(task.plan.columns)]
    saved = sum(gain for gain in gains.values() if gain > 0) - len(flow.to_bytes())
    return task.plan._replace(columns=tuple(columns), flow=flow), saved


def without_unused(flow: Flow) -> Flow:
    """Return the flow with weights of 0 towards mixtures that are not used."""
    told = np.array(flow.told)

    def kept(matrix: np.ndarray) -> np.ndarray:
        return np.where(np.repeat(told, matrix.shape[1] // len(told)), matrix, np.int16(0))

    return replace(flow, out=kept(flow.out), skip=kept(flow.skip), biases=(*flow.biases[:2], kept(flow.biases[2])))
