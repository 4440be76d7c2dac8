"""Make a decoder that is too large small: its smallest weights become 0, and the others learn to do without them."""

from __future__ import annotations

import logging
from copy import deepcopy
from typing import TYPE_CHECKING

from baler_core.builtin.models.autoencoder.networks import NetworkPair
from baler_core.builtin.models.autoencoder.seeds import SeedTask
from baler_core.builtin.models.autoencoder.weights import SmallWeights
from baler_core.builtin.training.run import train_network
from baler_core.entropy.integers import pack_integers
from baler_core.plugin.interfaces import Training

if TYPE_CHECKING:
    import numpy as np
    import torch

    from baler_core.builtin.training.scratch import RowsOnDisk

logger = logging.getLogger(__name__)

_BITS = 8
_SHARES = (0.5, 0.7, 0.8, 0.87, 0.92, 0.95, 0.97, 0.98, 0.99, 0.995)
_ROOM = 0.95
"""Part of the limit that a decoder may take before it learns on, and its steps, scales and normalisation are added."""


def prune(pair: NetworkPair, rows: np.ndarray | RowsOnDisk, task: SeedTask, training: Training, limit: float) -> None:
    """Prune a decoder that takes more than `limit` bytes at 8 bits per weight, by magnitude (Han et al. 2015)."""
    import torch
    from torch.nn.utils import prune as pruning

    before = stored_bytes(pair.decoder)
    if before <= limit:
        return
    share, masks = _masks(pair.decoder, _ROOM * limit)
    logger.info("%s: %.4g of its decoder's weights become 0, as it would take %d bytes", task.name, share, before)
    layers = [module for module in pair.decoder.modules() if _matrix(module) is not None]
    for layer, mask in zip(layers, masks, strict=True):
        pruning.custom_from_mask(layer, "weight", mask)  # type: ignore[no-untyped-call]
    network = torch.nn.Sequential(pair.encoder, pair.decoder)
    further = training.model_copy(update={"epochs": max(1, training.epochs // 4)})
    train_network(network, rows, loss=task.loss, training=further, title=f"prune {task.name}")
    for layer in layers:
        pruning.remove(layer, "weight")  # type: ignore[no-untyped-call]


def stored_bytes(decoder: torch.nn.Module) -> int:
    """Return what the weights take at 8 bits each."""
    return len(pack_integers(SmallWeights.of(decoder, _BITS).integers, thorough=False))


def _masks(decoder: torch.nn.Module, limit: float) -> tuple[float, list[torch.Tensor]]:
    """The smallest share of weights to be 0 that meets a limit, and which are not 0, layer by layer."""
    import torch

    weights = [weight.detach() for weight in _matrices(decoder)]
    ranked = torch.cat([weight.abs().flatten() for weight in weights]).sort().values
    for share in _SHARES:
        least = ranked[int(share * (len(ranked) - 1))]
        masks = [(weight.abs() > least).to(weight.dtype) for weight in weights]
        trial = deepcopy(decoder)
        with torch.no_grad():
            for weight, mask in zip(_matrices(trial), masks, strict=True):
                weight.mul_(mask)
        if stored_bytes(trial) <= limit:
            break
    return share, masks


def _matrices(network: torch.nn.Module) -> list[torch.nn.Parameter]:
    return [weight for module in network.modules() if (weight := _matrix(module)) is not None]


def _matrix(module: torch.nn.Module) -> torch.nn.Parameter | None:
    """A layer's weights, if these are more than a number each."""
    weight = module._parameters.get("weight")
    return weight if weight is not None and weight.ndim > 1 else None
