"""Has a group's model chosen and learned: the configured one, a trained one, or the one that `auto` chooses."""

from __future__ import annotations

import logging

from baler_core.pipeline.candidates import BASELINE, FittedModel, fitted
from baler_core.pipeline.choose import choose, comparable, fitted_or_baseline, takes
from baler_core.pipeline.chunking import chunks_of
from baler_core.pipeline.job import GroupBlocks, Job, PreparedBlock, is_rest, named_model
from baler_core.pipeline.task import Task
from baler_core.pipeline.trained_file import TrainedModel
from baler_core.pipeline.trained_suitability import Reuse
from baler_core.plugin.interfaces import AutoOptions, Effort, Hints

logger = logging.getLogger(__name__)


def task_for(job: Job, first: PreparedBlock) -> Task:
    """Make the task to find a model for a group, of which this is the first block."""
    layout, seen = first.original.layout, first.encoded
    formulas = job.registry.formulas([variable.name for variable in layout.variables])
    chunks = chunks_of(job.config.chunks, job.schema, layout)
    memory = job.config.learning_bytes
    hints = Hints(formulas=formulas, for_other_files=job.for_other_files, chunks=chunks, memory=memory)
    # What models see of a group that was set apart is known of one block at a time.
    blocks = GroupBlocks(job, layout) if first.beside is None else [seen.block]
    return Task(blocks, seen.block, seen.layout, seen.tolerances, job.config.training, hints)


def choose_model(job: Job, task: Task) -> tuple[FittedModel, TrainedModel | None]:
    """Choose and fit the model; and return the trained one that the file refers to for it, if it does."""
    if job.trained is None:
        return _anew(job, task), None
    known = job.trained.model_for(task.layout, fewer=job.by_reference)
    if known is None or not takes(type(known.model), task.tolerances):
        why = job.trained.difference(task.layout) if known is None else "its bounds follow from other variables"
        if not is_rest(job, task.layout):  # of which `with_known_columns` has told
            logger.warning(
                "group %s: the trained models do not know it (%s): it is learned anew", task.layout.name, why
            )
        return _anew(job, task), None
    chosen, is_trained = reuse(job).chosen(known, task)
    return chosen, known if is_trained and chosen.hints.by_reference else None


def reuse(job: Job) -> Reuse:
    """Say how trained models are used for this file."""
    return Reuse(job.by_reference, job.registry.model(BASELINE), lambda task: _anew(job, task))


def effort_of(job: Job) -> Effort:
    """Return the effort that `auto` was asked for; that of its default where another model was named."""
    options = job.config.model.options
    return options.effort if isinstance(options, AutoOptions) else AutoOptions().effort


def _anew(job: Job, task: Task) -> FittedModel:
    """Learn the configured model, or the one that `auto` chooses, for the task."""
    wanted, model = job.config.model, named_model(job.config, job.registry)
    if model is not None:
        if task.layout.kind in model.kinds:
            baseline = job.registry.model(BASELINE)()
            # who names both a model and chunks wants these, which the baseline does not cut
            fixed = task.hints.for_other_files or bool(task.hints.chunks)
            by_bytes = comparable(model, baseline, task) and not fixed
            return fitted_or_baseline(model, baseline, task) if by_bytes else fitted(model, task)
        logger.info(
            "model %s does not code %s groups: auto chooses for %s", wanted.name, task.layout.kind, task.layout.name
        )
    return choose(job.registry.automatic_models(), task, effort_of(job))
