"""A block of frames of one or several variables in units of the tolerance, as a whole or made ready tile by tile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from baler_core.builtin.models.fields.layout import Box


class Block(Protocol):
    """Frames whose tiles are made ready when they are asked for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(frames, variables, z, y, x)."""

    def tile(self, box: Box) -> Chunk:
        """The part inside a box of space."""


@dataclass(frozen=True)
class Chunk:
    """Frames in units of the tolerance.

    Attributes
    ----------
    field
        float64 (frames, variables, z, y, x), holes filled in.
    holes
        Boolean, same shape, or None.
    """

    field: np.ndarray
    holes: np.ndarray | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """(frames, variables, z, y, x)."""
        return self.field.shape

    def tile(self, box: Box) -> Chunk:
        """The part inside a box of space."""
        place = (slice(None), slice(None), *box)
        return Chunk(self.field[place], None if self.holes is None else self.holes[place])
