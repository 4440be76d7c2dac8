"""State how hard the `table` model tries at each effort."""

from __future__ import annotations

from dataclasses import replace

from baler_core.machine.records import dataclass
from baler_core.plugin.effort import Effort

_QUICK_CONTEXTS = 5
"""Contexts with which plans of the whole table are compared: a few tell which is better."""


@dataclass(frozen=True)
class TableEffort:
    """How hard the model tries.

    Attributes
    ----------
    contexts
        How many contexts are mixed at most.
    parents
        How many parents a column may have.
    predictor
        Whether all earlier columns together may predict a column.
    network_seconds
        How long one core may train networks, about; 0 for none.
    keep_networks
        Whether networks are kept although they do not pay.
    seed
        Of random numbers.
    rows
        How many rows a row block holds at most: what is decoded by itself, and beside others at the same time.
    worth_of_reference
        Share of a column's bytes that a reference to an earlier row must save; None to look for none.
    one_depth
        Whether of all depths of mixing only one is tried, as for short columns.
    fewer_contexts
        Numbers of contexts that columns get in place of `contexts` where that takes hardly more bytes, or fewer: faster.
    """

    contexts: int
    parents: int
    predictor: bool
    rows: int
    network_seconds: float = 0.0
    keep_networks: bool = False
    seed: int = 0
    worth_of_reference: float | None = None
    one_depth: bool = False
    fewer_contexts: tuple[int, ...] = ()

    @property
    def quick(self) -> TableEffort:
        """The effort with which plans of the whole table are compared, before one of them is made in full."""
        contexts = min(self.contexts, _QUICK_CONTEXTS)
        return replace(
            self,
            contexts=contexts,
            network_seconds=0.0,
            keep_networks=False,
            one_depth=True,
            fewer_contexts=(),
        )


SHORT_ROWS = 1 << 16
DEFAULT: Effort = "max"
EFFORTS = {
    "fast": TableEffort(contexts=1, parents=1, predictor=False, rows=SHORT_ROWS),
    "balanced": TableEffort(
        contexts=5,
        parents=2,
        predictor=True,
        rows=SHORT_ROWS,
        network_seconds=30,
        worth_of_reference=0.01,
        fewer_contexts=(3, 1),
    ),
    "max": TableEffort(
        contexts=16,
        parents=3,
        predictor=True,
        rows=1 << 17,
        network_seconds=60,
        worth_of_reference=1e-4,
        fewer_contexts=(8, 5, 3, 1),
    ),
}
