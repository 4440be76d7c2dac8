"""A layer that cuts samples to their sizes; needs torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn


class Crop(nn.Module):
    """Leaves out what lies beyond `sizes` along the last dimensions.

    Slices are in ONNX what they are in torch; padding by negative lengths is refused by some programs that run its files.
    """

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        self._kept: tuple[Any, ...] = (..., *(slice(0, size) for size in sizes))

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """Return samples of the sizes."""
        return samples[self._kept]
