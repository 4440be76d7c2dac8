"""The paper's fully connected autoencoder: 200-100-50-z, LeakyReLU, the mirror image as decoder."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from baler_core.builtin.models.autoencoder.model import Autoencoder, AutoencoderOptions
from baler_core.builtin.models.autoencoder.samples import SampleForm
from baler_core.plugin.interfaces import Options

if TYPE_CHECKING:
    import torch


class DenseOptions(AutoencoderOptions):
    """Options of `dense_autoencoder`."""

    latent_ratio: float = Field(
        default=6.0, ge=1, description="The paper's R: numbers in a row over its latents; says nothing of bytes."
    )
    hidden: tuple[int, ...] = Field(
        default=(200, 100, 50), description="Widths of the encoder's layers; the decoder has them in reverse."
    )
    events: bool = Field(
        default=False,
        description="Whether encoder and decoder are told the place of each row in its event, and how many rows that has.",
    )


class DenseAutoencoder(Autoencoder):
    """A fully connected autoencoder on rows of a table or on flattened frames (arXiv 2305.02283, section 2).

    z = ceil(numbers in a row / latent_ratio) latents. Min-max normalisation comes from the base class.
    """

    name: ClassVar[str] = "dense_autoencoder"
    summary: ClassVar[str] = "the Baler paper's fully connected autoencoder, with bounds"
    Options: ClassVar[type[Options]] = DenseOptions
    form: ClassVar[SampleForm] = "row"

    def networks(self, shape: tuple[int, ...]) -> tuple[torch.nn.Module, torch.nn.Module]:
        """Encoder and decoder for rows of `shape` (numbers,)."""
        return self.told_networks(shape, 0)

    def tells_events(self) -> bool:
        """Return what the option `events` says."""
        return bool(self.options.events)

    def told_networks(self, shape: tuple[int, ...], told: int) -> tuple[torch.nn.Module, torch.nn.Module]:
        """The same for rows whose first `told` numbers both know."""
        numbers, hidden = shape[0] - told, self.options.hidden
        latents = math.ceil(numbers / self.options.latent_ratio)
        return _layers([shape[0], *hidden, latents]), _layers([latents + told, *hidden[::-1], numbers])


def _layers(widths: list[int]) -> torch.nn.Module:
    """Linear layers with LeakyReLU between them."""
    from torch import nn

    layers: list[nn.Module] = []
    for width, following in itertools.pairwise(widths):
        layers += [nn.Linear(width, following), nn.LeakyReLU()]
    return nn.Sequential(*layers[:-1])
