"""The `table` model: exact relations first, then each column's integers mixed from what other columns say about it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, SupportsBytes

import numpy as np

from baler_core.builtin.models.table.blocks import COLD_START, BlockContext, all_symbols, encode_block
from baler_core.builtin.models.table.effort import DEFAULT, EFFORTS, SHORT_ROWS, TableEffort
from baler_core.builtin.models.table.events import Events
from baler_core.builtin.models.table.known_names import KnownNames, names_of
from baler_core.builtin.models.table.plan import TablePlan, plan_to_bytes
from baler_core.builtin.models.table.relations.scales import NO_SCALES, scales_of
from baler_core.builtin.models.table.restored_blocks import decode_block
from baler_core.builtin.models.table.row_blocks import RowBlock, chunked_rows, cut_rows, join_blocks, split_blocks
from baler_core.builtin.models.table.stored_plan import open_plan
from baler_core.builtin.models.table.warm_start import WarmStart, chosen_pieces, read_warm_start
from baler_core.data.block import Block, values_of
from baler_core.data.bounds import Tolerance
from baler_core.data.part import Part
from baler_core.data.variables import GroupKind, Layout
from baler_core.errors import FormatError
from baler_core.machine.threads import in_parallel
from baler_core.plugin.interfaces import NO_HINTS, Hints, Model, State, Streams, Tolerances
from baler_core.plugin.late_options import options_at

if TYPE_CHECKING:
    from baler_core.builtin.models.table.options import TableOptions
    from baler_core.builtin.models.table.sample import TableSample
    from baler_core.plugin.options import Training


_ON_SECONDS = 60.0


def _effort(options: TableOptions, training: Training) -> TableEffort:
    """What the options ask for; `training.seconds`, where stated, is the time for networks."""
    effort = EFFORTS[options.effort]
    seconds = 0.0
    if options.network == "on" or (options.network == "auto" and effort.network_seconds):
        seconds = training.seconds or effort.network_seconds or _ON_SECONDS
    return replace(effort, network_seconds=seconds, keep_networks=options.network == "on", seed=training.seed)


class _Learned(NamedTuple):
    """What the model knows of a table: the plan, and rows that prime the counters of files that refer to another."""

    plan: TablePlan
    primer: WarmStart
    names: KnownNames


class TableModel(Model):
    """Columns along one dimension, each coded by what earlier columns and the row before say about it."""

    name = "table"
    summary = "columns by what other columns say about them: relations, a linear predictor, context mixing"
    kinds: ClassVar[frozenset[GroupKind]] = frozenset({"table"})
    automatic = True
    takes_scales = True
    cuts_chunks = True
    takes_fewer = True
    Options = options_at("baler_core.builtin.models.table.options:TableOptions")

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._state: State = {}
        self._learned: _Learned | None = None

    def fit(
        self,
        blocks: Iterable[Block],
        *,
        layout: Layout,
        tolerances: Tolerances,
        training: Training,
        hints: Hints = NO_HINTS,
        plan: object = None,
    ) -> None:
        """Learn a plan from a sample of at most 131,072 rows, fewer of many columns; all blocks are read to know the ranges."""
        from baler_core.builtin.models.table.planning import make_plan
        from baler_core.builtin.models.table.sample import gather

        sample = gather(blocks, layout, tolerances, hints.memory)
        # Other files hold values that this one does not: then even the whole table is a sample.
        sample = replace(sample, whole=sample.whole and not hints.for_other_files)
        self._learn(make_plan(sample, hints.formulas, _effort(self.options, training)), sample, layout, hints)

    def _learn(self, plan: TablePlan, sample: TableSample, layout: Layout, hints: Hints) -> None:
        """Take up a plan."""
        keeps_rows = hints.for_other_files and len(sample.columns[0].values)
        primer = _primer(sample, plan) if keeps_rows else COLD_START
        self._learned = _Learned(plan, primer, KnownNames.of(layout.variables))
        self._state = self._stored(plan)

    def _stored(self, plan: TablePlan) -> State:
        return {"plan": np.frombuffer(plan_to_bytes(plan), np.uint8)}

    def _read_plan(self, dtypes: Sequence[str]) -> TablePlan:
        return open_plan(self._state["plan"].tobytes(), dtypes)

    def encode(
        self, block: Block, layout: Layout, tolerances: Tolerances, *, hints: Hints = NO_HINTS, plan: object = None
    ) -> Streams:
        """Encode as the streams `columns` and, where there are several row blocks, `cuts`."""
        learned = self._learned_for(layout)
        columns = learned.names.found_in(layout)
        values = [None if v is None else values_of(block, v.name) for v in columns]
        limits = [Tolerance("exact") if v is None else tolerances[v.name] for v in columns]
        effort, events = EFFORTS[self.options.effort], _events(layout)
        (rows,) = layout.shape(layout.variables[0])
        primer = learned.primer if hints.by_reference else COLD_START
        context = BlockContext(
            learned.plan, effort.contexts, events, primer, scales_of(learned.names.names, tolerances)
        )

        def coded(rows: slice) -> RowBlock:
            part = [None if v is None else v[rows] for v in values]
            return RowBlock(rows, encode_block(part, limits, context.part(rows)))

        def encoded(most: int) -> Streams:
            return join_blocks(in_parallel(coded, cut_rows(rows, events, most)))

        wanted = hints.chunks.get(layout.variables[0].dims[0])
        if wanted is not None and wanted < min(rows, effort.rows):
            return join_blocks(in_parallel(coded, chunked_rows(rows, events, wanted)))
        longest = encoded(effort.rows)
        if effort.rows == SHORT_ROWS or any(not column.packed for column in learned.plan.columns):
            return longest
        # what is packed adapts to nothing: pieces of it may well be smaller
        return min(longest, encoded(SHORT_ROWS), key=lambda streams: sum(map(len, streams.values())))

    def decode(self, streams: Streams, layout: Layout, tolerances: Tolerances) -> Block:
        """Restore the block that `encode` was given."""
        (rows,) = layout.shape(layout.variables[0])
        return layout.build(self._decoded(streams, layout, tolerances, slice(0, rows), None))

    def decode_part(
        self, streams: Mapping[str, SupportsBytes], layout: Layout, tolerances: Tolerances, part: Part
    ) -> dict[str, np.ndarray]:
        """Restore some columns and those that they follow from, in the row blocks that hold some rows."""
        (dim,) = layout.variables[0].dims
        return self._decoded(streams, layout, {}, part.rows(dim, layout.sizes[dim]), part.names)

    def _decoded(
        self,
        streams: Mapping[str, SupportsBytes],
        layout: Layout,
        tolerances: Tolerances,
        rows: slice,
        wanted: Collection[str] | None,
    ) -> dict[str, np.ndarray]:
        learned = self._learned_for(layout)
        if wanted is None:  # before threads ask for columns one by one
            learned = learned._replace(plan=learned.plan._replace(columns=tuple(learned.plan.columns)))
        names, found = learned.names.names, learned.names.found_in(layout)
        dtypes = ["" if v is None else v.dtype for v in found]
        scales = scales_of(names, tolerances) if wanted is None else NO_SCALES
        contexts = EFFORTS[DEFAULT if self.stated is None else self.stated.effort].contexts
        context = BlockContext(learned.plan, contexts, _events(layout), learned.primer, scales)
        numbers = None if wanted is None else {number for number, name in enumerate(names) if name in wanted}

        def restored(part: RowBlock) -> dict[int, np.ndarray]:
            first, count = part.rows.start, part.rows.stop - part.rows.start
            inside = slice(max(rows.start - first, 0), min(rows.stop - first, count))
            return decode_block(part.data, count, dtypes, context.part(part.rows), numbers, inside)

        (length,) = layout.shape(layout.variables[0])
        blocks = split_blocks(streams, length)
        touched = [b for b in blocks if b.rows.start < rows.stop and b.rows.stop > rows.start]
        parts = in_parallel(restored, touched)
        columns = [n for n, v in enumerate(found) if v is not None and (numbers is None or n in numbers)]
        if not parts:
            return {names[n]: np.zeros(0, dtypes[n]) for n in columns}
        return {names[n]: np.concatenate([p[n] for p in parts]) if len(parts) > 1 else parts[0][n] for n in columns}

    def state(self) -> State:
        """Return the plan, as bytes."""
        return {"plan": self._state.get("plan", np.zeros(0, np.uint8))}

    def encoder_state(self) -> State:
        """Return rows that prime the counters, and the names of the columns."""
        learned = self._learned
        return {} if learned is None else {**learned.primer.to_state(), **learned.names.to_state()}

    def load_state(self, state: State) -> None:
        """Take up a plan, and rows that prime the counters; they are understood when the first block comes."""
        if "plan" not in state:
            raise FormatError("the state of a table group lacks its plan")
        self._state, self._learned = {**state, "plan": state["plan"].astype(np.uint8)}, None

    def _learned_for(self, layout: Layout) -> _Learned:
        """Return what was learned; of a loaded state each thread may read it, all with the same result."""
        learned = self._learned
        if learned is None:
            names = names_of(self._state, layout)
            plan = self._read_plan(names.dtypes)
            self._learned = learned = _Learned(plan, read_warm_start(self._state, plan), names)
        return learned


def _primer(sample: TableSample, plan: TablePlan) -> WarmStart:
    """Symbols of some rows of the sample; none if a column does not follow the plan."""
    columns = sample.columns
    pieces = chosen_pieces(len(columns[0].values))
    rows = np.concatenate([np.arange(piece.start, piece.stop) for piece in pieces])
    values, tolerances = [c.values[rows] for c in columns], [c.tolerance for c in columns]
    scales = sample.scales.knowing({name: values[rows] for name, values in sample.known.items()})
    symbols, _ = all_symbols(values, tolerances, plan, scales)
    if len(symbols) < len(columns):
        return COLD_START
    lengths = None
    if sample.events is not None:
        lengths = np.concatenate([sample.events.part(piece).lengths for piece in pieces])
    return WarmStart(tuple(symbols[n].values for n in range(len(columns))), lengths)


def _events(layout: Layout) -> Events | None:
    """The events of a jagged table whose counts are known."""
    return None if layout.lengths is None else Events(layout.lengths)
