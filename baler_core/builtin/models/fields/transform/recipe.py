"""How a field is transformed: the few numbers a decoder needs beside the coded integers."""

from __future__ import annotations

from dataclasses import dataclass

from baler_core.builtin.models.fields.transform.temporal import TIME_TRANSFORMS, TimeTransform
from baler_core.entropy.varint import ByteReader, write_varint

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
        How many contexts are mixed: the more, the smaller and slower; 0 if one alone tells.
    background
        Whether modes of another file have been taken off the field before.
    rounds
        How often the encoder moves coefficients to spare corrections; not written, for a decoder need not know.
    """

    time: TimeTransform
    levels: int
    step: int
    mixed: int = MIXED[-1]
    background: bool = False
    rounds: int = 0

    @property
    def step_size(self) -> float:
        """Step of the quantiser in units of the tolerance."""
        return STEPS[self.step]

    def to_bytes(self) -> bytes:
        """Two bytes."""
        transform = TIME_TRANSFORMS.index(self.time) * (_MOST_LEVELS + 1) + self.levels + self.background * _TRANSFORMS
        return write_varint(transform) + write_varint(len(MIXED) * self.step + MIXED.index(self.mixed))


def read_recipe(reader: ByteReader) -> Recipe:
    """Inverse of `Recipe.to_bytes`; FormatError if there is no such recipe."""
    background, number = divmod(reader.varint(2 * _TRANSFORMS), _TRANSFORMS)
    step = reader.varint(len(MIXED) * len(STEPS))
    time = TIME_TRANSFORMS[number // (_MOST_LEVELS + 1)]
    mixed = MIXED[step % len(MIXED)]
    return Recipe(time, number % (_MOST_LEVELS + 1), step // len(MIXED), mixed, background == 1)
