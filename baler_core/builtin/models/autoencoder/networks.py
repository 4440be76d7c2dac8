"""Encoder and decoder of an autoencoder: built, checked against each other, and run a batch at a time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from baler_core.builtin.training.run import one_thread
from baler_core.errors import PluginError
from baler_core.machine.records import dataclass

if TYPE_CHECKING:
    import torch

# Values that go through a network at once: bounds the memory of its layers.
_BATCH_VALUES = 1 << 20


@dataclass(frozen=True)
class NetworkPair:
    """Two networks, and the shape of one sample's latents between them."""

    encoder: torch.nn.Module
    decoder: torch.nn.Module
    latents: tuple[int, ...]


def built_pair(
    networks: Callable[[tuple[int, ...]], tuple[torch.nn.Module, torch.nn.Module]], shape: tuple[int, ...], name: str
) -> NetworkPair:
    """Networks for samples of a shape, tried on one sample.

    Raises
    ------
    PluginError
        If the decoder does not lead back to the sample's shape.
    """
    import torch

    encoder, decoder = networks(shape)
    with torch.no_grad():
        latents = encoder.eval()(torch.zeros(1, *shape))
        restored = decoder.eval()(latents)
    if tuple(restored.shape) != (1, *shape) or latents.ndim < 2:
        raise PluginError(
            f"the networks of {name} turn samples of shape {shape} into latents {tuple(latents.shape[1:])} "
            f"and these into {tuple(restored.shape[1:])}, which should be {shape} again"
        )
    return NetworkPair(encoder, decoder, tuple(latents.shape[1:]))


def through(network: torch.nn.Module, samples: np.ndarray, *, per_sample: int = 0) -> np.ndarray:
    """What a network makes of samples (at least one), a batch at a time; `per_sample` values come out of each."""
    import torch

    rows = max(1, _BATCH_VALUES // max(1, per_sample, math.prod(samples.shape[1:])))
    network.eval()
    with torch.no_grad(), one_thread():
        parts = [network(torch.from_numpy(samples[i : i + rows])).numpy() for i in range(0, len(samples), rows)]
    return np.concatenate(parts)
