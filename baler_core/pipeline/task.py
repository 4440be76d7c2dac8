"""A group that needs a model: its blocks as models see them, whole or a sample of the first one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from baler_core.data.block import Block, values_of
from baler_core.data.bounds import Tolerance
from baler_core.data.variables import Layout, with_events
from baler_core.machine.records import dataclass
from baler_core.plugin.interfaces import NO_HINTS, Hints, Training

# Larger blocks are not coded whole by every candidate: a part of them tells which is smallest.
SAMPLE_BYTES = 12 << 20


@dataclass(frozen=True)
class Task:
    """A group to be coded, as candidates are given it.

    Attributes
    ----------
    blocks
        All blocks of the group as models see them; iterable again and again.
    first
        The first of them.
    hints
        What holds for every candidate.
    """

    blocks: Iterable[Block]
    first: Block
    layout: Layout
    tolerances: Mapping[str, Tolerance]
    training: Training
    hints: Hints = NO_HINTS


def sample_of(task: Task) -> Task:
    """Cut the middle out of the first block, across the longest dimensions; the task itself if it is small.

    The leading dimension of a grid is cut last: what models learn of time needs all of it.
    """
    layout, block = task.layout, task.first
    while layout.nbytes > SAMPLE_BYTES:
        leading, *others = layout.variables[0].dims
        long = [dim for dim in others if layout.sizes[dim] > 32]
        dim = max(long, key=lambda name: layout.sizes[name]) if long else leading
        length = layout.sizes[dim]
        cut = {dim: slice(length // 4, length // 4 + length // 2)}
        if layout.lengths is not None and dim == leading:
            cut = _whole_events(layout.lengths, cut[dim], dim, str(block.variables[layout.counts].dims[0]))
        left = len(range(length)[cut[dim]])
        if not 0 < left < length:
            break
        block = block.isel(cut)
        layout = replace(layout, sizes={**layout.sizes, dim: left})
        if len(cut) > 1:
            layout = with_events(layout, values_of(block, layout.counts))
    return task if layout is task.layout else replace(task, blocks=[block], first=block, layout=layout)


def _whole_events(lengths: np.ndarray, rows: slice, dim: str, events_dim: str) -> dict[str, slice]:
    """Take the events that begin in a slice of the rows, as slices of both dimensions."""
    borders = np.concatenate([[0], np.cumsum(lengths)])
    first, last = np.searchsorted(borders, [rows.start, rows.stop]).tolist()
    return {dim: slice(int(borders[first]), int(borders[last])), events_dim: slice(first, last)}
