"""One tile of a field, in units of its tolerance, to bytes and back: transform, quantise, code, correct."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from baler_core.arithmetic import OVERRUN, Coder, finish, new_decoder, new_encoder
from baler_core.builtin.models.transform import bound_layer, temporal, wavelet
from baler_core.builtin.models.transform.coder import code_integers
from baler_core.builtin.models.transform.contexts import new_memory
from baler_core.builtin.models.transform.quantiser import dequantise, quantise
from baler_core.builtin.models.transform.recipe import Recipe

_SPACE_AXES = 3


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
    """Integers of a tile: float64 (frames, variables, z, y, x) in units of the tolerance, holes filled in."""
    slices = temporal.forward(tile, recipe.time, matrix)
    coefficients = quantise(wavelet.forward(slices, recipe.levels, _SPACE_AXES), recipe.step_size)
    restored = _inverse(coefficients, recipe, matrix)
    return TileIntegers(coefficients, bound_layer.corrections(tile, restored, holes))


def synthesise(integers: TileIntegers, recipe: Recipe, matrix: np.ndarray | None) -> np.ndarray:
    """The restored tile, within one tolerance of the original."""
    return bound_layer.correct(_inverse(integers.coefficients, recipe, matrix), integers.corrections)


def _inverse(coefficients: np.ndarray, recipe: Recipe, matrix: np.ndarray | None) -> np.ndarray:
    slices = wavelet.inverse(dequantise(coefficients, recipe.step_size), recipe.levels, _SPACE_AXES)
    return temporal.inverse(slices, recipe.time, matrix)


def encode_tile(integers: TileIntegers, recipe: Recipe) -> bytes:
    """The integers as bytes."""
    capacity = 4096 + 2 * integers.coefficients.size
    while True:
        coder = new_encoder(capacity)
        _code(coder, integers, recipe)
        if not coder.registers[OVERRUN]:
            return finish(coder)
        capacity *= 4


def decode_tile(data: bytes, slices: int, shape: tuple[int, ...], recipe: Recipe) -> TileIntegers:
    """Inverse of `encode_tile`.

    Parameters
    ----------
    slices
        Modes of the basis, or frames.
    shape
        (frames, variables, z, y, x).
    """
    integers = TileIntegers(np.zeros((slices, *shape[1:]), np.int32), np.zeros(shape, np.int32))
    _code(new_decoder(data), integers, recipe)
    return integers


def _code(coder: Coder, integers: TileIntegers, recipe: Recipe) -> None:
    """Coefficients first; then the corrections, in contexts that coefficients lend."""
    coefficients, corrections = integers.coefficients, integers.corrections
    space = coefficients.shape[2:]
    bands = wavelet.bands(space, recipe.levels)
    code_integers(
        coder, new_memory(), coefficients, bands, temporal.links(len(coefficients), recipe.time), None, recipe.mixed
    )
    hint = bound_layer.liveliness(coefficients, bands) if len(coefficients) else None
    links = temporal.links(len(corrections), "none")
    code_integers(coder, new_memory(), corrections, bound_layer.whole(space), links, hint, recipe.mixed)
