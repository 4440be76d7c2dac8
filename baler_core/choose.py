"""Chooses the model of a group: the named one, or with `auto` whichever measured bytes show to be smallest."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from baler_core.bounds import Tolerance
from baler_core.container import pack_streams
from baler_core.dataset import Layout, values_of, with_events
from baler_core.errors import BalerError, BoundBroken, ConfigError
from baler_core.formulas import Formula
from baler_core.interfaces import Model, Streams, Training
from baler_core.progress import rate, shown
from baler_core.state import encode_state

if TYPE_CHECKING:
    import xarray as xr

logger = logging.getLogger(__name__)
# Larger blocks are not coded whole by every candidate: a part of them tells which is smallest.
SAMPLE_BYTES = 12 << 20


@dataclass(frozen=True)
class Task:
    """A group to be coded: what models are told of it.

    Attributes
    ----------
    blocks
        All blocks of the group as models see them; iterable again and again.
    first
        The first of them.
    formulas
        Guesses of plugins about relations between the group's variables.
    for_other_files
        Whether what is learned will serve other files too.
    """

    blocks: Iterable[xr.Dataset]
    first: xr.Dataset
    layout: Layout
    tolerances: Mapping[str, Tolerance]
    training: Training
    formulas: Sequence[Formula] = ()
    for_other_files: bool = False


@dataclass(frozen=True)
class Chosen:
    """A fitted model, and what it made of the first block."""

    model: Model
    streams: Streams


def fitted(model: Model, task: Task) -> Chosen:
    """The model, trained and tried on the first block."""
    model.formulas, model.for_other_files = task.formulas, task.for_other_files
    model.fit(task.blocks, layout=task.layout, tolerances=task.tolerances, training=task.training)
    return Chosen(model, model.encode(task.first, task.layout, task.tolerances))


def choose(candidates: Sequence[type[Model]], task: Task) -> Chosen:
    """The candidate with the fewest bytes, state included, measured on the first block or on a part of a large one.

    A candidate that fails is reported and left out, as long as another works.

    Raises
    ------
    ConfigError
        If no candidate codes this kind of group.
    """
    suitable = [model for model in candidates if task.layout.kind in model.kinds]
    if not suitable:
        raise ConfigError(f"no model here codes the group {task.layout.name!r} (kind {task.layout.kind})")
    sample = sample_of(task) if len(suitable) > 1 else task
    best = _smallest(suitable, sample)
    return best if sample is task else fitted(type(best.model)(), task)


def sample_of(task: Task) -> Task:
    """The task itself if it is small; else with the middle of its first block, cut across the longest dimensions.

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
    """The events that begin in a slice of the rows, as slices of both dimensions."""
    borders = np.concatenate([[0], np.cumsum(lengths)])
    first, last = np.searchsorted(borders, [rows.start, rows.stop]).tolist()
    return {dim: slice(int(borders[first]), int(borders[last])), events_dim: slice(first, last)}


def _smallest(suitable: Sequence[type[Model]], task: Task) -> Chosen:
    """Whichever model makes the fewest bytes of a task."""
    results: list[tuple[int, Chosen]] = []
    failures: list[Exception] = []
    with shown(f"choose {task.layout.name}", "model", len(suitable)) as step:
        for kind in suitable:
            try:
                chosen = fitted(kind(), task)
            except (MemoryError, BoundBroken):
                raise
            except Exception as error:
                logger.warning("model %s failed on group %s and is left out: %s", kind.name, task.layout.name, error)
                logger.debug("its traceback", exc_info=True)
                failures.append(error)
                continue
            size = len(pack_streams([chosen.streams])) + len(encode_state(chosen.model.state()))
            logger.info("group %s: %s takes %d bytes", task.layout.name, kind.name, size)
            results.append((size, chosen))
            step(rate(task.layout, min(size for size, _ in results)))
    if not results:
        raise failures[0] if isinstance(failures[0], BalerError) else BalerError(str(failures[0])) from failures[0]
    return min(results, key=lambda result: result[0])[1]
