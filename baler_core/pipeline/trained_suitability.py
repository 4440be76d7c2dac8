"""Decides whether a trained model suits a group of another file, by measured bytes; else the group is learned anew."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from baler_core.errors import BoundBroken
from baler_core.format.arrays import encode_state
from baler_core.format.container import pack_streams
from baler_core.pipeline.choose import Chosen, Task, comparable, sample_of
from baler_core.pipeline.trained_file import TrainedModel
from baler_core.plugin.interfaces import Model

logger = logging.getLogger(__name__)
ENOUGH = 1.03
"""A trained model may take this many times the bytes of one learned anew."""
AS_EXPECTED = 1.05
"""It is not questioned if its share of the floor's bytes is at most this many times that on its training data."""


@dataclass(frozen=True)
class Reuse:
    """How trained models are used.

    Attributes
    ----------
    by_reference
        Whether the file will refer to the file of trained models, and not hold their states.
    floor
        The model that learns nothing; what others take is compared with what it takes.
    anew
        Has a model chosen and learned for a task.
    """

    by_reference: bool
    floor: type[Model]
    anew: Callable[[Task], Chosen]

    def chosen(self, trained: TrainedModel, task: Task) -> tuple[Chosen, bool]:
        """The trained model where it suits the task, else one learned anew; and whether it is the trained one.

        A model that takes the same share of the floor's bytes as on the data it was trained on is not questioned.
        Otherwise it must stand the comparison with a model learned anew, on a sample; its state counts where it will
        be in the file. A model that `auto` would never try was the user's choice and is kept.
        """
        model, sample = trained.model, sample_of(task)
        model.by_reference = self.by_reference and model.gains_by_reference()
        try:
            found = Chosen(model, model.encode(sample.first, sample.layout, sample.tolerances))
            if not comparable(model, self.floor, task) or self._as_in_training(trained, found, sample):
                return (found if sample is task else self._whole(model, task)), True
            fresh = self.anew(sample)
            sizes = self._size(found, own_state=not model.by_reference), self._size(fresh, own_state=True)
            if sizes[0] <= ENOUGH * sizes[1]:
                return (found if sample is task else self._whole(model, task)), True
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

    def _as_in_training(self, trained: TrainedModel, found: Chosen, sample: Task) -> bool:
        if trained.share is None:
            return False
        floor = self._floor_size(sample)
        size = self._size(found, own_state=not found.model.by_reference)
        return size <= min(1.0, AS_EXPECTED * trained.share) * floor

    def _floor_size(self, task: Task) -> float:
        """About what the floor takes; shares are compared with shares, so that what it misses matters little."""
        found = self.floor().estimate(task.first, task.layout, task.tolerances)
        return sum(found.values()) if found else 1.0

    def share(self, model: Model, task: Task) -> float:
        """What part of the floor's bytes a model takes of a sample of its task; 1 where that cannot be compared."""
        if not comparable(model, self.floor, task):
            return 1.0
        sample = sample_of(task)
        streams = model.encode(sample.first, sample.layout, sample.tolerances)
        return len(pack_streams([streams])) / self._floor_size(sample)

    @staticmethod
    def _whole(model: Model, task: Task) -> Chosen:
        return Chosen(model, model.encode(task.first, task.layout, task.tolerances))

    @staticmethod
    def _size(chosen: Chosen, *, own_state: bool) -> int:
        return len(pack_streams([chosen.streams])) + (len(encode_state(chosen.model.state())) if own_state else 0)
