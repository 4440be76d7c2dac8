"""Chooses how coarsely an autoencoder stores its latents and its decoder's weights, by measured bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from baler_core.builtin.models.latents import latent_steps
from baler_core.builtin.models.small_weights import SmallWeights

if TYPE_CHECKING:
    import torch

_LATENT_BITS = (1, 2, 3, 4, 5, 6, 8, 10)
_WEIGHT_BITS = (8, 10, 12)
_FINE_LATENT_BITS, _FINE_WEIGHT_BITS = 12, 14
# Where nothing bounds the error, rounding may raise the mean squared error by this factor.
_FREE_ERROR = 1.05


@dataclass(frozen=True)
class Measured:
    """What a way of storing costs.

    Attributes
    ----------
    size
        Bytes of the whole file's group, weights included, extrapolated from a sample.
    error
        Mean squared error of the unbounded variables in normalised units; 0 if there are none.
    """

    weights: SmallWeights
    steps: np.ndarray
    size: float
    error: float


def choose_storage(
    decoder: torch.nn.Module, latents: np.ndarray, measure: Callable[[SmallWeights, np.ndarray], Measured]
) -> Measured:
    """The cheapest way among those that keep unbounded variables nearly as good as the network made them.

    Parameters
    ----------
    latents
        Of a sample, as the encoder gave them: (samples, channels, ...).
    measure
        Tries weights and steps of latents on the sample.
    """
    fine_weights = SmallWeights.of(decoder, _FINE_WEIGHT_BITS)
    fine = measure(fine_weights, latent_steps(latents, _FINE_LATENT_BITS))
    coarse = [measure(fine_weights, latent_steps(latents, bits)) for bits in _LATENT_BITS]
    best = _cheapest([fine, *coarse], fine)
    return _cheapest([best, *(measure(SmallWeights.of(decoder, bits), best.steps) for bits in _WEIGHT_BITS)], fine)


def _cheapest(tried: Iterable[Measured], reference: Measured) -> Measured:
    good_enough = [one for one in tried if one.error <= _FREE_ERROR * reference.error]
    return min(good_enough, key=lambda one: one.size)
