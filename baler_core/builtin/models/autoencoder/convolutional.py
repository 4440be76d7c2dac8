"""A convolutional autoencoder for 2-D slices of fields, of any height and width."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from baler_core.builtin.models.autoencoder.model import LATENT_RATIO, Autoencoder
from baler_core.builtin.models.autoencoder.samples import SampleForm
from baler_core.data.variables import GroupKind
from baler_core.plugin.interfaces import Options

if TYPE_CHECKING:
    import torch


class ConvOptions(Options):
    """Options of `conv_autoencoder`."""

    renamed: ClassVar[Mapping[str, tuple[str, str]]] = LATENT_RATIO

    latent_ratio: float = Field(
        default=20.0, ge=1, description="The paper's R: values of a slice over its latents; says nothing of bytes."
    )
    channels: tuple[int, ...] = Field(
        default=(8, 16, 32), min_length=1, description="Channels of the encoder's layers, each halving the resolution."
    )


class ConvAutoencoder(Autoencoder):
    """Convolutions of stride 2 down to a coarse grid of latents, and up again (arXiv 2305.02283, section 4).

    The variables of a group are the channels of one image. Slices are padded to whole cells of the coarse grid.
    """

    name: ClassVar[str] = "conv_autoencoder"
    summary: ClassVar[str] = "convolutional autoencoder on 2-D slices of fields, with bounds"
    Options: ClassVar[type[Options]] = ConvOptions
    kinds: ClassVar[frozenset[GroupKind]] = frozenset({"grid"})
    form: ClassVar[SampleForm] = "image"

    def networks(self, shape: tuple[int, ...]) -> tuple[torch.nn.Module, torch.nn.Module]:
        """Encoder and decoder for images of `shape` (variables, height, width)."""
        from torch import nn

        variables, height, width = shape
        cell = 2 ** len(self.options.channels)
        latents = math.ceil(variables * cell**2 / self.options.latent_ratio)
        widths = [variables, *self.options.channels]
        down: list[nn.Module] = [_padding(-height % cell, -width % cell)]
        for before, after in itertools.pairwise(widths):
            down += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.LeakyReLU()]
        up: list[nn.Module] = [nn.Conv2d(latents, widths[-1], 1)]
        for before, after in itertools.pairwise(widths[::-1]):
            up += [nn.LeakyReLU(), nn.Upsample(scale_factor=2), nn.Conv2d(before, after, 3, padding=1)]
        # Padding by a negative length cuts off.
        up.append(nn.ZeroPad2d((0, -(-width % cell), 0, -(-height % cell))))
        return nn.Sequential(*down, nn.Conv2d(widths[-1], latents, 1)), nn.Sequential(*up)


def _padding(rows: int, columns: int) -> torch.nn.Module:
    """Repeats the last row and column."""
    from torch import nn

    return nn.ReplicationPad2d((0, columns, 0, rows))
