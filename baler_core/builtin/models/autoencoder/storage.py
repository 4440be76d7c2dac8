"""Chooses how coarsely an autoencoder stores its latents and its decoder's weights, by measured bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from baler_core.builtin.models.autoencoder.weights import SmallWeights
from baler_core.entropy.integers import pack_integers

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
        Bytes of all streams, extrapolated from a sample to the whole file.
    error
        Mean squared error of the unbounded variables in normalised units; 0 if there are none.
    """

    size: float
    error: float


@dataclass(frozen=True)
class Storage:
    """A way of storing: weights of the decoder, steps of the latents; its whole size in bytes, its error."""

    weights: SmallWeights
    steps: np.ndarray
    size: float
    error: float


def choose_storage(
    decoder: torch.nn.Module, spread: np.ndarray, measure: Callable[[SmallWeights, np.ndarray], Measured]
) -> Storage:
    """The cheapest way among those that keep unbounded variables nearly as good as the network made them.

    Parameters
    ----------
    spread
        Of each channel of the latents, float64: steps are fractions of it.
    measure
        Tries weights and steps of latents on the sample.
    """

    def stored(weights: SmallWeights, weight_bytes: int, steps: np.ndarray) -> Storage:
        measured = measure(weights, steps)
        return Storage(weights, steps, weight_bytes + measured.size, measured.error)

    weights = SmallWeights.of(decoder, _FINE_WEIGHT_BITS)
    size = len(pack_integers(weights.integers, thorough=False))
    fine = stored(weights, size, spread / 2.0**_FINE_LATENT_BITS)
    best = _cheapest([fine, *(stored(weights, size, spread / 2.0**bits) for bits in _LATENT_BITS)], fine)
    for bits in _WEIGHT_BITS:
        weights = SmallWeights.of(decoder, bits)
        size = len(pack_integers(weights.integers, thorough=False))
        best = _cheapest([best, stored(weights, size, best.steps)], fine)
    return best


def _cheapest(tried: Iterable[Storage], reference: Storage) -> Storage:
    good_enough = [one for one in tried if one.error <= _FREE_ERROR * reference.error]
    return min(good_enough, key=lambda one: one.size)
