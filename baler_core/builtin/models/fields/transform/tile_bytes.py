"""Write the integers of a tile as bytes, with mixed contexts or fast, read them back, or count their bytes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from baler_core.builtin.models.fields.transform import bound_layer, temporal, wavelet
from baler_core.builtin.models.fields.transform.band_fields import FieldStructure
from baler_core.builtin.models.fields.transform.block import Recipe
from baler_core.builtin.models.fields.transform.coder import code_integers
from baler_core.builtin.models.fields.transform.contexts import BandStatistics, new_statistics
from baler_core.builtin.models.fields.transform.fast_bands import CONTEXTS
from baler_core.builtin.models.fields.transform.fast_coder import code_fast, most_flags
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
    """Write the integers as bytes."""
    if recipe.mixed:
        return _encode_mixed([integers], recipe)
    stream = _collected([integers], recipe)
    return write_stream(stream, CONTEXTS, new_head(2 * int(stream.ends[FLAGS])))


def coded_size(parts: Sequence[TileIntegers], recipe: Recipe) -> float:
    """Measure the bytes of several tiles, each coded with the statistics of those before.

    Fast coding is not carried out for that: its bytes are known as soon as its symbols are counted.
    """
    if recipe.mixed:
        return float(len(_encode_mixed(parts, recipe)))
    stream = _collected(parts, recipe)
    return counted_bytes(stream, CONTEXTS, new_head(2 * int(stream.ends[FLAGS])))


def decode_tile(
    data: bytes, slices: int, shape: tuple[int, ...], recipe: Recipe, last: int | None = None
) -> TileIntegers:
    """Invert `encode_tile`.

    Parameters
    ----------
    slices
        Modes of the basis, or frames.
    shape
        (frames, variables, z, y, x).
    last
        Corrections, which come frame after frame, are read up to here; None for all.

    Raises
    ------
    FormatError
        If the bytes are damaged so much that nothing can be read.
    """
    corrected = shape[0] if last is None else last
    integers = TileIntegers(np.zeros((slices, *shape[1:]), np.int32), np.zeros((corrected, *shape[1:]), np.int32))
    if recipe.mixed:
        _code_mixed(new_decoder(data), integers, recipe, (new_statistics(), new_statistics()))
    else:
        head, rest = read_head(data, "a transformed field")
        _code_fast(read_stream(head, rest, CONTEXTS), integers, recipe, encoding=False)
    return integers


def _collected(parts: Sequence[TileIntegers], recipe: Recipe) -> Stream:
    bands = len(wavelet.bands(parts[0].coefficients.shape[2:], recipe.levels))
    flags = sum(most_flags(part.coefficients, bands) + most_flags(part.corrections, 1) for part in parts)
    stream = new_collector(sum(part.coefficients.size + part.corrections.size for part in parts), flags)
    for part in parts:
        _code_fast(stream, part, recipe, encoding=True)
    return stream


def _structures(integers: TileIntegers, recipe: Recipe) -> Iterator[tuple[np.ndarray, FieldStructure]]:
    """Yield the coefficients, then the corrections, whose contexts the coefficients help to choose."""
    coefficients, corrections = integers.coefficients, integers.corrections
    bands = wavelet.bands(coefficients.shape[2:], recipe.levels)
    yield coefficients, FieldStructure(bands, temporal.links(len(coefficients), recipe.time))
    hint = bound_layer.nonzero_counts(coefficients, bands) if len(coefficients) else None
    whole, links = bound_layer.whole(coefficients.shape[2:]), temporal.links(len(corrections), "none")
    yield corrections, FieldStructure(whole, links, hint)


def _code_fast(stream: Stream, integers: TileIntegers, recipe: Recipe, *, encoding: bool) -> None:
    for part, (array, structure) in enumerate(_structures(integers, recipe)):
        code_fast(stream, part, array, structure, encoding=encoding)


def _encode_mixed(parts: Sequence[TileIntegers], recipe: Recipe) -> bytes:
    """Write the integers of several tiles as one stream."""
    capacity = 4096 + 2 * sum(part.coefficients.size for part in parts)
    while True:
        coder = new_encoder(capacity)
        statistics = new_statistics(), new_statistics()
        for part in parts:
            _code_mixed(coder, part, recipe, statistics)
        if not coder.registers[OVERRUN]:
            return finish(coder)
        capacity *= 4


def _code_mixed(
    coder: Coder, integers: TileIntegers, recipe: Recipe, statistics: tuple[BandStatistics, BandStatistics]
) -> None:
    for own, (array, structure) in zip(statistics, _structures(integers, recipe), strict=True):
        code_integers(coder, own, array, structure, recipe.mixed)
