"""Chooses the model of a group: the named one, or with `auto` whichever measured bytes show to be smallest."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from baler_core.errors import ConfigError
from baler_core.pipeline.candidates import (
    BASELINE,
    Candidates,
    FittedModel,
    comparing,
    estimated,
    fitted,
    is_many_short_columns,
    is_small,
)
from baler_core.pipeline.narrow_sample import few_columns
from baler_core.pipeline.task import Task, sample_of
from baler_core.plugin.interfaces import Effort, Model, Tolerances

logger = logging.getLogger(__name__)
# A model that the user named gives way to the baseline if it takes so many times its bytes, of groups of so many bytes.
_CLEARLY_MORE = 1.05
_TINY = 4000
# Of tables of very many short columns, the baseline is left out if it makes so many times the bytes of another one of some
# columns, and others if they make more bytes than the baseline: planning all columns takes most of the time.
_FAR_MORE = 1.05
_UP_TO: Mapping[Effort, tuple[Effort, ...]] = {
    "fast": ("fast",),
    "balanced": ("fast", "balanced"),
    "max": ("fast", "balanced", "max"),
}


def comparable(model: Model | type[Model], baseline: Model | type[Model], task: Task) -> bool:
    """Whether bytes decide between a model and the baseline; a model that `auto` would never try is the user's choice."""
    return model.automatic and task.layout.kind in baseline.kinds


def takes(kind: type[Model], tolerances: Tolerances) -> bool:
    """Whether a model takes these tolerances: some follow from other variables of the group."""
    return kind.takes_scales or all(tolerance.kind != "each" for tolerance in tolerances.values())


def fitted_or_baseline(model: Model, baseline: Model, task: Task) -> FittedModel:
    """Fit a model and try it on the first block; take the baseline instead where that makes clearly fewer bytes of it."""
    chosen = fitted(model, task)
    expected = estimated(baseline, task)
    size = chosen.size()
    if size < _TINY or (expected is not None and expected.total > size):
        return chosen
    plain = fitted(baseline, task)
    plain_size = plain.size()
    if size < _CLEARLY_MORE * plain_size:
        return chosen
    logger.warning(
        "group %s: model %s takes %d bytes and %s %d: %s codes it",
        task.layout.name,
        model.name,
        size,
        baseline.name,
        plain_size,
        baseline.name,
    )
    return plain


def choose(kinds: Sequence[type[Model]], task: Task, effort: Effort = "max") -> FittedModel:
    """Choose the model with the fewest bytes, state included, measured on the first block or on a part of a large one.

    Models that estimate their bytes and are clearly beaten by another estimate are not measured, but for small grids,
    which are measured with lesser efforts too. A model that fails is reported and left out, as long as another works.

    Raises
    ------
    ConfigError
        If no model codes this kind of group.
    """
    suitable = [kind for kind in kinds if task.layout.kind in kind.kinds and takes(kind, task.tolerances)]
    if not suitable:
        raise ConfigError(f"no model here codes the group {task.layout.name!r} (kind {task.layout.kind})")
    task = comparing(task, suitable, effort)
    if is_small(task):
        return min((_chosen(suitable, task, each) for each in _UP_TO[effort]), key=FittedModel.size)
    return _chosen(suitable, task, effort)


def _worth_all_columns(kinds: Sequence[type[Model]], task: Task, effort: Effort) -> Sequence[type[Model]]:
    """Leave out models that some columns of a table of very many short ones show to save nothing."""
    sample = few_columns(task)
    if sample is None:
        return kinds
    on_sample = Candidates(comparing(sample, kinds, effort), effort)
    shortlist = on_sample.shortlist(kinds)
    sizes = on_sample.measured(shortlist) if len(shortlist) > 1 else {}
    if len(sizes) < len(shortlist) or len(sizes) < 2:
        return kinds
    least = min(sizes.values())
    return [kind for kind in shortlist if sizes[kind] <= (_FAR_MORE if kind.name == BASELINE else 1) * least]


def _chosen(suitable: Sequence[type[Model]], task: Task, effort: Effort) -> FittedModel:
    """Choose among models of one effort."""
    candidates = Candidates(task, effort)
    if len(suitable) > 1 and is_many_short_columns(task.layout) and not task.hints.for_other_files:
        suitable = _worth_all_columns(suitable, task, effort)
        if len(suitable) == 1:
            return candidates.only(suitable[0])
    shortlist = candidates.shortlist(suitable)
    if candidates.are_estimated(shortlist):
        return candidates.smallest(shortlist)
    sample = sample_of(task) if len(shortlist) > 1 else task
    if sample is task:
        return candidates.smallest(shortlist)
    on_sample = Candidates(comparing(sample, suitable, effort), effort)
    best = on_sample.smallest(on_sample.shortlist(shortlist))
    return fitted(type(best.model)(best.model.options), task)
