"""Learn modes in space that files of one kind share, and subtract them from the frames of another file.

The modes are the spatial side of the Karhunen-Loeve transform (proper orthogonal decomposition; Lumley 1967). A file
that refers to them holds a few integers per frame, and its own transform codes only what they leave.
"""

from __future__ import annotations

import math

import numpy as np

from baler_core.builtin.models.fields.layout import Box, tiles
from baler_core.builtin.models.fields.transform.basis import best_taps, code_mode, gram
from baler_core.builtin.models.fields.transform.block import Chunk, TiledFrames
from baler_core.builtin.models.fields.transform.mode_sums import combined, orthonormal
from baler_core.entropy.arithmetic import OVERRUN, finish, new_decoder, new_encoder
from baler_core.entropy.numbers import NumberCoder
from baler_core.errors import FormatError
from baler_core.machine.records import dataclass

# Limits of what a trained model stores: modes, and values of all modes.
_MOST_MODES = 48
_MOST_VALUES = 1 << 24
_FULL = 32767
# Series of up to 256 coefficients leave, once predicted by least squares, numbers that can be coded (below 2^31).
_LARGEST = 2.0**26
_NO_TAPS = np.zeros(0, np.int64)
FINENESS = (0.25, 0.0625)
"""Steps of the coefficients, by number: the error that one makes at a typical place, in tolerances."""


def learn_modes(block: TiledFrames) -> np.ndarray:
    """Learn modes of frames in units of the tolerance: int16 (modes, variables, z, y, x), those that matter anywhere."""
    frames, *shape = block.shape
    boxes = tiles(frames, tuple(shape[1:]))
    _, shapes = np.linalg.eigh(np.sum([gram(block.tile(box).field.reshape(frames, -1)) for box in boxes], axis=0))
    most = min(_MOST_MODES, max(1, _MOST_VALUES // max(1, math.prod(shape))))
    strongest = shapes[:, ::-1][:, :most]
    modes = np.empty((strongest.shape[1], *shape))
    for box in boxes:
        modes[(slice(None), slice(None), *box)] = np.tensordot(strongest, block.tile(box).field, (0, 0))
    modes = modes[np.abs(modes).max(axis=(1, 2, 3, 4), initial=0.0) > 1.0]
    largest = np.abs(modes).max(axis=(1, 2, 3, 4), keepdims=True, initial=1.0)
    return np.rint(modes / largest * _FULL).astype(np.int16)


@dataclass(frozen=True)
class SharedModes:
    """Orthonormal modes, one that is constant for each variable among them: float64 (modes, variables, z, y, x)."""

    modes: np.ndarray

    @classmethod
    def of(cls, stored: np.ndarray, shape: tuple[int, ...]) -> SharedModes | None:
        """Make them from what `learn_modes` gave, for frames of `shape` (variables, z, y, x); None if it is of other frames."""
        if stored.dtype != np.int16 or stored.shape[1:] != shape or not stored.size:
            return None
        constant = np.repeat(np.eye(shape[0]), math.prod(shape[1:]), axis=1)
        rows = np.concatenate([constant, stored.reshape(len(stored), -1) / _FULL])
        if len(rows) > rows.shape[1]:
            return None
        return cls(orthonormal(rows).reshape(-1, *shape))

    def find(self, block: TiledFrames, fineness: int) -> Explained:
        """Return how much of each mode is in each frame of a block."""
        found = np.zeros((block.shape[0], len(self.modes)))
        for box in block.boxes:
            found += block.tile(box).field.reshape(len(found), -1) @ self.part(box).T
        found = np.clip(found / self.step(fineness), -_LARGEST, _LARGEST)
        return Explained(self, np.rint(found).astype(np.int64), fineness)

    def read(self, data: bytes, frames: int) -> Explained:
        """Return what `Explained.to_bytes` made `data` of.

        Raises
        ------
        FormatError
            If the bytes are damaged.
        """
        if not data or data[0] >= len(FINENESS):
            raise FormatError("the modes of a transformed field are used in an unknown way")
        numbers = NumberCoder(new_decoder(data[1:]))
        series = [code_mode(numbers, np.zeros(frames, np.int64), _NO_TAPS) for _ in self.modes]
        return Explained(self, np.stack(series, 1), data[0])

    def part(self, box: Box) -> np.ndarray:
        """Return the modes inside a box of space: float64 (modes, values)."""
        part = self.modes[(slice(None), slice(None), *box)]
        return part.reshape(len(part), -1)

    def step(self, fineness: int) -> float:
        """Return the step of the coefficients."""
        return FINENESS[fineness] * math.sqrt(self.modes[0].size)


@dataclass(frozen=True)
class Explained:
    """The part of a block that shared modes explain.

    Attributes
    ----------
    coefficients
        How much of each mode is in each frame: int64 (frames, modes).
    fineness
        The number of their step in `FINENESS`.
    """

    shared_modes: SharedModes
    coefficients: np.ndarray
    fineness: int

    def tile(self, box: Box, frames: slice = slice(None)) -> np.ndarray:
        """Return the part inside a box of space: float64 (frames, variables, z, y, x)."""
        found = combined(self.coefficients[frames] * self.shared_modes.step(self.fineness), self.shared_modes.part(box))
        return found.reshape(len(found), *self.shared_modes.modes[0][(slice(None), *box)].shape)

    def to_bytes(self) -> bytes:
        """Write coefficients, each mode predicted along time."""
        capacity = 1024 + 8 * self.coefficients.size
        taps = best_taps(self.coefficients)
        while True:
            coder = new_encoder(capacity)
            numbers = NumberCoder(coder)
            for number, series in enumerate(self.coefficients.T):
                code_mode(numbers, series.copy(), taps[number].copy())
            if not coder.registers[OVERRUN]:
                return bytes([self.fineness]) + finish(coder)
            capacity *= 2


@dataclass(frozen=True)
class Remainder:
    """A block without what the shared modes explain of it."""

    block: TiledFrames
    explained: Explained

    @property
    def shape(self) -> tuple[int, ...]:
        """(frames, variables, z, y, x)."""
        return self.block.shape

    @property
    def boxes(self) -> list[Box]:
        """Where the tiles lie in space."""
        return self.block.boxes

    def tile(self, box: Box) -> Chunk:
        """Return the part inside a box of space."""
        chunk = self.block.tile(box)
        return Chunk(chunk.field - self.explained.tile(box), chunk.holes)
