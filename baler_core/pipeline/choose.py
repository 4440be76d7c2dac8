"""Chooses the model of a group: the named one, or with `auto` whichever measured bytes show to be smallest."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from baler_core.data.bounds import Tolerance
from baler_core.data.formulas import Formula
from baler_core.data.variables import Layout, values_of, with_events
from baler_core.errors import BalerError, BoundBroken, ConfigError
from baler_core.format.arrays import encode_state
from baler_core.format.container import pack_streams
from baler_core.machine.progress import rate, shown
from baler_core.plugin.interfaces import Effort, Estimate, Model, Streams, Training

if TYPE_CHECKING:
    import xarray as xr

logger = logging.getLogger(__name__)
FLOOR = "scalar"
"""The model that learns nothing: others leave to it what they cannot hold or make smaller."""
# Larger blocks are not coded whole by every candidate: a part of them tells which is smallest.
SAMPLE_BYTES = 12 << 20
# Estimates are taken at their word beyond this factor.
_CLOSE: Mapping[Effort, float] = {"fast": 1.0, "balanced": 1.02, "max": 1.12}
# Models of grids that after little effort expect so many times the bytes of another one are not looked at any further.
_FAR_BEHIND = 1.2
# A model that the user named gives way to the floor if it takes so many times its bytes, of groups of so many bytes.
_CLEARLY_MORE = 1.05
_TINY = 4000
# Grids of so few bytes are coded whole by all candidates, and with lesser efforts too: what is learned takes a good part
# of their bytes, which no estimate foretells, and time hardly counts.
_SMALL = 1 << 18
_EFFORTS: tuple[Effort, ...] = ("fast", "balanced", "max")
# With little effort, of groups that the floor expects to make so small nothing else is tried.
_LITTLE = 256


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


def comparable(model: Model | type[Model], floor: Model | type[Model], task: Task) -> bool:
    """Whether bytes decide between a model and the floor; a model that `auto` would never try is the user's choice."""
    return model.automatic and task.layout.kind in floor.kinds


def fitted_or_floor(model: Model, floor: Model, task: Task) -> Chosen:
    """The model, trained and tried on the first block; the floor instead where that takes clearly fewer bytes of it."""
    chosen = fitted(model, task)
    expected = floor.estimate(task.first, task.layout, task.tolerances)
    size = _size(chosen)
    if size < _TINY or (expected is not None and sum(expected.values()) > size):
        return chosen
    plain = fitted(floor, task)
    plain_size = _size(plain)
    if size < _CLEARLY_MORE * plain_size:
        return chosen
    logger.warning(
        "group %s: model %s takes %d bytes and %s %d: %s codes it",
        task.layout.name,
        model.name,
        size,
        floor.name,
        plain_size,
        floor.name,
    )
    return plain


def _size(chosen: Chosen) -> int:
    """Bytes of the first block and of what was learned."""
    return len(pack_streams([chosen.streams])) + len(encode_state(chosen.model.state()))


def choose(candidates: Sequence[type[Model]], task: Task, effort: Effort = "max") -> Chosen:
    """The candidate with the fewest bytes, state included, measured on the first block or on a part of a large one.

    Models that estimate their bytes and are clearly beaten by another estimate are not measured. A candidate that fails
    is reported and left out, as long as another works.

    Raises
    ------
    ConfigError
        If no candidate codes this kind of group.
    """
    suitable = [model for model in candidates if task.layout.kind in model.kinds]
    if not suitable:
        raise ConfigError(f"no model here codes the group {task.layout.name!r} (kind {task.layout.kind})")
    if task.layout.kind == "grid" and task.layout.nbytes <= _SMALL:
        lesser = _EFFORTS[: _EFFORTS.index(effort) + 1]
        return min((_chosen(suitable, task, each) for each in lesser), key=_size)
    return _chosen(suitable, task, effort)


def _chosen(suitable: Sequence[type[Model]], task: Task, effort: Effort) -> Chosen:
    """The smallest with this effort."""
    trial = _Trial(task, effort)
    hopeful = trial.hopeful(suitable)
    if trial.estimated(hopeful):
        return trial.smallest(hopeful)
    sample = sample_of(task) if len(hopeful) > 1 else task
    if sample is task:
        return trial.smallest(hopeful)
    on_sample = _Trial(sample, effort)
    best = on_sample.smallest(on_sample.hopeful(hopeful))
    return fitted(type(best.model)(best.model.options), task)


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


def totals(told: Mapping[type[Model], Estimate], names: Sequence[str]) -> dict[type[Model], float]:
    """What models expect of all variables: what they say of each set, or what the floor says of its variables alone."""
    alone = _alone(told)
    found = {}
    for kind, estimate in told.items():
        left_out = set(names).difference(*estimate)
        sets = [min(size, sum(alone.get(name, math.inf) for name in members)) for members, size in estimate.items()]
        found[kind] = sum(sets) + sum(alone.get(name, 0.0) for name in left_out)
    return found


def _alone(told: Mapping[type[Model], Estimate]) -> dict[str, float]:
    """What the floor expects of each variable by itself."""
    floor = next((estimate for kind, estimate in told.items() if kind.name == FLOOR), {})
    return {members[0]: size for members, size in floor.items() if len(members) == 1}


def with_effort(kind: type[Model], effort: Effort) -> Model:
    """A model of a kind, with the effort if it knows of effort."""
    known = "effort" in kind.Options.model_fields
    return kind(kind.Options(**({"effort": effort} if known else {})))


class _Trial:
    """Tries models on a task; what fails is reported and left out."""

    def __init__(self, task: Task, effort: Effort) -> None:
        self._task = task
        self._effort = effort
        self._small = task.layout.kind == "grid" and task.layout.nbytes <= _SMALL and effort != "fast"
        self._models: dict[type[Model], Model] = {}
        self._estimates: dict[type[Model], float] = {}
        self._failures: dict[type[Model], Exception] = {}

    def hopeful(self, suitable: Sequence[type[Model]]) -> list[type[Model]]:
        """Without those whose own estimate is far above the least."""
        task = self._task
        told: dict[type[Model], Estimate] = {}
        suitable, names = self._glanced(suitable), [variable.name for variable in task.layout.variables]
        for kind in sorted(suitable, key=lambda kind: kind.name != FLOOR):
            with self._guarded(kind):
                model = self._model(kind)
                model.alone = (task.first, _alone(told))
                model.rival = min(totals(told, names).values(), default=math.inf)
                found = model.estimate(task.first, task.layout, task.tolerances)
                if found is not None:
                    told[kind] = found
            if self._effort == "fast" and kind.name == FLOOR and kind in told and sum(told[kind].values()) < _LITTLE:
                return [kind]
        self._estimates = totals(told, names)
        for kind, size in self._estimates.items():
            logger.info("group %s: %s expects about %.0f bytes", task.layout.name, kind.name, size)
        if self._small:
            return [kind for kind in suitable if kind not in self._failures]
        beaten = {kind for kind in told if any(self._beats(other, kind, told) for other in told)}
        return [kind for kind in suitable if kind not in beaten and kind not in self._failures]

    def _glanced(self, kinds: Sequence[type[Model]]) -> list[type[Model]]:
        """With most effort, without the models of grids that expect far more than another one after little effort."""
        task = self._task
        rivals = [kind for kind in kinds if "effort" in kind.Options.model_fields and kind.name != FLOOR]
        if self._effort != "max" or self._small or task.layout.kind != "grid" or len(rivals) < 2:
            return list(kinds)
        told: dict[type[Model], Estimate] = {}
        for kind in rivals:
            with self._guarded(kind):
                glance = with_effort(kind, "fast").estimate(task.first, task.layout, task.tolerances)
                if glance:
                    told[kind] = glance
        names = {name for estimate in told.values() for members in estimate for name in members}
        whole = {kind: sum(sizes.values()) for kind, sizes in told.items() if set().union(*sizes) == names}
        least = min(whole.values(), default=0.0)
        far = {kind for kind, size in whole.items() if size > _FAR_BEHIND * least}
        return [kind for kind in kinds if kind not in far]

    def _beats(self, one: type[Model], other: type[Model], told: Mapping[type[Model], Estimate]) -> bool:
        """Whether one clearly expects fewer bytes; if only since both would leave much to the floor, by what they told."""
        close, total = _CLOSE[self._effort], self._estimates
        if total[other] > close * total[one] + 100:
            return True
        told_more = sum(told[other].values()) > close * sum(told[one].values()) + 100
        return other.name != FLOOR and total[other] >= total[one] and told_more

    def estimated(self, kinds: Sequence[type[Model]]) -> bool:
        """Whether all of them have said how large they will be."""
        return bool(kinds) and all(kind in self._estimates for kind in kinds)

    def smallest(self, kinds: Sequence[type[Model]]) -> Chosen:
        """Whichever makes the fewest bytes of the task; the first failure if none works.

        Those that estimate nothing come first, and spare those that expect far more than what these then take.
        """
        results: list[tuple[int, Chosen]] = []
        layout = self._task.layout
        limit = math.inf
        with shown(f"choose {layout.name}", "model", len(kinds)) as step:
            for kind in sorted(kinds, key=lambda kind: self._estimates.get(kind, 0.0)):
                if self._estimates.get(kind, 0.0) > limit:
                    continue
                with self._guarded(kind):
                    chosen = fitted(self._model(kind), self._task)
                    if len(kinds) == 1:
                        return chosen
                    size = _size(chosen)
                    logger.info("group %s: %s takes %d bytes", layout.name, kind.name, size)
                    results.append((size, chosen))
                    step(rate(layout, min(size for size, _ in results)))
                    if kind not in self._estimates:
                        limit = min(limit, size * _CLOSE[self._effort] + 100)
        if not results:
            failure = next(iter(self._failures.values()))
            raise failure if isinstance(failure, BalerError) else BalerError(str(failure)) from failure
        return min(results, key=lambda result: result[0])[1]

    def _model(self, kind: type[Model]) -> Model:
        """One of a kind, with the effort if it knows of effort."""
        if kind not in self._models:
            self._models[kind] = with_effort(kind, self._effort)
        return self._models[kind]

    @contextmanager
    def _guarded(self, kind: type[Model]) -> Iterator[None]:
        try:
            yield
        except (MemoryError, BoundBroken):
            raise
        except Exception as error:
            name = self._task.layout.name
            logger.warning("model %s failed on group %s and is left out: %s", kind.name, name, error)
            logger.debug("its traceback", exc_info=True)
            self._failures[kind] = error
