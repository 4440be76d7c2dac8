"""Networks that pass on what both sides know of a row, its place in its event; needs torch."""

from __future__ import annotations

import torch
from torch import nn


class PassingOn(nn.Module):
    """A network whose output begins with the first numbers of its input.

    Attributes
    ----------
    inner
        What makes the rest of the output from all of the input.
    """

    def __init__(self, inner: nn.Module, told: int) -> None:
        super().__init__()
        self.inner, self._told = inner, told

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return what was told, and the output of the network behind it."""
        return torch.cat([rows[:, : self._told], self.inner(rows)], dim=1)


def passing_on(networks: tuple[nn.Module, nn.Module], told: int) -> tuple[nn.Module, nn.Module]:
    """Encoder and decoder that pass on the first numbers."""
    encoder, decoder = networks
    return PassingOn(encoder, told), PassingOn(decoder, told)
