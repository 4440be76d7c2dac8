"""The CDF 9/7 wavelet by lifting, along chosen axes, and the bands it makes.

Daubechies and Sweldens, "Factoring wavelet transforms into lifting steps", J. Fourier Anal. Appl. 4, 247 (1998), table
of section 7.7; scaled so that the transform is nearly orthonormal.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

_STEPS = (-1.586134342059924, -0.052980118572961, 0.882911075530934, 0.443506852043971)
_GAIN = 1.149604398860241
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
    """Shapes of the smooth part before each split, finest first, and after the last one: levels + 1 entries."""
    sizes = [shape]
    for _ in range(levels):
        sizes.append(tuple((n + 1) // 2 if n >= SHORTEST else n for n in sizes[-1]))
    return sizes


def useful_levels(shape: tuple[int, ...], most: int = 5) -> int:
    """How often the longest axis can be halved and still be split."""
    levels = 0
    longest = max(shape, default=0)
    while longest >= 2 * SHORTEST and levels < most:
        longest = (longest + 1) // 2
        levels += 1
    return levels


def forward(values: np.ndarray, levels: int, axes: int) -> np.ndarray:
    """Transform the last `axes` axes: float64, same shape, smooth part first along each."""
    out = values.copy()
    for shape in sizes_by_level(values.shape[-axes:], levels)[:-1]:
        part = _corner(shape)
        for axis, length in enumerate(shape):
            if length >= SHORTEST:
                out[part] = _split(out[part], values.ndim - axes + axis)
    return out


def inverse(values: np.ndarray, levels: int, axes: int) -> np.ndarray:
    """Inverse of `forward`."""
    out = values.copy()
    for shape in reversed(sizes_by_level(values.shape[-axes:], levels)[:-1]):
        part = _corner(shape)
        for axis, length in reversed(list(enumerate(shape))):
            if length >= SHORTEST:
                out[part] = _join(out[part], values.ndim - axes + axis)
    return out


def _corner(shape: tuple[int, ...]) -> Any:
    """The index of the first part along the last axes."""
    return (Ellipsis, *(slice(0, n) for n in shape))


def _split(values: np.ndarray, axis: int) -> np.ndarray:
    moved = np.moveaxis(values, axis, 0)
    even, odd = moved[0::2].copy(), moved[1::2].copy()
    for number, factor in enumerate(_STEPS):
        _lift(even, odd, number % 2 == 0, factor)
    even *= _GAIN
    odd /= _GAIN
    return np.moveaxis(np.concatenate([even, odd]), 0, axis)


def _join(values: np.ndarray, axis: int) -> np.ndarray:
    moved = np.moveaxis(values, axis, 0)
    count = (len(moved) + 1) // 2
    even, odd = moved[:count] / _GAIN, moved[count:] * _GAIN
    for number, factor in reversed(list(enumerate(_STEPS))):
        _lift(even, odd, number % 2 == 0, -factor)
    joined = np.empty(moved.shape)
    joined[0::2], joined[1::2] = even, odd
    return np.moveaxis(joined, 0, axis)


def _lift(even: np.ndarray, odd: np.ndarray, into_odd: bool, factor: float) -> None:
    """Add `factor` times both neighbours to the odd (or even) values, mirrored at the ends."""
    if into_odd:
        odd[: len(even) - 1] += factor * (even[:-1] + even[1:])[: len(odd)]
        if len(odd) == len(even):
            odd[-1] += 2 * factor * even[-1]
    else:
        even[1 : len(odd)] += factor * (odd[:-1] + odd[1:])
        even[0] += 2 * factor * odd[0]
        if len(even) > len(odd):
            even[-1] += 2 * factor * odd[-1]


def bands(shape: tuple[int, ...], levels: int) -> list[Band]:
    """All bands, coarse to fine; a band's parent and the earlier bands of its level come before it."""
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
    return found


def _parent(sizes: list[tuple[int, ...]], level: int, detail: tuple[bool, ...]) -> tuple[Box | None, tuple[bool, ...]]:
    if level == 0:
        return None, ()
    low, high = sizes[level - 1], sizes[level]
    box = tuple((low[a], high[a]) if detail[a] else (0, low[a]) for a in range(len(low)))
    if any(end <= first for first, end in box):
        return None, ()
    return box, tuple(low[a] != high[a] for a in range(len(low)))
