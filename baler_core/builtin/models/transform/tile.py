"""One tile of a field, in units of its tolerance, to bytes and back: transform, quantise, code, correct."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from baler_core.arithmetic import OVERRUN, Coder, finish, new_decoder, new_encoder
from baler_core.builtin.models.transform import bound_layer, temporal, wavelet
from baler_core.builtin.models.transform.coder import code_integers
from baler_core.builtin.models.transform.contexts import Memory, new_memory
from baler_core.builtin.models.transform.quantiser import dequantise, quantise
from baler_core.builtin.models.transform.recipe import Recipe

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
    """Integers of a tile: float64 (frames, variables, z, y, x) in units of the tolerance, holes filled in."""
    return quantised(transformed(tile, recipe, matrix), tile, holes, recipe, matrix)


def transformed(tile: np.ndarray, recipe: Recipe, matrix: np.ndarray | None) -> np.ndarray:
    """Coefficients: float64 (slices, variables, z, y, x)."""
    return wavelet.forward(temporal.forward(tile, recipe.time, matrix), recipe.levels)


def quantised(
    coefficients: np.ndarray, tile: np.ndarray, holes: np.ndarray | None, recipe: Recipe, matrix: np.ndarray | None
) -> TileIntegers:
    """Integers of coefficients, and what they leave to be corrected.

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
    """As near to what is wanted as coefficients may be moved."""
    reach = _REACH * recipe.step_size
    return np.clip(wanted, coefficients - reach, coefficients + reach)


def synthesise(integers: TileIntegers, recipe: Recipe, matrix: np.ndarray | None) -> np.ndarray:
    """The restored tile, within one tolerance of the original."""
    return bound_layer.correct(_inverse(integers.coefficients, recipe, matrix), integers.corrections)


def _inverse(coefficients: np.ndarray, recipe: Recipe, matrix: np.ndarray | None) -> np.ndarray:
    slices = wavelet.inverse(dequantise(coefficients, recipe.step_size), recipe.levels)
    return temporal.inverse(slices, recipe.time, matrix)


def encode_tile(integers: TileIntegers, recipe: Recipe) -> bytes:
    """The integers as bytes."""
    return encode_tiles([integers], recipe)


def encode_tiles(parts: Sequence[TileIntegers], recipe: Recipe) -> bytes:
    """The integers of several tiles in one stream, for trials; each is coded with what was learned from those before."""
    capacity = 4096 + 2 * sum(part.coefficients.size for part in parts)
    while True:
        coder = new_encoder(capacity)
        memories = new_memory(recipe.mixed), new_memory(recipe.mixed)
        for part in parts:
            _code(coder, part, recipe, memories)
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
    coder = new_decoder(data)
    _code(coder, integers, recipe, (new_memory(recipe.mixed), new_memory(recipe.mixed)))
    return integers


def _code(coder: Coder, integers: TileIntegers, recipe: Recipe, memories: tuple[Memory, Memory]) -> None:
    """Coefficients first; then the corrections, in contexts that coefficients lend."""
    coefficients, corrections = integers.coefficients, integers.corrections
    space = coefficients.shape[2:]
    bands = wavelet.bands(space, recipe.levels)
    code_integers(
        coder, memories[0], coefficients, bands, temporal.links(len(coefficients), recipe.time), None, recipe.mixed
    )
    hint = bound_layer.liveliness(coefficients, bands) if len(coefficients) else None
    links = temporal.links(len(corrections), "none")
    code_integers(coder, memories[1], corrections, bound_layer.whole(space), links, hint, recipe.mixed)
