"""The flow as torch trains it, its weights rounded as they will be stored, and the length of its code; needs torch."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from baler_core.builtin.models.table.network.flow import (
    COUNTS,
    FEATURES,
    HIDDEN_ONE,
    LARGEST_HIDDEN,
    LOGISTICS,
    OUTPUTS,
    WEIGHT_ONE,
    Flow,
    looked_at,
)
from baler_core.plugin.interfaces import Loss, Options

_MARGINAL = 2.0**-9
_NARROWEST, _WIDEST = -7.0, 2.5
_LARGEST_WEIGHT = 127.0
_KNEE = 20.0
"""As for the network of one column: see `network.training`."""


class MaskedFlow(nn.Module):
    """A masked autoregressive network (Germain et al. 2015) whose outputs are mixtures of logistics, one per column.

    The cumulative distribution of a mixture, given the columns before, takes a column's score to a uniform number: a flow
    (Papamakarios et al. 2017; Ho et al. 2019) whose density is the chance of each whole number.

    Parameters
    ----------
    columns
        How many.
    hidden
        Units of both layers.
    jagged
        Whether inputs begin with a row's place in its event.
    """

    def __init__(self, columns: int, hidden: tuple[int, int], *, jagged: bool) -> None:
        super().__init__()
        first, second = hidden
        counts = COUNTS * jagged
        self.columns, self.inputs = columns, counts + FEATURES * columns
        begins = torch.cat([torch.full((counts,), -1), torch.arange(columns).repeat_interleave(FEATURES)])[:, None]
        one, two = (torch.from_numpy(looked_at(units, columns)) for units in hidden)
        places = torch.arange(columns)
        masks = {
            "into": begins < one,
            "across": one[:, None] <= two,
            "out": two[:, None] <= places.repeat_interleave(OUTPUTS),
            "skip": begins < places.repeat_interleave(LOGISTICS),
        }
        for name, mask in masks.items():
            spread = {"into": 0.7 / max(self.inputs, 4) ** 0.5, "across": 0.7 / first**0.5, "out": 0.15 / second**0.5}
            self.register_buffer(f"{name}_mask", mask.float(), persistent=False)
            self.register_parameter(name, nn.Parameter(torch.randn(mask.shape) * spread.get(name, 0.0)))
        self.first_bias = nn.Parameter(torch.randn(1, first) * 0.5)
        self.second_bias = nn.Parameter(torch.randn(1, second) * 0.2)
        start = torch.cat([torch.zeros(LOGISTICS), torch.linspace(-1, 1, LOGISTICS), torch.full((LOGISTICS,), -0.1)])
        self.out_bias = nn.Parameter(start.repeat(columns)[None, :])

    def weights(self, name: str) -> torch.Tensor:
        """A matrix as it will be stored, masked and rounded; slopes pass as if it were not rounded."""
        exact = getattr(self, name)
        exact = exact * getattr(self, f"{name}_mask") if hasattr(self, f"{name}_mask") else exact
        whole = (exact.detach() * WEIGHT_ONE).round().clamp(-_LARGEST_WEIGHT, _LARGEST_WEIGHT)
        return exact + (whole / WEIGHT_ONE - exact.detach())

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Nats of each column: (rows, columns), from inputs, lower ends, widths and masses, side by side."""
        inputs, low, width, mass = torch.split(rows, [self.inputs, *[self.columns] * 3], dim=-1)
        first = _unit(inputs @ self.weights("into") + self.weights("first_bias"))
        second = _unit(first @ self.weights("across") + self.weights("second_bias"))
        out = (second @ self.weights("out") + self.weights("out_bias")).reshape(len(rows), self.columns, 3, LOGISTICS)
        centres = out[..., 1, :] + (inputs @ self.weights("skip")).reshape(len(rows), self.columns, LOGISTICS)
        narrow = torch.exp(-out[..., 2, :].clamp(_NARROWEST, _WIDEST))
        below = (low[..., None] - centres) * narrow
        wide = (width[..., None] * narrow).clamp(min=1e-12)
        inside = nn.functional.logsigmoid(below + wide) + nn.functional.logsigmoid(-below)
        inside = inside + torch.log(-torch.expm1(-wide))
        mixed = torch.logsumexp(inside + out[..., 0, :].log_softmax(dim=-1), dim=-1)
        plain = mass.clamp(min=1e-12).log() + math.log(_MARGINAL)
        return -torch.logaddexp(mixed + math.log1p(-_MARGINAL), plain)

    def stored(self, columns: tuple[int, ...], *, jagged: bool) -> Flow:
        """The same in whole numbers, for columns of these numbers."""
        whole = {
            name: (self.weights(name).detach() * WEIGHT_ONE).round().numpy().astype(np.int16)
            for name in ("into", "across", "out", "skip", "first_bias", "second_bias", "out_bias")
        }
        biases = whole["first_bias"], whole["second_bias"], whole["out_bias"]
        told = (True,) * len(columns)
        return Flow(columns, told, jagged, whole["into"], whole["across"], whole["out"], whole["skip"], biases)


def _unit(sums: torch.Tensor) -> torch.Tensor:
    """Hidden units: cut off at both ends, in whole steps; slopes pass as if there were no steps."""
    exact = sums.clamp(0, LARGEST_HIDDEN / HIDDEN_ONE)
    return exact + (torch.floor(exact.detach() * HIDDEN_ONE + 0.5) / HIDDEN_ONE - exact.detach())


class FlowLengthOptions(Options):
    """What the length of a flow's code depends on."""

    penalty: float


class FlowLength(Loss):
    """Nats per row, with those of the weights themselves: small ones are pressed to 0, which takes next to nothing."""

    name: ClassVar[str] = "flow_length"
    Options: ClassVar[type[Options]] = FlowLengthOptions

    def __call__(self, restored: torch.Tensor, target: torch.Tensor, model: nn.Module) -> torch.Tensor:
        """Scalar, from nats (rows, columns)."""
        assert isinstance(model, MaskedFlow)
        shares = {"into": 1.0, "across": 1.0, "out": 0.3, "skip": 1.0}
        sizes = [
            share * torch.log1p(_KNEE * (getattr(model, name) * getattr(model, f"{name}_mask")).abs()).sum()
            for name, share in shares.items()
        ]
        return restored.sum(dim=-1).mean() + self.options.penalty / _KNEE * torch.stack(sizes).sum()
