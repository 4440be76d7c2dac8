"""Transform along time: not at all, by a wavelet or by a learned basis; and link slices that resemble each other."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from baler_core.builtin.models.fields.transform import wavelet
from baler_core.builtin.models.fields.transform.lifting import join_slices, split_slices
from baler_core.builtin.models.fields.transform.mode_sums import combined
from baler_core.machine.records import dataclass

TimeTransform = Literal["none", "wavelet", "basis"]
TIME_TRANSFORMS: tuple[TimeTransform, ...] = ("none", "wavelet", "basis")


@dataclass(frozen=True)
class Links:
    """Earlier slices that a slice resembles; -1 for none."""

    nearest: int
    second: int


def forward(frames: np.ndarray, kind: TimeTransform, matrix: np.ndarray | None) -> np.ndarray:
    """Slices (time first) of frames (time first), any further axes; `matrix` (frames, modes) is the learned basis.

    Always a new array in C order.
    """
    if kind == "basis" and matrix is not None:
        return (matrix.T @ _flat(frames)).reshape(matrix.shape[1], *frames.shape[1:])
    slices = np.array(frames, np.float64, order="C")
    if kind == "wavelet":
        split_slices(slices.reshape(1, slices.size), _sizes(frames.shape))
    return slices


def inverse(slices: np.ndarray, kind: TimeTransform, matrix: np.ndarray | None) -> np.ndarray:
    """Invert `forward`; may change `slices`."""
    if kind == "basis" and matrix is not None:
        return combined(matrix, _flat(slices)).reshape(len(matrix), *slices.shape[1:])
    if kind == "wavelet":
        join_slices(slices.reshape(1, slices.size), _sizes(slices.shape))
    return slices


def links(count: int, kind: TimeTransform) -> list[Links]:
    """Return for each slice, in coding order, the earlier slices that resemble it most."""
    if kind != "wavelet":
        return [Links(s - 1, s - 2 if s > 1 else -1) for s in range(count)]
    found: list[Links] = []
    previous = (0, 0)
    for band in wavelet.bands((count,), _levels(count)):
        first, end = band.box[0]
        for s in range(first, end):
            above = -1
            if previous[1] > previous[0]:
                above = min(previous[0] + (s - first) * (previous[1] - previous[0]) // (end - first), previous[1] - 1)
            before = s - 1 if s > first else -1
            found.append(Links(before, above) if before >= 0 else Links(above, -1))
        previous = (first, end)
    return found


def _flat(values: np.ndarray) -> np.ndarray:
    """Return all but the first axis as one axis, even of an empty array."""
    return values.reshape(len(values), math.prod(values.shape[1:]))


def _sizes(shape: tuple[int, ...]) -> np.ndarray:
    """Return what is split at each level, time alone: int64 (levels + 1, 3)."""
    points = math.prod(shape[1:])
    return np.array([(n, 1, points) for (n,) in wavelet.sizes_by_level(shape[:1], _levels(shape[0]))], np.int64)


def _levels(count: int) -> int:
    return wavelet.useful_levels((count,), most=8)
