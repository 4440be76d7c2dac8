"""A block of frames of one or several variables to bytes: one learned basis, many independent tiles."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from baler_core.arithmetic import finish, new_decoder, new_encoder
from baler_core.builtin.models.field_layout import tiles
from baler_core.builtin.models.parallel import in_parallel
from baler_core.builtin.models.transform.background import Background
from baler_core.builtin.models.transform.basis import Basis, gram, learn_basis, read_basis, write_basis
from baler_core.builtin.models.transform.recipe import Recipe, read_recipe
from baler_core.builtin.models.transform.tile import TileIntegers, analyse, decode_tile, encode_tile, synthesise
from baler_core.errors import FormatError
from baler_core.varint import ByteReader, write_sized


@dataclass(frozen=True)
class Chunk:
    """Frames in units of the tolerance.

    Attributes
    ----------
    field
        float64 (frames, variables, z, y, x), holes filled in.
    holes
        Boolean, same shape, or None.
    """

    field: np.ndarray
    holes: np.ndarray | None = None

    def tile(self, box: tuple[slice, ...]) -> Chunk:
        """The part inside a box of space."""
        place = (slice(None), slice(None), *box)
        return Chunk(self.field[place], None if self.holes is None else self.holes[place])


def learn(chunk: Chunk, recipe: Recipe) -> Basis | None:
    """The basis that a recipe asks for."""
    if recipe.time != "basis":
        return None
    frames = chunk.field.reshape(len(chunk.field), -1)
    return learn_basis(gram(frames), frames)


def encode_chunk(chunk: Chunk, recipe: Recipe, basis: Basis | None, background: bytes = b"") -> tuple[bytes, bytes]:
    """What is common to all tiles (recipe, background, basis), and the tiles with a checksum of all integers.

    Parameters
    ----------
    background
        What the chunk's background was, where the recipe says that one has been taken off.
    """
    matrix = None if basis is None else basis.matrix()
    boxes = tiles(len(chunk.field), chunk.field.shape[2:])
    parts = [analyse(chunk.tile(box).field, chunk.tile(box).holes, recipe, matrix) for box in boxes]
    if basis is not None:
        basis = _trimmed(basis, parts)
        kept = basis.bits.size
        parts = [TileIntegers(part.coefficients[:kept], part.corrections) for part in parts]
    coded = [write_sized(data) for data in in_parallel(lambda part: encode_tile(part, recipe), parts)]
    head = recipe.to_bytes() + (write_sized(background) if recipe.background else b"")
    return head + _basis_bytes(basis), b"".join(coded) + _checksum(parts, basis)


def decode_chunk(data: bytes, shape: tuple[int, ...], background: Background | None) -> np.ndarray:
    """The restored field of `shape` (frames, variables, z, y, x), each value within 1 of the original.

    Parameters
    ----------
    background
        Modes of another file, if there are any for frames of this shape.

    Raises
    ------
    FormatError
        If the bytes are damaged.
    """
    reader = ByteReader(data, "a transformed field")
    recipe = read_recipe(reader)
    foretold = None
    if recipe.background:
        if background is None:
            raise FormatError("a transformed field needs modes that the trained model does not have")
        foretold = background.read(reader.sized(), shape)
    stored = reader.sized()
    basis = read_basis(new_decoder(stored), shape[0]) if recipe.time == "basis" else None
    matrix = None if basis is None else basis.matrix()
    slices = shape[0] if basis is None else basis.bits.size
    field = np.empty(shape)
    places = [(slice(None), slice(None), *box) for box in tiles(shape[0], shape[2:])]
    stored_tiles = [(reader.sized(), place) for place in places]

    def restore(tile: tuple[bytes, tuple[slice, ...]]) -> TileIntegers:
        data, place = tile
        part = decode_tile(data, slices, field[place].shape, recipe)
        field[place] = synthesise(part, recipe, matrix)
        return part

    parts = in_parallel(restore, stored_tiles)
    if reader.rest() != _checksum(parts, basis):
        raise FormatError("a transformed field is damaged: its integers have another checksum")
    return field if foretold is None else field + foretold


def _trimmed(basis: Basis, parts: list[TileIntegers]) -> Basis:
    """Without the last modes, if nothing is left of them after rounding."""
    lively = np.zeros(basis.bits.size, bool)
    for part in parts:
        lively |= part.coefficients.any(axis=(1, 2, 3, 4))
    used = int(np.flatnonzero(lively)[-1]) + 1 if lively.any() else 0
    return Basis(basis.entries[:, :used], basis.bits[:used])


def _basis_bytes(basis: Basis | None) -> bytes:
    if basis is None:
        return write_sized(b"")
    coder = new_encoder(1024 + 16 * basis.entries.size)
    write_basis(basis, coder)
    return write_sized(finish(coder))


def _checksum(parts: list[TileIntegers], basis: Basis | None) -> bytes:
    total = 0 if basis is None else zlib.crc32(basis.entries.astype("<i8").tobytes())
    for part in parts:
        for integers in (part.coefficients, part.corrections):
            total = zlib.crc32(np.ascontiguousarray(integers).astype("<i4", copy=False).tobytes(), total)
    return total.to_bytes(4, "little")[:3]
