"""Decides whether a trained model suits a group of another file, by measured bytes; else the group is learned anew."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from baler_core.errors import BoundBroken
from baler_core.format.streams import pack_streams
from baler_core.machine.records import dataclass
from baler_core.pipeline.candidates import FittedModel
from baler_core.pipeline.choose import comparable
from baler_core.pipeline.task import Task, sample_of
from baler_core.pipeline.trained_file import TrainedModel
from baler_core.plugin.interfaces import NO_HINTS, Hints, Model

logger = logging.getLogger(__name__)
ENOUGH = 1.03
"""A trained model may take this many times the bytes of one learned anew."""
AS_EXPECTED = 1.05
"""It is not questioned if its share of the baseline's bytes is at most this many times that on its training data."""


@dataclass(frozen=True)
class Reuse:
    """How trained models are used.

    Attributes
    ----------
    by_reference
        Whether the file will refer to the file of trained models, and not hold their states.
    baseline
        The model that learns nothing; what others take is compared with what it takes.
    anew
        Has a model chosen and learned for a task.
    """

    by_reference: bool
    baseline: type[Model]
    anew: Callable[[Task], FittedModel]

    def chosen(self, trained: TrainedModel, task: Task) -> tuple[FittedModel, bool]:
        """Take the trained model where it suits the task, else learn one anew; and say whether it is the trained one.

        A model that takes the same share of the baseline's bytes as on the data it was trained on is not questioned.
        Otherwise it must stand the comparison with a model learned anew, on a sample; its state counts where it will
        be in the file. So must one that a small group would refer to, which may not take more bytes at all. A model that `auto` would never try was the user's choice and is kept.
        """
        model, sample = trained.model, sample_of(task)
        hints = Hints(by_reference=self.by_reference and model.gains_by_reference(), chunks=task.hints.chunks)
        try:
            found = _encoded(model, sample, hints)
            measured = hints.by_reference and sample is task
            if not comparable(model, self.baseline, task) or (
                not measured and self._as_in_training(trained, found, sample)
            ):
                return (found if sample is task else _encoded(model, task, hints)), True
            fresh = self.anew(sample)
            sizes = found.size(own_state=not hints.by_reference), fresh.size()
            if sizes[0] <= (1.0 if measured else ENOUGH) * sizes[1]:
                return (found if sample is task else _encoded(model, task, hints)), True
        except (MemoryError, BoundBroken):
            raise
        except Exception as error:
            logger.warning("group %s: the trained model fails on it and is learned anew: %s", task.layout.name, error)
            logger.debug("its traceback", exc_info=True)
            return self.anew(task), False
        logger.warning(
            "group %s: the trained model takes %d bytes where one learned anew takes %d: it is learned anew",
            task.layout.name,
            *sizes,
        )
        return (fresh if sample is task else self.anew(task)), False

    def _as_in_training(self, trained: TrainedModel, found: FittedModel, sample: Task) -> bool:
        if trained.share is None:
            return False
        size = found.size(own_state=not found.hints.by_reference)
        return size <= min(1.0, AS_EXPECTED * trained.share) * self._baseline_size(sample)

    def _baseline_size(self, task: Task) -> float:
        """About what the baseline takes; shares are compared with shares, so that what it misses matters little."""
        found = self.baseline().estimate(task.first, task.layout, task.tolerances, hints=NO_HINTS)
        return found.total if found is not None and found.sizes else 1.0

    def share(self, chosen: FittedModel, task: Task) -> float:
        """Measure what part of the baseline's bytes a model takes of a sample; 1 where that cannot be compared."""
        if not comparable(chosen.model, self.baseline, task):
            return 1.0
        sample = sample_of(task)
        hints = chosen.hints if sample is task else chosen.hints.elsewhere()
        return len(pack_streams([_encoded(chosen.model, sample, hints).streams])) / self._baseline_size(sample)


def _encoded(model: Model, task: Task, hints: Hints) -> FittedModel:
    """Have a model that is fitted already encode the first block of a task."""
    encode = partial(model.encode, task.first, task.layout, task.tolerances, hints=hints, plan=None)
    return FittedModel(model, encode, hints)
