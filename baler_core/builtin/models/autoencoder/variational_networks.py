"""Encoder with a posterior and a learned prior for its latents, and the loss that weighs both; needs torch."""

from __future__ import annotations

import itertools
import math
from typing import ClassVar

import torch
from torch import nn

from baler_core.builtin.models.autoencoder.prior import Density
from baler_core.plugin.interfaces import Loss, Options

COMPONENTS = 4
_NARROWEST = 1e-3
# The variables of a row are judged one by one up to so many.
_APART = 64


def dense(widths: list[int]) -> nn.Module:
    """Linear layers with LeakyReLU between them."""
    layers: list[nn.Module] = []
    for width, following in itertools.pairwise(widths):
        layers += [nn.Linear(width, following), nn.LeakyReLU()]
    return nn.Sequential(*layers[:-1])


class VariationalEncoder(nn.Module):
    """Rows to the mean of their latents; in training, to a draw from a normal distribution around it.

    Attributes
    ----------
    told
        How many numbers come first in a row that the decoder knows.
    rate
        Of the rows that came last: nats per row by which their posterior differs from the prior.
    """

    def __init__(self, widths: list[int], told: int) -> None:
        super().__init__()
        self.told = told
        *before, latents = widths
        self.body = dense([*before, 2 * latents])
        self.shares = nn.Parameter(torch.zeros(latents, COMPONENTS))
        self.centres = nn.Parameter(torch.linspace(-1, 1, COMPONENTS).repeat(latents, 1))
        self.widths = nn.Parameter(torch.zeros(latents, COMPONENTS))
        self.rate = torch.zeros(())

    def posterior(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Means of the latents, and logarithms of their standard deviations."""
        mean, spread = self.body(rows).chunk(2, dim=-1)
        return mean, spread.clamp(-12, 4)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Latents: (rows, latents)."""
        mean, spread = self.posterior(rows)
        latents = mean + spread.exp() * torch.randn_like(mean) if self.training else mean
        entropy = spread + 0.5 * math.log(2 * math.pi * math.e)
        self.rate = -(entropy + self._log_prior(latents)).sum(dim=-1).mean()
        return latents

    def _log_prior(self, latents: torch.Tensor) -> torch.Tensor:
        """Logarithm of the prior's density: mixtures of logistics, one for each latent."""
        widths = nn.functional.softplus(self.widths) + _NARROWEST
        far = (latents[..., None] - self.centres) / widths
        logistic = -far - 2 * nn.functional.softplus(-far) - widths.log()
        return torch.logsumexp(logistic + self.shares.log_softmax(dim=-1), dim=-1)

    def density(self) -> Density:
        """The prior in float64."""
        with torch.no_grad():
            widths = nn.functional.softplus(self.widths.double()) + _NARROWEST
            shares = self.shares.double().softmax(dim=-1)
            return Density(shares.numpy(), self.centres.double().numpy(), widths.numpy())


def variational_part(network: nn.Module) -> VariationalEncoder:
    """Return the encoder in a network."""
    return next(module for module in network.modules() if isinstance(module, VariationalEncoder))


class CodeLengthOptions(Options):
    """What the length of a code depends on."""

    beta: float
    floors: tuple[float, ...]


class CodeLength(Loss):
    """Nats per row: of latents under their prior, and of what the decoder misses.

    A miss of variance v costs ln(v) / 2 more than one of variance 1, of which nothing below the tolerance counts: with
    `beta` 1 and the loss `mse`, both are what they cost in the file, but for constants.

    Parameters
    ----------
    loss
        Of each variable; instead of its mean squared error.
    options
        `beta`, the weight of the latents; `floors`, one per variable, what the tolerance leaves of a squared error.
    """

    name: ClassVar[str] = "code_length"
    Options: ClassVar[type[Options]] = CodeLengthOptions

    def __init__(self, loss: Loss, options: CodeLengthOptions) -> None:
        super().__init__(options)
        self.loss = loss

    def __call__(self, restored: torch.Tensor, target: torch.Tensor, model: nn.Module) -> torch.Tensor:
        """Scalar, from tensors of shape (rows, numbers); `model` is encoder, decoder."""
        encoder, floors = variational_part(model), self.options.floors
        restored, target = restored[:, encoder.told :], target[:, encoder.told :]
        numbers, count = target.shape[-1], len(floors)
        if count > _APART:
            missed = torch.log(self.loss(restored, target, model) + sum(floors) / count)
            return 0.5 * numbers * missed + self.options.beta * encoder.rate
        points = numbers // count
        parts = zip(torch.split(restored, points, dim=-1), torch.split(target, points, dim=-1), floors, strict=True)
        lost = torch.stack([torch.log(self.loss(one, other, model) + floor) for one, other, floor in parts])
        return 0.5 * points * lost.sum() + self.options.beta * encoder.rate
