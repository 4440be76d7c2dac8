"""Transform space by wavelets, level by level; list the bands that result (see `lifting` for the wavelet itself)."""

from __future__ import annotations

import itertools
import math
from functools import lru_cache

import numpy as np

from baler_core.builtin.models.fields.transform.lifting import join_slices, restore_slices, split_slices
from baler_core.machine.records import dataclass

SHORTEST = 8
"""An axis shorter than this is not split."""

Box = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Band:
    """One band of the transformed space.

    Attributes
    ----------
    box
        (first, end) along each axis.
    level
        0 for the coarsest bands that have detail, ascending; -1 for the smooth rest.
    parent
        Box of the band of the same orientation one level coarser; None if there is none.
    halved
        Whether each axis of the parent has half the resolution.
    """

    box: Box
    level: int
    parent: Box | None = None
    halved: tuple[bool, ...] = ()


def sizes_by_level(shape: tuple[int, ...], levels: int) -> list[tuple[int, ...]]:
    """Return the shapes of the smooth part before each split, finest first, and after the last one: levels + 1 entries."""
    sizes = [shape]
    for _ in range(levels):
        sizes.append(tuple((n + 1) // 2 if n >= SHORTEST else n for n in sizes[-1]))
    return sizes


def useful_levels(shape: tuple[int, ...], most: int = 5) -> int:
    """Return how often the longest axis can be halved and still be split."""
    levels = 0
    longest = max(shape, default=0)
    while longest >= 2 * SHORTEST and levels < most:
        longest = (longest + 1) // 2
        levels += 1
    return levels


def forward(values: np.ndarray, levels: int) -> np.ndarray:
    """Transform the last three axes of `values` (float64, C order) in place, the smooth part first along each."""
    split_slices(_flat(values), np.array(sizes_by_level(values.shape[-3:], levels), np.int64))
    return values


def inverse(values: np.ndarray, levels: int) -> np.ndarray:
    """Invert `forward`."""
    join_slices(_flat(values), np.array(sizes_by_level(values.shape[-3:], levels), np.int64))
    return values


def restored(integers: np.ndarray, step: float, levels: int) -> np.ndarray:
    """Return `inverse` of integers (C order) times a step: float64, same shape."""
    values = np.empty(integers.shape)
    sizes = np.array(sizes_by_level(integers.shape[-3:], levels), np.int64)
    restore_slices(_flat(integers), step, _flat(values), sizes)
    return values


def _flat(values: np.ndarray) -> np.ndarray:
    """(slices, z * y * x), also where there is nothing."""
    return values.reshape(math.prod(values.shape[:-3]), math.prod(values.shape[-3:]))


def bands(shape: tuple[int, ...], levels: int) -> list[Band]:
    """Return all bands, coarse to fine; a band's parent and the earlier bands of its level come before it."""
    return list(_bands(shape, levels))


@lru_cache(64)
def _bands(shape: tuple[int, ...], levels: int) -> tuple[Band, ...]:
    sizes = sizes_by_level(shape, levels)[::-1]
    found = [Band(tuple((0, n) for n in sizes[0]), -1)]
    for level in range(levels):
        low, high = sizes[level], sizes[level + 1]
        split = [low[axis] != high[axis] for axis in range(len(shape))]
        for detail in itertools.product((False, True), repeat=len(shape)):
            if not any(detail) or any(d and not s for d, s in zip(detail, split, strict=True)):
                continue
            box = tuple((low[a], high[a]) if detail[a] else (0, low[a]) for a in range(len(shape)))
            if all(end > first for first, end in box):
                found.append(Band(box, level, *_parent(sizes, level, detail)))
    return tuple(found)


def _parent(sizes: list[tuple[int, ...]], level: int, detail: tuple[bool, ...]) -> tuple[Box | None, tuple[bool, ...]]:
    if level == 0:
        return None, ()
    low, high = sizes[level - 1], sizes[level]
    box = tuple((low[a], high[a]) if detail[a] else (0, low[a]) for a in range(len(low)))
    if any(end <= first for first, end in box):
        return None, ()
    return box, tuple(low[a] != high[a] for a in range(len(low)))
