"""Take differences of integers on a grid along chosen axes (integer Lorenzo prediction), and undo them."""

from __future__ import annotations

import itertools

import numpy as np

_SAMPLE = 1 << 18
# The median of all values is estimated from so many.
_MEDIAN_SAMPLE = 4096
# Integers down to minus this, and up to it, are counted without sorting.
_NEAR = 4096


def difference(codes: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Take differences along each of `axes` in turn; int64 of the same shape, exact modulo 2^64."""
    for axis in axes:
        found = codes.astype(np.int64)
        np.moveaxis(found, axis, 0)[1:] -= np.moveaxis(codes, axis, 0)[:-1]
        codes = found
    return codes


def accumulate(differences: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Invert `difference`."""
    for axis in reversed(axes):
        differences = np.cumsum(differences, axis=axis, dtype=np.int64)
    return differences


def best_axes(codes: np.ndarray) -> tuple[int, ...]:
    """Choose the set of axes whose differences look cheapest on a piece of the grid; empty if none helps."""
    piece = middle_piece(codes, _SAMPLE)
    axes = [axis for axis in range(codes.ndim) if codes.shape[axis] > 1]
    choices = [c for count in range(min(len(axes), 3) + 1) for c in itertools.combinations(axes, count)]
    return min(choices, key=lambda choice: estimated_bits(difference(piece, choice)) + 0.01 * len(choice))


def middle_piece(values: np.ndarray, most: int) -> np.ndarray:
    """A contiguous part from the middle, of at most `most` values, whole along the later axes as far as possible."""
    while values.size > most:
        axis = int(np.argmax(values.shape))
        quarter = max(1, values.shape[axis] // 4)
        place = slice(quarter, quarter + max(1, values.shape[axis] // 2))
        values = values[(*(slice(None),) * axis, place)]
    return values


def estimated_bits(codes: np.ndarray) -> float:
    """Return order-0 entropy of integers in bits per value, the part below the leading bits counted as raw."""
    flat = codes.ravel()
    if not flat.size:
        return 0.0
    magnitude = np.abs(flat).astype(np.uint64)
    shift = max(0, int(np.median(magnitude[:: max(1, flat.size // _MEDIAN_SAMPLE)])).bit_length() - 6)
    counts = occurrences(flat >> shift)
    share = counts / flat.size
    return float(-(share * np.log2(share)).sum() + shift + 0.5 * len(counts) * np.log2(flat.size) / flat.size)


def occurrences(flat: np.ndarray) -> np.ndarray:
    """How often each int64 that occurs does: first those near 0, by counting; of differences hardly any others are to be sorted."""
    low, high = int(flat.min()), int(flat.max())
    if high - low < 4 * _NEAR:
        counts = np.bincount(flat - low)
        return counts[counts > 0]
    places = np.minimum((flat + _NEAR).view(np.uint64), np.uint64(2 * _NEAR)).view(np.int64)
    counts = np.bincount(places, minlength=2 * _NEAR + 1)[: 2 * _NEAR]
    far = np.unique(flat[places == 2 * _NEAR], return_counts=True)[1]
    return np.concatenate([counts[counts > 0], far])
