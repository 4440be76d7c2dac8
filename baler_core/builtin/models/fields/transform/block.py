"""Hold a block of frames in units of the tolerance, whole or made tile by tile, and the recipe that it is transformed by."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from baler_core.builtin.models.fields.layout import Box, tiles
from baler_core.builtin.models.fields.transform.temporal import TIME_TRANSFORMS, TimeTransform
from baler_core.entropy.varint import ByteReader, write_varint
from baler_core.machine.records import dataclass

_MOST_LEVELS = 8
_TRANSFORMS = len(TIME_TRANSFORMS) * (_MOST_LEVELS + 1)
# Numbers of contexts that may be mixed.
MIXED = (0, 3, 7)
# Step of the quantiser in units of the tolerance, by number.
STEPS = tuple(round(0.5 * 2 ** (i / 8), 6) for i in range(64))


@dataclass(frozen=True)
class Recipe:
    """The transform of one field.

    Attributes
    ----------
    time
        Transform along time.
    levels
        Splits in space.
    step
        Number of the quantiser's step in `STEPS`.
    mixed
        How many contexts are mixed: the more, the smaller and slower; 0 for a single context.
    shared_modes
        Whether modes of another file have been subtracted from the field before.
    rounds
        How often the encoder moves coefficients to spare corrections; not written, for a decoder need not know.
    """

    time: TimeTransform
    levels: int
    step: int
    mixed: int = MIXED[-1]
    shared_modes: bool = False
    rounds: int = 0

    @property
    def step_size(self) -> float:
        """Step of the quantiser in units of the tolerance."""
        return STEPS[self.step]

    def to_bytes(self) -> bytes:
        """Write two bytes."""
        transform = (
            TIME_TRANSFORMS.index(self.time) * (_MOST_LEVELS + 1) + self.levels + self.shared_modes * _TRANSFORMS
        )
        return write_varint(transform) + write_varint(len(MIXED) * self.step + MIXED.index(self.mixed))


def read_recipe(reader: ByteReader) -> Recipe:
    """Invert `Recipe.to_bytes`; FormatError if there is no such recipe."""
    shared_modes, number = divmod(reader.varint(2 * _TRANSFORMS), _TRANSFORMS)
    step = reader.varint(len(MIXED) * len(STEPS))
    time = TIME_TRANSFORMS[number // (_MOST_LEVELS + 1)]
    mixed = MIXED[step % len(MIXED)]
    return Recipe(time, number % (_MOST_LEVELS + 1), step // len(MIXED), mixed, shared_modes == 1)


class TiledFrames(Protocol):
    """Frames whose tiles are prepared when they are asked for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(frames, variables, z, y, x)."""

    @property
    def boxes(self) -> list[Box]:
        """Where the tiles lie in space."""

    def tile(self, box: Box) -> Chunk:
        """Return the part inside a box of space."""


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

    @property
    def boxes(self) -> list[Box]:
        """Where the tiles lie in space."""
        return tiles(self.shape[0], self.shape[2:])

    def tile(self, box: Box) -> Chunk:
        """Return the part inside a box of space."""
        place = (slice(None), slice(None), *box)
        return Chunk(self.field[place], None if self.holes is None else self.holes[place])
