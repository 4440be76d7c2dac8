"""Transform, quantise and correct one tile in units of its tolerance, and restore it."""

from __future__ import annotations

import numpy as np

from baler_core.builtin.models.fields.layout import EVERYTHING, Box
from baler_core.builtin.models.fields.transform import bound_layer, temporal, wavelet
from baler_core.builtin.models.fields.transform.block import Recipe
from baler_core.builtin.models.fields.transform.quantiser import dequantise, quantise
from baler_core.machine.records import dataclass

# How far coefficients may be moved, in steps, and how much of what is beyond the bound is added in a round.
_REACH, _PUSH = 0.06, 3.0


@dataclass(frozen=True)
class TileIntegers:
    """Everything about a tile that is coded.

    Attributes
    ----------
    coefficients
        int32 (slices, variables, z, y, x).
    corrections
        int32 (frames, variables, z, y, x).
    """

    coefficients: np.ndarray
    corrections: np.ndarray


def analyse(tile: np.ndarray, holes: np.ndarray | None, recipe: Recipe, matrix: np.ndarray | None) -> TileIntegers:
    """Return integers of a tile: float64 (frames, variables, z, y, x) in units of the tolerance, holes filled in."""
    return quantised(transformed(tile, recipe, matrix), tile, holes, recipe, matrix)


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
    bands, moved = wavelet.bands(coefficients.shape[2:], recipe.levels), coefficients
    integers = quantise(moved, recipe.step_size, bands)
    for _ in range(recipe.rounds):
        beyond = bound_layer.excess(tile, _inverse(integers, recipe, matrix), holes)
        moved = _nearer(coefficients, moved + _PUSH * transformed(beyond, recipe, matrix), recipe)
        integers = quantise(moved, recipe.step_size, bands)
    return TileIntegers(integers, bound_layer.corrections(tile, _inverse(integers, recipe, matrix), holes))


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
    steps = integers.corrections[(frames, slice(None), *space)]
    return bound_layer.correct(_inverse(integers.coefficients, recipe, matrix, inside), np.ascontiguousarray(steps))


def _inverse(
    coefficients: np.ndarray, recipe: Recipe, matrix: np.ndarray | None, inside: Box = EVERYTHING
) -> np.ndarray:
    frames, *space = inside
    slices = wavelet.inverse(dequantise(coefficients, recipe.step_size), recipe.levels)
    points = np.ascontiguousarray(slices[(slice(None), slice(None), *space)])
    if matrix is not None:
        return temporal.inverse(points, recipe.time, matrix[frames])
    return np.ascontiguousarray(temporal.inverse(points, recipe.time, None)[frames])
