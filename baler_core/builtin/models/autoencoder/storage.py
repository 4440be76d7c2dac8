"""Chooses how coarsely an autoencoder stores its latents and its decoder's weights, by measured bytes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np

from baler_core.builtin.models.autoencoder.weights import SmallWeights
from baler_core.entropy.integers import pack_integers
from baler_core.machine.records import dataclass

if TYPE_CHECKING:
    import torch

_LATENT_BITS = (1, 2, 3, 4, 5, 6, 8, 10)
_WEIGHT_BITS = (6, 8, 10, 12)
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
    """A way of storing: weights of the decoder, and their bytes; steps of the latents; its whole size, its error."""

    weights: SmallWeights
    weight_bytes: int
    steps: np.ndarray
    size: float
    error: float


def choose_storage(
    decoder: torch.nn.Module,
    spread: np.ndarray,
    measure: Callable[[SmallWeights, np.ndarray], Measured],
    limit: float = math.inf,
) -> Storage:
    """The cheapest way among those that keep unbounded variables nearly as good as the network made them.

    Parameters
    ----------
    spread
        Of each channel of the latents, float64: steps are fractions of it.
    measure
        Tries weights and steps of latents on the sample.
    limit
        Bytes that the weights may take, if there is a way.
    """

    def stored(weights: SmallWeights, weight_bytes: int, steps: np.ndarray) -> Storage:
        measured = measure(weights, steps)
        return Storage(weights, weight_bytes, steps, weight_bytes + measured.size, measured.error)

    weights = SmallWeights.of(decoder, _FINE_WEIGHT_BITS)
    size = len(pack_integers(weights.integers, thorough=False))
    fine = stored(weights, size, spread / 2.0**_FINE_LATENT_BITS)
    best = _cheapest([fine, *(stored(weights, size, spread / 2.0**bits) for bits in _LATENT_BITS)], fine)
    tried = [best]
    for bits in _WEIGHT_BITS:
        weights = SmallWeights.of(decoder, bits)
        size = len(pack_integers(weights.integers, thorough=False))
        tried.append(stored(weights, size, best.steps))
    within = [one for one in tried if one.weight_bytes <= limit] or [min(tried, key=lambda one: one.weight_bytes)]
    return _cheapest(within, fine)


def _cheapest(tried: Iterable[Storage], reference: Storage) -> Storage:
    found = list(tried)
    good_enough = [one for one in found if one.error <= _FREE_ERROR * reference.error]
    return min(good_enough or found, key=lambda one: one.size)
