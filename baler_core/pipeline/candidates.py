"""Compares models on one task: by their estimates first, then by the bytes that they make of it."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import NoReturn

from baler_core.data.block import Block
from baler_core.data.variables import Layout
from baler_core.errors import BalerError, BoundBroken, PluginError
from baler_core.format.arrays import encode_state
from baler_core.format.streams import pack_streams
from baler_core.machine.cached import cached_property
from baler_core.machine.progress import bits_per_row, bits_per_value, shown
from baler_core.machine.records import dataclass
from baler_core.machine.threads import attempted
from baler_core.pipeline.task import Task
from baler_core.plugin.interfaces import NO_HINTS, Effort, Estimate, Hints, Model, Streams, Tolerances

logger = logging.getLogger(__name__)
BASELINE = "scalar"
"""The model that learns nothing: others leave to it what they cannot hold or make smaller."""
# Estimates are taken at their word beyond this factor.
_CLOSE: Mapping[Effort, float] = {"fast": 1.0, "balanced": 1.02, "max": 1.12}
# Models of grids that after little effort expect so many times the bytes of another one are not looked at any further.
_FAR_BEHIND = 1.2
# With little effort, of groups that the baseline expects to make so small nothing else is tried.
_LITTLE = 256
# Grids of so few bytes are coded whole by all models, and with lesser efforts too: what is learned takes a good part of
# their bytes, which no estimate foretells, and time hardly counts.
_SMALL = 1 << 18
# Tables of so few rows and so many columns are coded with less effort than most: there is too little in each column to
# learn from for more to save anything, and they come by the dozen (the collections of an event).
_SHORT, _MANY = 2000, 12
# Of such tables those in which the baseline expects so few bytes, of a column and of all, are left to it: any plan of how
# columns depend on each other takes more than it saves.
_TINY, _TINY_COLUMN = 2000, 100


@dataclass(frozen=True)
class FittedModel:
    """A fitted model, what it makes of the first block once that is asked for, and what it is told of that.

    Attributes
    ----------
    expected
        The bytes of that, as estimates have it; None where nothing was estimated.
    """

    model: Model
    encode: Callable[[], Streams]
    hints: Hints = NO_HINTS
    expected: float | None = None

    @cached_property
    def streams(self) -> Streams:
        """The first block."""
        return self.encode()

    def size(self, *, own_state: bool = True) -> int:
        """Count the bytes of the first block, and of what was learned where that will be in the file."""
        return len(pack_streams([self.streams])) + (len(encode_state(self.model.state())) if own_state else 0)


class PlainCoding:
    """What the baseline makes of a block, once for each effort: models are compared with it at every turn.

    Parameters
    ----------
    most
        The effort in place of `balanced`: where more is made as well, what less would make is of no use.
    """

    def __init__(
        self, kind: type[Model], block: Block, layout: Layout, tolerances: Tolerances, *, most: Effort = "balanced"
    ) -> None:
        self._kind, self._given, self._most = kind, (block, layout, tolerances), most
        self._made: dict[Effort, Streams] = {}

    def __call__(self, effort: Effort) -> Streams:
        """Return its streams."""
        effort = self._most if effort == "balanced" else effort
        if effort not in self._made:
            self._made[effort] = with_effort(self._kind, effort).encode(*self._given, hints=NO_HINTS, plan=None)
        return self._made[effort]


def comparing(task: Task, kinds: Sequence[type[Model]], effort: Effort) -> Task:
    """Have the baseline, if it is among the kinds, encode the task's first block once for all that compare themselves.

    `effort` is the most that is tried.
    """
    most: Effort = "max" if effort == "max" else "balanced"
    first = task.first, task.layout, task.tolerances
    baseline = [PlainCoding(kind, *first, most=most) for kind in kinds if kind.name == BASELINE]
    return replace(task, hints=replace(task.hints, plain=baseline[0])) if baseline else task


def estimated(model: Model, task: Task) -> Estimate | None:
    """Have a model estimate the bytes of the first block.

    Raises
    ------
    PluginError
        If it returns anything but an estimate.
    """
    found = model.estimate(task.first, task.layout, task.tolerances, hints=task.hints)
    if found is not None and not isinstance(found, Estimate):
        raise PluginError(f"'estimate' of the model {model.name!r} returned a {type(found).__name__}, not an Estimate")
    return found


def fitted(model: Model, task: Task, plan: object = None) -> FittedModel:
    """Fit a model that will encode the first block, by the plan of its estimate if there is one."""
    layout, tolerances, hints = task.layout, task.tolerances, task.hints
    model.fit(task.blocks, layout=layout, tolerances=tolerances, training=task.training, hints=hints, plan=plan)
    encode = partial(model.encode, task.first, layout, tolerances, hints=hints, plan=plan)
    if model.name == BASELINE and hints.plain is not None:
        encode = partial(hints.plain, model.options.effort)
    return FittedModel(model, encode, hints)


def with_effort(kind: type[Model], effort: Effort) -> Model:
    """Make a model of a kind, with the effort if it knows of effort."""
    known = "effort" in kind.Options.model_fields
    return kind(kind.Options(**({"effort": effort} if known else {})))


def totals(estimates: Mapping[type[Model], Estimate], names: Sequence[str]) -> dict[type[Model], float]:
    """Sum up what each model expects of all variables; those it leaves out count as the baseline expects of them alone."""
    alone = _alone(estimates)
    found = {}
    for kind, estimate in estimates.items():
        left_out = set(names).difference(*estimate.sizes)
        sets = [
            min(size, sum(alone.get(name, math.inf) for name in members)) for members, size in estimate.sizes.items()
        ]
        found[kind] = sum(sets) + sum(alone.get(name, 0.0) for name in left_out)
    return found


def _alone(estimates: Mapping[type[Model], Estimate]) -> dict[str, float]:
    """Return what the baseline expects of each variable by itself."""
    sizes = next((estimate.sizes for kind, estimate in estimates.items() if kind.name == BASELINE), {})
    return {members[0]: size for members, size in sizes.items() if len(members) == 1}


def is_small(task: Task) -> bool:
    """Return whether a grid is so small that models are best compared by coding it."""
    return task.layout.kind == "grid" and task.layout.nbytes <= _SMALL


def is_many_short_columns(layout: Layout) -> bool:
    """Return whether a group is a table of many columns that are all short."""
    many = layout.kind == "table" and len(layout.variables) >= _MANY
    return many and layout.shape(layout.variables[0])[0] < _SHORT


def worthwhile(effort: Effort, task: Task) -> Effort:
    """Return the effort that a task is worth, at most that which is asked for."""
    is_short = is_many_short_columns(task.layout) and not task.hints.for_other_files
    return "balanced" if effort == "max" and is_short else effort


class Candidates:
    """Models that are compared on one task; what fails is reported and left out."""

    def __init__(self, task: Task, effort: Effort) -> None:
        self._task = task
        self._effort = worthwhile(effort, task)
        self._names = [variable.name for variable in task.layout.variables]
        self._models: dict[type[Model], Model] = {}
        self._hints: dict[type[Model], Hints] = {}
        self._estimates: dict[type[Model], Estimate] = {}
        self._totals: dict[type[Model], float] = {}
        self._failures: dict[type[Model], Exception] = {}

    def shortlist(self, suitable: Sequence[type[Model]]) -> list[type[Model]]:
        """Leave out those whose own estimate is far above the least."""
        prescreened = self._prescreened(suitable)
        for kind in (kind for kind in prescreened if kind.name == BASELINE):
            self._ask([kind])
            expected = self._estimates.get(kind)
            if expected is not None and self._is_little(expected.total):
                return [kind]
        self._ask([kind for kind in prescreened if kind.name != BASELINE])
        self._refine()
        for kind, size in self._totals.items():
            logger.info("group %s: %s expects about %.0f bytes", self._task.layout.name, kind.name, size)
        if is_small(self._task) and self._effort != "fast":
            return [kind for kind in prescreened if kind not in self._failures]
        beaten = {kind for kind in self._estimates if any(self._beats(other, kind) for other in self._estimates)}
        return [kind for kind in prescreened if kind not in beaten and kind not in self._failures]

    def _is_little(self, size: float) -> bool:
        """Whether nothing else is tried on a group of which the baseline makes so many bytes."""
        task = self._task
        if is_many_short_columns(task.layout) and not task.hints.for_other_files:
            return size < min(_TINY, _TINY_COLUMN * len(self._names))
        return self._effort == "fast" and size < _LITTLE

    def _ask(self, kinds: Sequence[type[Model]]) -> None:
        """Have models estimate the first block, at once, knowing what the baseline expects."""
        task = self._task
        rival = min(totals(self._estimates, self._names).values(), default=math.inf)
        hints = replace(task.hints, baseline=_alone(self._estimates), rival=rival)

        def asked(kind: type[Model]) -> tuple[Model, Estimate | None]:
            model = with_effort(kind, self._effort)
            return model, estimated(model, replace(task, hints=hints))

        for kind, call in attempted(asked, kinds):
            with self._guarded(kind):
                model, found = call.result()
                self._hints[kind], self._models[kind] = hints, model
                if found is not None:
                    self._estimates[kind] = found

    def _refine(self) -> None:
        """Have rough estimates made closer, the least one first, as long as they may be the least."""
        self._totals = totals(self._estimates, self._names)
        rough = {kind for kind, estimate in self._estimates.items() if estimate.refined is not None}
        while rough:
            kind = min(rough, key=lambda kind: self._totals[kind])
            rough.remove(kind)
            estimate, least = self._estimates[kind], self._least(rough | {kind})
            if estimate.refined is None or (self._at_least(kind) >= least and not is_small(self._task)):
                continue
            with self._guarded(kind):
                self._estimates[kind] = estimate.refined(least)
            if kind in self._failures:
                del self._estimates[kind]
            self._totals = totals(self._estimates, self._names)

    def _at_least(self, kind: type[Model]) -> float:
        """Return the total of a rough estimate, had the closer one all of its leeway."""
        estimate = self._estimates[kind]
        least = replace(estimate, sizes={names: size / estimate.leeway for names, size in estimate.sizes.items()})
        return totals({**self._estimates, kind: least}, self._names)[kind]

    def _least(self, rough: Collection[type[Model]]) -> float:
        """Return the least that any other models than these expect."""
        return min((size for kind, size in self._totals.items() if kind not in rough), default=math.inf)

    def _prescreened(self, kinds: Sequence[type[Model]]) -> list[type[Model]]:
        """With most effort, leave out models of grids that expect far more than another one after little effort."""
        task = self._task
        rivals = [kind for kind in kinds if "effort" in kind.Options.model_fields and kind.name != BASELINE]
        if self._effort != "max" or is_small(task) or task.layout.kind != "grid" or len(rivals) < 2:
            return list(kinds)
        if all(sum(length > 1 for length in task.layout.shape(each)) <= 2 for each in task.layout.variables):
            # of images, little effort leaves out what saves most where bounds are coarse
            return list(kinds)
        found: dict[type[Model], Estimate] = {}
        for kind, call in attempted(self._glanced, rivals):
            with self._guarded(kind):
                quick = call.result()
                if quick is not None and quick.sizes:
                    found[kind] = quick
        names = {name for estimate in found.values() for members in estimate.sizes for name in members}
        whole = {kind: quick.total for kind, quick in found.items() if set().union(*quick.sizes) == names}
        least = min(whole.values(), default=0.0)
        far = {kind for kind, size in whole.items() if size > _FAR_BEHIND * least}
        return [kind for kind in kinds if kind not in far]

    def _glanced(self, kind: type[Model]) -> Estimate | None:
        """Return what a model expects after little effort."""
        quick = estimated(with_effort(kind, "fast"), self._task)
        return quick if quick is None or quick.refined is None else quick.refined(math.inf)

    def _beats(self, one: type[Model], other: type[Model]) -> bool:
        """Whether one clearly expects fewer bytes; if both leave much to the baseline, by what they expect themselves."""
        close, total = _CLOSE[self._effort], self._totals
        if not self._estimates[one].sizes:  # it leaves all to the baseline
            return False
        if one.name == BASELINE and self._is_exact_grid():
            close = _CLOSE["max"]
        if total[other] > close * total[one] + 100:
            return True
        expects_more = self._estimates[other].total > close * self._estimates[one].total + 100
        return other.name != BASELINE and total[other] >= total[one] and expects_more

    def _is_exact_grid(self) -> bool:
        """Whether no value may change: what slow compressors make of noise is hardly foretold then."""
        exact = all(not tolerance.lossy for tolerance in self._task.tolerances.values())
        return self._task.layout.kind == "grid" and exact

    def are_estimated(self, kinds: Sequence[type[Model]]) -> bool:
        """Whether all of them have estimated how large they will be."""
        return bool(kinds) and all(kind in self._totals for kind in kinds)

    def only(self, kind: type[Model]) -> FittedModel:
        """Fit the only model that is left, whatever it expects."""
        self._hints[kind], self._models[kind] = self._task.hints, with_effort(kind, self._effort)
        return self.smallest([kind])

    def measured(self, kinds: Sequence[type[Model]]) -> dict[type[Model], int]:
        """Return the bytes that models of a shortlist make of the task; those that fail are left out."""
        return {kind: chosen.size() for kind, chosen in self._encoded(kinds)}

    def smallest(self, kinds: Sequence[type[Model]]) -> FittedModel:
        """Find whichever makes the fewest bytes of the task; the first failure is raised if none works.

        Those that estimate nothing come first, and spare those that expect far more than what these then take. A single one
        encodes when its streams are asked for: other blocks may be encoded meanwhile.
        """
        if len(kinds) == 1:
            return self._single(kinds[0])
        results: list[tuple[int, FittedModel]] = []
        layout = self._task.layout
        guessed = [kind for kind in kinds if kind in self._totals]
        with shown(f"choose {layout.name}", "model", len(kinds)) as step:
            for some in ([kind for kind in kinds if kind not in self._totals], guessed):
                limit = min((size for size, _ in results), default=math.inf) * _CLOSE[self._effort] + 100
                fits = [kind for kind in some if self._totals.get(kind, 0.0) <= limit]
                for kind, chosen in self._encoded(fits):
                    size = chosen.size()
                    logger.info("group %s: %s takes %d bytes", layout.name, kind.name, size)
                    results.append((size, chosen))
                    step(_rate(layout, min(size for size, _ in results)))
        if not results:
            self._raise_failure()
        return min(results, key=lambda result: result[0])[1]

    def _encoded(self, kinds: Sequence[type[Model]]) -> list[tuple[type[Model], FittedModel]]:
        """Fit models and have them encode, the least first; fields at once, as tables are coded in threads of their own."""
        if self._task.layout.kind != "grid":
            return [pair for kind in self._by_size(kinds) for pair in self._encoded_at_once([kind])]
        return self._encoded_at_once(self._by_size(kinds))

    def _by_size(self, kinds: Sequence[type[Model]]) -> list[type[Model]]:
        return sorted(kinds, key=lambda kind: self._totals.get(kind, 0.0))

    def _encoded_at_once(self, kinds: Sequence[type[Model]]) -> list[tuple[type[Model], FittedModel]]:
        """Fit models one after the other, as they may read the file, and have them encode at once."""
        fitted_ones: dict[type[Model], FittedModel] = {}
        for kind in kinds:
            with self._guarded(kind):
                fitted_ones[kind] = self._fitted(kind)
        found = []
        for kind, call in attempted(lambda kind: fitted_ones[kind].size(), list(fitted_ones)):
            with self._guarded(kind):
                call.result()
                found.append((kind, fitted_ones[kind]))
        return found

    def _single(self, kind: type[Model]) -> FittedModel:
        """Fit a model that nothing is left to be compared with."""
        found: list[FittedModel] = []

        def encode() -> Streams:
            with self._guarded(kind):
                return found[0].encode()
            self._raise_failure()

        with self._guarded(kind):
            found.append(self._fitted(kind))
        if not found:
            self._raise_failure()
        return replace(found[0], encode=encode)

    def _raise_failure(self) -> NoReturn:
        failure = next(iter(self._failures.values()))
        raise failure if isinstance(failure, BalerError) else BalerError(str(failure)) from failure

    def _fitted(self, kind: type[Model]) -> FittedModel:
        """Fit a model by its plan, which is not needed any more after that."""
        estimate = self._estimates.pop(kind, None)
        task = replace(self._task, hints=self._hints[kind])
        chosen = fitted(self._models[kind], task, None if estimate is None else estimate.plan)
        return replace(chosen, expected=self._totals.get(kind))

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


def _rate(layout: Layout, size: float) -> str:
    """`size` bytes as bits per row of a table, or per value of fields."""
    if layout.kind == "grid":
        return bits_per_value(size, sum(math.prod(layout.shape(variable)) for variable in layout.variables))
    return bits_per_row(size, layout.shape(layout.variables[0])[0] if layout.variables[0].dims else 1)
