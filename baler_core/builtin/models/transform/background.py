"""What files of one kind have in common in space: modes learned from one, and how much of each is in another's frames.

The modes are the spatial side of the Karhunen-Loeve transform (proper orthogonal decomposition; Lumley 1967). A file
that refers to them holds a few integers per frame, and its own transform codes only what they leave.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from baler_core.arithmetic import OVERRUN, finish, new_decoder, new_encoder
from baler_core.builtin.models.numbers import NumberCoder
from baler_core.builtin.models.transform.basis import best_taps, code_mode
from baler_core.errors import FormatError

_MOST_MODES = 48
_MOST_VALUES = 1 << 24
_FULL = 32767
_NO_TAPS = np.zeros(0, np.int64)
FINENESS = (0.25, 0.0625)
"""Steps of the coefficients, by number: the error that one makes at a typical place, in tolerances."""


def learn_modes(field: np.ndarray) -> np.ndarray:
    """Modes of frames in units of the tolerance: int16 (modes, variables, z, y, x), those that matter anywhere."""
    frames = field.reshape(len(field), -1)
    _, shapes = np.linalg.eigh(frames @ frames.T)
    most = min(_MOST_MODES, max(1, _MOST_VALUES // max(1, frames.shape[1])))
    modes = (frames.T @ shapes[:, ::-1][:, :most]).T
    modes = modes[np.abs(modes).max(axis=1, initial=0.0) > 1.0]
    largest = np.abs(modes).max(axis=1, keepdims=True, initial=1.0)
    return np.rint(modes / largest * _FULL).astype(np.int16).reshape(-1, *field.shape[1:])


@dataclass(frozen=True)
class Background:
    """Orthonormal modes, one that is constant for each variable among them: float64 (modes, variables * points)."""

    modes: np.ndarray

    @classmethod
    def of(cls, stored: np.ndarray, shape: tuple[int, ...]) -> Background | None:
        """From what `learn_modes` gave, for frames of `shape` (variables, z, y, x); None if it is of other frames."""
        if stored.dtype != np.int16 or stored.shape[1:] != shape or not stored.size:
            return None
        constant = np.repeat(np.eye(shape[0]), math.prod(shape[1:]), axis=1)
        rows = np.concatenate([constant, stored.reshape(len(stored), -1) / _FULL])
        return cls(np.linalg.qr(rows.T)[0].T) if len(rows) <= rows.shape[1] else None

    def coefficients(self, field: np.ndarray, fineness: int) -> np.ndarray:
        """How much of each mode is in each frame: int64 (frames, modes)."""
        found = field.reshape(len(field), -1) @ self.modes.T / self._step(fineness)
        return np.rint(np.clip(found, -(2.0**30), 2.0**30)).astype(np.int64)

    def field(self, coefficients: np.ndarray, fineness: int, shape: tuple[int, ...]) -> np.ndarray:
        """What the coefficients say: float64 of `shape` (frames, variables, z, y, x)."""
        return (coefficients * self._step(fineness) @ self.modes).reshape(shape)

    def _step(self, fineness: int) -> float:
        return FINENESS[fineness] * math.sqrt(self.modes.shape[1])

    def read(self, data: bytes, shape: tuple[int, ...]) -> np.ndarray:
        """The field of `shape` that `written` made `data` of.

        Raises
        ------
        FormatError
            If the bytes are damaged.
        """
        if not data or data[0] >= len(FINENESS):
            raise FormatError("the modes of a transformed field are used in an unknown way")
        numbers = NumberCoder(new_decoder(data[1:]))
        series = [code_mode(numbers, np.zeros(shape[0], np.int64), _NO_TAPS) for _ in self.modes]
        return self.field(np.stack(series, 1), data[0], shape)


def written(coefficients: np.ndarray, fineness: int) -> bytes:
    """Coefficients as bytes, each mode predicted along time."""
    capacity = 1024 + 8 * coefficients.size
    while True:
        coder = new_encoder(capacity)
        numbers = NumberCoder(coder)
        for series in coefficients.T:
            code_mode(numbers, series.copy(), best_taps(series))
        if not coder.registers[OVERRUN]:
            return bytes([fineness]) + finish(coder)
        capacity *= 2
