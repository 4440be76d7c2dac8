"""Correct a transformed field in steps of twice the tolerance, so that it keeps its bound."""

from __future__ import annotations

import numpy as np

from baler_core.builtin.models.fields.transform.quantiser import LARGEST
from baler_core.builtin.models.fields.transform.wavelet import Band
from baler_core.machine.compiled import Array, compiled


def corrections(original: np.ndarray, restored: np.ndarray, holes: np.ndarray | None) -> np.ndarray:
    """Return int32, same shape: round((original - restored) / 2), both in units of the tolerance; 0 in holes."""
    steps = np.empty(original.shape, np.int32)
    _steps(np.ascontiguousarray(original).reshape(-1), restored.reshape(-1), steps.reshape(-1))
    if holes is not None:
        steps[holes] = 0
    return steps


@compiled
def _steps(original: Array, restored: Array, steps: Array) -> None:
    for place in range(np.uint64(steps.size)):
        half = (original[place] - restored[place]) / 2
        steps[place] = np.int32(min(max(np.rint(half), -LARGEST), LARGEST))


def excess(original: np.ndarray, restored: np.ndarray, holes: np.ndarray | None) -> np.ndarray:
    """How far restored values are beyond their bound, with the sign that brings them back; 0 within it and in holes."""
    errors = original - restored
    beyond = errors - np.clip(errors, -1, 1)
    if holes is not None:
        beyond[holes] = 0
    return beyond


def correct(restored: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Return restored values within the tolerance; changes `restored`."""
    _add(restored.reshape(-1), steps.reshape(-1))
    return restored


@compiled
def _add(restored: Array, steps: Array) -> None:
    for place in range(np.uint64(steps.size)):
        restored[place] += 2.0 * steps[place]


def nonzero_counts(integers: np.ndarray, bands: list[Band]) -> np.ndarray:
    """Return how often the finest coefficients about a place differ from zero: int32 (variables, z, y, x), 0 .. 63.

    Parameters
    ----------
    integers
        int32 (slices, variables, z, y, x) of coefficients.
    """
    shape = integers.shape[2:]
    found, counts = np.zeros(integers.shape[1:], np.int64), np.zeros(integers.shape[1:], np.int32)
    _count(np.ascontiguousarray(integers).reshape(len(integers), counts.size), counts.reshape(-1))
    finest = max(band.level for band in bands)
    for band in bands:
        if band.level != finest:
            continue
        count = counts[(slice(None), *(slice(first, end) for first, end in band.box))]
        places = [
            np.minimum(np.arange(n) * (end - first) // max(n, 1), end - first - 1)
            for n, (first, end) in zip(shape, band.box, strict=True)
        ]
        found += count[(slice(None), *np.ix_(*places))]
    share = found * 16 // max(1, len(integers))
    return np.minimum(63, share + np.minimum(found, 8)).astype(np.int32)


@compiled
def _count(integers: Array, counts: Array) -> None:
    """Add how many slices have something at each place."""
    for number in range(integers.shape[0]):
        row = integers[number]
        for place in range(np.uint64(counts.size)):
            counts[place] += np.int32(row[place] != 0)


def whole(shape: tuple[int, ...]) -> list[Band]:
    """Return one band that covers the whole space."""
    return [Band(tuple((0, n) for n in shape), -1)]
