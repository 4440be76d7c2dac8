"""Pointer columns: integers that say from which earlier row of the same event a row comes, as particles have mothers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from baler_core.builtin.models.table.events import Events
from baler_core.builtin.models.table.plan import ColumnPlan
from baler_core.quantise.lattice import IntegerLattice

_FEWEST = 0.2
"""Share of rows that must point somewhere."""
_STRAY = 0.001
"""Share of rows whose number may lie outside their event."""


def find_pointer(plans: Mapping[int, ColumnPlan], symbols: Mapping[int, np.ndarray], events: Events) -> int | None:
    """The column of a sample that points from most rows to earlier rows of their events; None if there is none.

    Columns of small counts may look like one. It does no harm: what a pointed-to row says is used where it saves bytes.
    """
    most, best = _FEWEST * max(1, events.rows), None
    for number, plan in plans.items():
        if not points(plan):
            continue
        stray = (symbols[number] < -1) | (symbols[number] >= events.size)
        count = int((events.earlier(symbols[number]) >= 0).sum())
        if stray.sum() <= _STRAY * stray.size and count > most and symbols[number].max() > 0:
            most, best = count, number
    return best


def points(plan: ColumnPlan) -> bool:
    """Whether a column can be a pointer: plain integers, whose symbols are their values."""
    lattice = plan.lattice
    plain = isinstance(lattice, IntegerLattice) and (lattice.spacing, lattice.merge, lattice.first) == (1, 1, 0)
    return plain and not lattice.specials and plan.symbols.kind == "codes" and plan.relation is None
