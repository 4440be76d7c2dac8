"""Hold how much a trained model depends on its random seed: the spread of losses and errors over the best of several."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import field

from baler_core.machine.records import dataclass


@dataclass(frozen=True)
class MeanOverSeeds:
    """A number over several seeds: its mean, and two sample standard deviations (NaN for a single seed)."""

    mean: float
    two_sd: float

    @classmethod
    def of(cls, values: Sequence[float]) -> MeanOverSeeds:
        """The spread of at least one number, NaN if one of them is."""
        mean = sum(values) / len(values)
        if len(values) == 1 or not math.isfinite(mean):
            return cls(mean, math.nan)
        return cls(mean, 2 * math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1)))


@dataclass(frozen=True)
class VariableSpread:
    """Mean and RMS of a variable's residuals (in its units) and of its defined responses, over the kept seeds."""

    residual_mean: MeanOverSeeds
    residual_rms: MeanOverSeeds
    response_mean: MeanOverSeeds
    response_rms: MeanOverSeeds


@dataclass(frozen=True)
class SeedSpread:
    """What training from several seeds gave.

    Attributes
    ----------
    losses
        Lowest loss on the validation rows by seed, of all that were trained; on the training rows if none were set aside.
    kept
        The seeds with the lowest losses, best first: the first one's networks are in the file.
    loss
        Over the kept seeds.
    variables
        Errors of the networks' own predictions over the kept seeds, before their latents and weights are rounded and
        before any bound corrects them; of the values that models see, after preprocessing.
    """

    losses: Mapping[int, float]
    kept: tuple[int, ...]
    loss: MeanOverSeeds
    variables: Mapping[str, VariableSpread] = field(default_factory=dict)
