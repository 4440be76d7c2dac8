"""Transform, quantise and correct one tile in units of its tolerance, and restore it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from typing import Final

import numpy as np
import xxhash

from baler_core.builtin.models.fields.layout import EVERYTHING, Box
from baler_core.builtin.models.fields.transform import bound_layer, temporal, wavelet
from baler_core.builtin.models.fields.transform.block import Recipe
from baler_core.builtin.models.fields.transform.quantiser import quantise
from baler_core.machine.recent import Recent
from baler_core.machine.records import dataclass

# How far coefficients may be moved, in steps, and how much of what is beyond the bound is added in a round.
_REACH, _PUSH = 0.06, 3.0


# What tiles were restored to when they were encoded: verifying them decodes their integers, and needs not sum them up again.
_RESTORED: Final[Recent[np.ndarray]] = Recent(1 << 25)


@dataclass(frozen=True)
class TileIntegers:
    """Everything about a tile that is coded.

    Attributes
    ----------
    coefficients
        int32 (slices, variables, z, y, x).
    corrections
        int32 (frames, variables, z, y, x).
    restored
        What `synthesise` will make of them, where an encoder knows it.
    """

    coefficients: np.ndarray
    corrections: np.ndarray
    restored: np.ndarray | None = None


def analyse(tile: np.ndarray, holes: np.ndarray | None, recipe: Recipe, matrix: np.ndarray | None) -> TileIntegers:
    """Return integers of a tile: float64 (frames, variables, z, y, x) in units of the tolerance, holes filled in."""
    found, inverse = _quantised(transformed(tile, recipe, matrix), tile, holes, recipe, matrix)
    if inverse.nbytes > _RESTORED.limit:
        return found
    return replace(found, restored=bound_layer.correct(inverse, found.corrections))


def remember(integers: TileIntegers, recipe: Recipe, matrix: np.ndarray | None) -> None:
    """Keep what integers are restored to until `synthesise` is asked for it, if it is known."""
    if integers.restored is not None:
        _RESTORED.put(_key(integers, recipe, matrix), integers.restored, integers.restored.nbytes)


def _key(integers: TileIntegers, recipe: Recipe, matrix: np.ndarray | None) -> Hashable:
    """Return all that restored values follow from: arrays by digests of 128 bits."""
    arrays = [integers.coefficients, integers.corrections, *([] if matrix is None else [matrix])]
    digests = [(array.shape, xxhash.xxh3_128_digest(np.ascontiguousarray(array).data)) for array in arrays]
    return recipe.time, recipe.levels, recipe.step, *digests


def transformed(tile: np.ndarray, recipe: Recipe, matrix: np.ndarray | None) -> np.ndarray:
    """Return coefficients: float64 (slices, variables, z, y, x)."""
    return wavelet.forward(temporal.forward(tile, recipe.time, matrix), recipe.levels)


def quantised(
    coefficients: np.ndarray, tile: np.ndarray, holes: np.ndarray | None, recipe: Recipe, matrix: np.ndarray | None
) -> TileIntegers:
    """Return integers of coefficients, and what they leave to be corrected.

    Coefficients that lie about halfway between two integers may go either way: in `recipe.rounds` rounds they are moved
    to where fewer values will be beyond their bound.
    """
    return _quantised(coefficients, tile, holes, recipe, matrix)[0]


def _quantised(
    coefficients: np.ndarray, tile: np.ndarray, holes: np.ndarray | None, recipe: Recipe, matrix: np.ndarray | None
) -> tuple[TileIntegers, np.ndarray]:
    """Return the integers, and what the coefficients alone restore."""
    bands, moved = wavelet.bands(coefficients.shape[2:], recipe.levels), coefficients
    integers = quantise(moved, recipe.step_size, bands)
    for _ in range(recipe.rounds):
        beyond = bound_layer.excess(tile, _inverse(integers, recipe, matrix), holes)
        moved = _nearer(coefficients, moved + _PUSH * transformed(beyond, recipe, matrix), recipe)
        integers = quantise(moved, recipe.step_size, bands)
    inverse = _inverse(integers, recipe, matrix)
    return TileIntegers(integers, bound_layer.corrections(tile, inverse, holes)), inverse


def _nearer(coefficients: np.ndarray, wanted: np.ndarray, recipe: Recipe) -> np.ndarray:
    """Move coefficients as near to what is wanted as they may be."""
    reach = _REACH * recipe.step_size
    return np.clip(wanted, coefficients - reach, coefficients + reach)


def synthesise(
    integers: TileIntegers, recipe: Recipe, matrix: np.ndarray | None, inside: Box = EVERYTHING
) -> np.ndarray:
    """Return a part of the restored tile, within one tolerance of the original.

    Parameters
    ----------
    inside
        Slices along frames, z, y and x. Points do not mix in time, nor frames in sums of modes: only these are made.
    """
    frames, *space = inside
    shape = integers.corrections.shape
    if all(len(range(n)[part]) == n for n, part in zip((shape[0], *shape[2:]), inside, strict=True)):
        known = _RESTORED.take(_key(integers, recipe, matrix))
        if known is not None:
            return known
    steps = integers.corrections[(frames, slice(None), *space)]
    return bound_layer.correct(_inverse(integers.coefficients, recipe, matrix, inside), np.ascontiguousarray(steps))


def _inverse(
    coefficients: np.ndarray, recipe: Recipe, matrix: np.ndarray | None, inside: Box = EVERYTHING
) -> np.ndarray:
    frames, *space = inside
    if recipe.time == "none":  # slices are frames
        coefficients, frames = coefficients[frames], slice(None)
    slices = wavelet.restored(np.ascontiguousarray(coefficients), recipe.step_size, recipe.levels)
    points = np.ascontiguousarray(slices[(slice(None), slice(None), *space)])
    if matrix is not None:
        return temporal.inverse(points, recipe.time, matrix[frames])
    return np.ascontiguousarray(temporal.inverse(points, recipe.time, None)[frames])
