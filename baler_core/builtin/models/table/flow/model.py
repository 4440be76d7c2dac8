"""The `normalizing_flow` model: a table's quantised columns, coded by the density of a masked autoregressive flow."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from baler_core.builtin.models.table.effort import EFFORTS
from baler_core.builtin.models.table.model import TableModel
from baler_core.builtin.models.table.network.flow import MOST_WIDE, Flow
from baler_core.builtin.models.table.plan import TablePlan
from baler_core.builtin.models.table.sample import gather
from baler_core.data.block import Block
from baler_core.data.seeds import MeanOverSeeds, SeedSpread
from baler_core.data.variables import Layout
from baler_core.errors import FormatError
from baler_core.machine.optional import need
from baler_core.plugin.interfaces import NO_HINTS, Hints, Options, State, Tolerances, Training

logger = logging.getLogger(__name__)


_Units = Annotated[int, Field(ge=1, le=MOST_WIDE)]


class FlowOptions(Options):
    """Options of the `normalizing_flow` model."""

    effort: Literal["balanced", "max"] = Field(default="max", description="Speed against size, as of `table`.")
    hidden: tuple[_Units, _Units] = Field(default=(32, 32), description="Units of both hidden layers.")
    keep: bool = Field(
        default=False, description="Whether the flow is kept although it takes more bytes than it saves."
    )


class NormalizingFlow(TableModel):
    """A table's columns as `table` quantises and orders them, with a flow that tells each column from those before it.

    A flow's density is the length of a code: the chance of each whole number is one of the chances that the context mixing
    of `table` weighs, in place of that of a column's own small network where it takes fewer bytes. Weights are stored as whole numbers and evaluated as such, so that restoring needs no torch and
    gives the same everywhere.
    """

    name = "normalizing_flow"
    summary = "a table's columns coded by the density of a masked autoregressive flow, trained with torch"
    automatic = False
    Options: ClassVar[type[Options]] = FlowOptions

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.history: Mapping[str, Sequence[float]] = {}
        self.seed_spread: SeedSpread | None = None

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
        """Plan as `table` does, then train a flow on the sample.

        Raises
        ------
        MissingPackage
            If torch is not installed.
        """
        from baler_core.builtin.models.table.flow.fitting import FlowTask, fit_flow
        from baler_core.builtin.models.table.planning import make_plan

        need(f"training the model {self.name!r}", "torch")
        if training.loss != "mse":
            logger.warning("'training.loss' has no effect on %s, which minimises the length of its code", self.name)
        sample = gather(blocks, layout, tolerances, hints.memory)
        sample = replace(sample, whole=sample.whole and not hints.for_other_files)
        # a flow advises all contexts of the effort
        effort = replace(EFFORTS[self.options.effort], seed=training.seed, fewer_contexts=())
        found = make_plan(sample, hints.formulas, effort)
        fitted = fit_flow(
            FlowTask(found, sample, self.options.hidden, effort.contexts, self.options.keep), training, self.name
        )
        losses = fitted.losses
        if losses:
            best = next(iter(losses))
            self.history = fitted.histories[best].curves()
        if training.seeds > 1 and losses:
            kept = tuple(losses)[: training.keep]
            self.seed_spread = SeedSpread(losses, kept, MeanOverSeeds.of([losses[seed] for seed in kept]), {})
        self._learn(fitted.plan, sample, layout, hints)

    def state(self) -> State:
        """Return the plan and the flow, as bytes."""
        flow = self._state.get("flow")
        return super().state() | ({} if flow is None else {"flow": flow})

    def _stored(self, plan: TablePlan) -> State:
        flow = {} if plan.flow is None else {"flow": np.frombuffer(plan.flow.to_bytes(), np.uint8)}
        return super()._stored(plan) | flow

    def _read_plan(self, dtypes: Sequence[str]) -> TablePlan:
        plan, stored = super()._read_plan(dtypes), self._state.get("flow")
        if stored is None:
            return plan
        flow = Flow.from_bytes(stored.astype(np.uint8).tobytes(), len(plan.columns))
        if [number for number in plan.order if number in {*flow.columns}] != list(flow.columns):
            raise FormatError("the flow of a table is damaged: its columns are in another order than they are coded in")
        return plan._replace(flow=flow)
