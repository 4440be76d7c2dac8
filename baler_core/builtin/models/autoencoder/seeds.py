"""Trains an autoencoder from several random seeds: the best is stored, the spread of the best ones is reported."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from baler_core.builtin.models.autoencoder.networks import NetworkPair, through
from baler_core.builtin.models.autoencoder.samples import (
    Normalisation,
    SampleForm,
    as_dtype,
    block_layout,
    from_samples,
    sample_shape,
)
from baler_core.builtin.training.loop import History
from baler_core.builtin.training.run import seeded, train_network
from baler_core.builtin.training.scratch import RowsOnDisk
from baler_core.data.block import Block, values_of
from baler_core.data.comparison import pair_values, responses
from baler_core.data.running_statistics import Moments
from baler_core.data.seeds import MeanOverSeeds, SeedSpread, VariableSpread
from baler_core.data.variables import Layout, Variable
from baler_core.machine.records import dataclass
from baler_core.plugin.interfaces import Loss, Training


@dataclass(frozen=True)
class Trained:
    """Networks trained from one seed, and how that went."""

    seed: int
    pair: NetworkPair
    history: History

    @property
    def loss(self) -> float:
        """The lowest loss that was watched; infinite if there was none."""
        losses = [loss for loss in self.history.validation or self.history.train if math.isfinite(loss)]
        return min(losses, default=math.inf)


@dataclass(frozen=True)
class SeedTask:
    """What is trained from each seed.

    Attributes
    ----------
    build
        Makes the networks, with random weights.
    loss
        What is minimised.
    name
        Of the model.
    """

    build: Callable[[], NetworkPair]
    loss: Loss
    name: str


def train_seeds(task: SeedTask, rows: np.ndarray | RowsOnDisk, training: Training) -> list[Trained]:
    """Networks from `training.seeds` seeds, those with the lowest losses first; ties keep the order of the seeds.

    The first seed is `training.seed`. All are judged on the same rows. `training.seconds` holds for each.
    """
    import torch

    found = []
    for number in range(training.seeds):
        seed = training.seed + number
        with seeded(seed):
            pair = task.build()
        title = (
            f"train {task.name}" if training.seeds == 1 else f"train {task.name}, seed {number + 1} of {training.seeds}"
        )
        network = torch.nn.Sequential(pair.encoder, pair.decoder)
        history = train_network(network, rows, loss=task.loss, training=training, title=title, seed=seed)
        found.append(Trained(seed, pair, history))
    return sorted(found, key=lambda one: one.loss)


@dataclass(frozen=True)
class Judge:
    """Measures what networks lose of a file's blocks.

    Attributes
    ----------
    variables
        Those that the networks restore, in their order.
    sampled
        Makes samples of a block.
    """

    blocks: Iterable[Block]
    layout: Layout
    variables: Sequence[Variable]
    scaling: Normalisation
    sampled: Callable[[Block], np.ndarray]
    form: SampleForm

    def spread(self, trained: Sequence[Trained], keep: int) -> SeedSpread:
        """The losses of all seeds, best first, and the errors of the first `keep`, over all blocks."""
        kept = trained[:keep]
        errors = [[(Moments(), Moments()) for _ in self.variables] for _ in kept]
        for block in self.blocks:
            layout = block_layout(self.layout, block, self.variables[0])
            for one, moments in zip(kept, errors, strict=True):
                self._measure(one.pair, block, layout, moments)
        return SeedSpread(
            {one.seed: one.loss for one in trained},
            tuple(one.seed for one in kept),
            MeanOverSeeds.of([one.loss for one in kept]),
            {v.name: _over_seeds([found[place] for found in errors]) for place, v in enumerate(self.variables)},
        )

    def _measure(
        self, pair: NetworkPair, block: Block, layout: Layout, moments: Sequence[tuple[Moments, Moments]]
    ) -> None:
        """Take in the residuals and responses of a block, by variable."""
        samples = self.sampled(block)
        if not samples.size:
            return
        restored = through(pair.decoder, through(pair.encoder, samples), per_sample=samples[0].size)
        told = samples.shape[1] - sample_shape(layout, self.variables, self.form)[0]
        restored = restored[:, told:]
        predictions = from_samples(restored.astype(np.float64), layout, self.variables, self.scaling, self.form)
        for variable, (residual, response) in zip(self.variables, moments, strict=True):
            back = as_dtype(predictions[variable.name], variable)
            pairs = pair_values(variable, values_of(block, variable.name), back)
            relative = responses(pairs)
            residual.update(pairs.residual)
            response.update(relative[np.isfinite(relative)])


def _over_seeds(found: Sequence[tuple[Moments, Moments]]) -> VariableSpread:
    """Residuals and responses of one variable, one pair of moments per seed."""
    residuals, relative = [one[0] for one in found], [one[1] for one in found]
    return VariableSpread(
        MeanOverSeeds.of([one.mean for one in residuals]),
        MeanOverSeeds.of([one.rms for one in residuals]),
        MeanOverSeeds.of([one.mean for one in relative]),
        MeanOverSeeds.of([one.rms for one in relative]),
    )
