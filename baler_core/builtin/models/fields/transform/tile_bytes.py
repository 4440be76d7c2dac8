"""The integers of a tile to bytes and back, with mixed contexts or quickly, and how many bytes that takes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from baler_core.builtin.models.fields.transform import bound_layer, temporal, wavelet
from baler_core.builtin.models.fields.transform.coder import code_integers
from baler_core.builtin.models.fields.transform.contexts import Memory, new_memory
from baler_core.builtin.models.fields.transform.fast_bands import LAYOUT
from baler_core.builtin.models.fields.transform.fast_coder import code_quickly, most_flags
from baler_core.builtin.models.fields.transform.recipe import Recipe
from baler_core.builtin.models.fields.transform.tile import TileIntegers
from baler_core.entropy.arithmetic import OVERRUN, Coder, finish, new_decoder, new_encoder
from baler_core.entropy.symbol_stream import (
    counted_bytes,
    new_collector,
    new_head,
    read_head,
    read_stream,
    write_stream,
)
from baler_core.entropy.symbols import FLAGS, Stream


def encode_tile(integers: TileIntegers, recipe: Recipe) -> bytes:
    """The integers as bytes."""
    if recipe.mixed:
        return _encode_mixed([integers], recipe)
    stream = _collected([integers], recipe)
    return write_stream(stream, LAYOUT, new_head(2 * int(stream.ends[FLAGS])))


def coded_size(parts: Sequence[TileIntegers], recipe: Recipe) -> float:
    """Bytes of several tiles, each coded with what was learned from those before, for trials.

    Quick coding is not carried out for that: its bytes are known as soon as its symbols are counted.
    """
    if recipe.mixed:
        return float(len(_encode_mixed(parts, recipe)))
    stream = _collected(parts, recipe)
    return counted_bytes(stream, LAYOUT, new_head(2 * int(stream.ends[FLAGS])))


def decode_tile(data: bytes, slices: int, shape: tuple[int, ...], recipe: Recipe) -> TileIntegers:
    """Inverse of `encode_tile`.

    Parameters
    ----------
    slices
        Modes of the basis, or frames.
    shape
        (frames, variables, z, y, x).

    Raises
    ------
    FormatError
        If the bytes are damaged so much that nothing can be read.
    """
    integers = TileIntegers(np.zeros((slices, *shape[1:]), np.int32), np.zeros(shape, np.int32))
    if recipe.mixed:
        _code_mixed(new_decoder(data), integers, recipe, (new_memory(), new_memory()))
    else:
        head, rest = read_head(data, "a transformed field")
        _code_quickly(read_stream(head, rest, LAYOUT), integers, recipe, encoding=False)
    return integers


def _collected(parts: Sequence[TileIntegers], recipe: Recipe) -> Stream:
    bands = len(wavelet.bands(parts[0].coefficients.shape[2:], recipe.levels))
    flags = sum(most_flags(part.coefficients, bands) + most_flags(part.corrections, 1) for part in parts)
    stream = new_collector(sum(part.coefficients.size + part.corrections.size for part in parts), flags)
    for part in parts:
        _code_quickly(stream, part, recipe, encoding=True)
    return stream


def _code_quickly(stream: Stream, integers: TileIntegers, recipe: Recipe, *, encoding: bool) -> None:
    """Coefficients first; then the corrections, in contexts that coefficients lend."""
    coefficients, corrections = integers.coefficients, integers.corrections
    bands = wavelet.bands(coefficients.shape[2:], recipe.levels)
    links = temporal.links(len(coefficients), recipe.time)
    code_quickly(stream, 0, coefficients, bands, links, None, encoding=encoding)
    hint = bound_layer.liveliness(coefficients, bands) if len(coefficients) else None
    whole, links = bound_layer.whole(coefficients.shape[2:]), temporal.links(len(corrections), "none")
    code_quickly(stream, 1, corrections, whole, links, hint, encoding=encoding)


def _encode_mixed(parts: Sequence[TileIntegers], recipe: Recipe) -> bytes:
    """The integers of several tiles in one stream."""
    capacity = 4096 + 2 * sum(part.coefficients.size for part in parts)
    while True:
        coder = new_encoder(capacity)
        memories = new_memory(), new_memory()
        for part in parts:
            _code_mixed(coder, part, recipe, memories)
        if not coder.registers[OVERRUN]:
            return finish(coder)
        capacity *= 4


def _code_mixed(coder: Coder, integers: TileIntegers, recipe: Recipe, memories: tuple[Memory, Memory]) -> None:
    """As `_code_quickly`."""
    coefficients, corrections = integers.coefficients, integers.corrections
    space = coefficients.shape[2:]
    bands = wavelet.bands(space, recipe.levels)
    code_integers(
        coder, memories[0], coefficients, bands, temporal.links(len(coefficients), recipe.time), None, recipe.mixed
    )
    hint = bound_layer.liveliness(coefficients, bands) if len(coefficients) else None
    links = temporal.links(len(corrections), "none")
    code_integers(coder, memories[1], corrections, bound_layer.whole(space), links, hint, recipe.mixed)
