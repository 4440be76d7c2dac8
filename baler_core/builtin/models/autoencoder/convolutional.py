"""A convolutional autoencoder for lines, slices or volumes of fields, of any size."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from baler_core.builtin.models.autoencoder.model import Autoencoder, AutoencoderOptions
from baler_core.builtin.models.autoencoder.samples import SampleForm
from baler_core.data.variables import GroupKind
from baler_core.plugin.interfaces import Options

if TYPE_CHECKING:
    import torch

_FORMS: Mapping[int, SampleForm] = {1: "series", 2: "image", 3: "volume"}


class ConvOptions(AutoencoderOptions):
    """Options of `conv_autoencoder`."""

    latent_ratio: float = Field(
        default=20.0, ge=1, description="The paper's R: values of a slice over its latents; says nothing of bytes."
    )
    channels: tuple[int, ...] = Field(
        default=(8, 16, 32), min_length=1, description="Channels of the encoder's layers, each halving the resolution."
    )
    dimensions: Literal[1, 2, 3] = Field(
        default=2,
        description="Of the last dimensions, how many the convolutions run along: 3 takes eight neighbouring frames of a "
        "field over time, or layers, together.",
    )


class ConvAutoencoder(Autoencoder):
    """Convolutions of stride 2 down to a coarse grid of latents, and up again (arXiv 2305.02283, section 4).

    The variables of a group are the channels of one image. Slices are padded to whole cells of the coarse grid.
    """

    name: ClassVar[str] = "conv_autoencoder"
    summary: ClassVar[str] = "convolutional autoencoder on lines, slices or volumes of fields, with bounds"
    Options: ClassVar[type[Options]] = ConvOptions
    kinds: ClassVar[frozenset[GroupKind]] = frozenset({"grid"})
    form: ClassVar[SampleForm] = "image"

    def sample_form(self) -> SampleForm:
        """Return what the convolutions run along."""
        return _FORMS[self.options.dimensions]

    def networks(self, shape: tuple[int, ...]) -> tuple[torch.nn.Module, torch.nn.Module]:
        """Encoder and decoder for samples of `shape` (variables, and one to three dimensions)."""
        from torch import nn

        from baler_core.builtin.models.autoencoder.cropping import Crop

        variables, *sizes = shape
        number, cell = len(sizes), 2 ** len(self.options.channels)
        convolution = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[number - 1]
        latents = math.ceil(variables * cell**number / self.options.latent_ratio)
        widths = [variables, *self.options.channels]
        down: list[nn.Module] = [_padding([-size % cell for size in sizes])]
        for before, after in itertools.pairwise(widths):
            down += [convolution(before, after, 3, stride=2, padding=1), nn.LeakyReLU()]
        up: list[nn.Module] = [convolution(latents, widths[-1], 1)]
        for before, after in itertools.pairwise(widths[::-1]):
            up += [nn.LeakyReLU(), nn.Upsample(scale_factor=2), convolution(before, after, 3, padding=1)]
        up.append(Crop(sizes))
        return nn.Sequential(*down, convolution(widths[-1], latents, 1)), nn.Sequential(*up)


def _padding(lengths: Sequence[int]) -> torch.nn.Module:
    """Repeats the last values along each dimension."""
    from torch import nn

    kinds: tuple[Any, ...] = (nn.ReplicationPad1d, nn.ReplicationPad2d, nn.ReplicationPad3d)
    padding: torch.nn.Module = kinds[len(lengths) - 1](_at_ends(lengths))
    return padding


def _at_ends(lengths: Sequence[int]) -> tuple[int, ...]:
    """What torch takes: nothing before and so much behind each dimension, the last one first."""
    return tuple(number for length in reversed(lengths) for number in (0, length))
