"""Code a block of frames of one or several variables: one learned basis, many independent tiles."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import SupportsBytes

import numpy as np

from baler_core.builtin.models.fields.layout import EVERYTHING, Box, read_parts, tiles, write_parts
from baler_core.builtin.models.fields.transform.basis import Basis, gram, learn_basis, read_basis, write_basis
from baler_core.builtin.models.fields.transform.block import Recipe, TiledFrames, read_recipe
from baler_core.builtin.models.fields.transform.quantiser import LARGEST
from baler_core.builtin.models.fields.transform.shared_modes import Explained, SharedModes
from baler_core.builtin.models.fields.transform.tile import TileIntegers, analyse, remember, synthesise
from baler_core.builtin.models.fields.transform.tile_bytes import coded_size, decode_tile, encode_tile
from baler_core.entropy.arithmetic import finish, new_decoder, new_encoder
from baler_core.entropy.varint import write_sized
from baler_core.errors import FormatError
from baler_core.format.ranged import RangeReader
from baler_core.machine.records import dataclass
from baler_core.machine.threads import in_parallel

_CHECKSUM = 3
# Integers that may lie at the limit: the values that these leave wrong are for the core to store.
_FEW_CUT_OFF = 2
# Mixing is tried on one of so many slices where values take so many bits, and given up where it leaves such a share.
_FIRST_SLICES, _MANY_BITS, _HARDLY = 8, 1.3, 0.992


def learn(block: TiledFrames) -> Basis:
    """Learn the basis of all frames, from all of their points."""

    def frames() -> Iterator[np.ndarray]:
        return (block.tile(box).field.reshape(block.shape[0], -1) for box in block.boxes)

    return learn_basis(np.sum([gram(part) for part in frames()], axis=0), frames())


@dataclass(frozen=True)
class AnalysedBlock:
    """A block of which one tile has been transformed, to estimate its size.

    Attributes
    ----------
    basis
        Modes of the block, if it is transformed by a basis.
    box, integers
        The tile, and everything about it that is coded.
    """

    basis: Basis | None
    box: Box
    integers: TileIntegers


def analyse_middle(block: TiledFrames, recipe: Recipe, basis: Basis | None) -> AnalysedBlock:
    """Return the middle one of a block's tiles, transformed."""
    box = block.boxes[len(block.boxes) // 2]
    chunk = block.tile(box)
    matrix = None if basis is None else basis.matrix()
    return AnalysedBlock(basis, box, analyse(chunk.field, chunk.holes, recipe, matrix))


def encode_chunk(
    block: TiledFrames,
    recipe: Recipe,
    basis: Basis | None,
    explained: bytes = b"",
    analysed: AnalysedBlock | None = None,
    *,
    indexed: bool = False,
) -> tuple[bytes, bytes]:
    """What is common to all tiles (recipe, shared modes, basis), and the tiles, each with a checksum of its integers.

    Nothing if more than a few integers would have to be larger than `quantiser.LARGEST`.

    Parameters
    ----------
    explained
        `Explained.to_bytes` of the shared modes, where the recipe has them subtracted.
    analysed
        A tile that has been transformed already, by this recipe and basis.
    indexed
        Whether the lengths of all tiles come before the first.
    """
    matrix = None if basis is None else basis.matrix()

    def integers(box: Box) -> TileIntegers:
        if analysed is not None and box == analysed.box:
            return analysed.integers
        chunk = block.tile(box)
        return analyse(chunk.field, chunk.holes, recipe, matrix)

    parts = in_parallel(integers, block.boxes)
    if any(_is_cut_off(part.coefficients) for part in parts):
        return b"", b""
    basis, parts = _without_unused(basis, parts)
    matrix = None if matrix is None or basis is None else np.ascontiguousarray(matrix[:, : basis.bits.size])
    for part in parts:
        remember(part, recipe, matrix)
    start = _checksum_of_common(explained, basis)
    recipe, data = _coded(parts, recipe)
    coded = [tile + _checksum(part, start) for tile, part in zip(data, parts, strict=True)]
    head = recipe.to_bytes() + (write_sized(explained) if recipe.shared_modes else b"")
    return head + basis_bytes(basis), write_parts(coded, indexed=indexed)


def _without_unused(basis: Basis | None, parts: list[TileIntegers]) -> tuple[Basis | None, list[TileIntegers]]:
    """Leave out the last slices of the basis where all coefficients of all tiles are zero."""
    if basis is None:
        return None, parts
    basis = basis.first(used_slices([part.coefficients for part in parts]))
    # slices of zeros add nothing to what is restored
    return basis, [replace(part, coefficients=part.coefficients[: basis.bits.size]) for part in parts]


def _coded(parts: Sequence[TileIntegers], recipe: Recipe) -> tuple[Recipe, list[bytes]]:
    """Code tiles, and return the recipe to decode them by: without mixing where that makes fewer bytes.

    Noise leaves contexts nothing to tell, and what adapts to it takes more than what was counted before.
    """
    quick = replace(recipe, mixed=0)
    if not recipe.mixed:
        return quick, in_parallel(lambda part: encode_tile(part, quick), parts)
    counted = in_parallel(lambda part: coded_size([part], quick), parts)
    if _is_noise(parts, recipe, counted[len(parts) // 2]):
        return quick, in_parallel(lambda part: encode_tile(part, quick), parts)
    coded = in_parallel(lambda part: encode_tile(part, recipe), parts)
    if sum(counted) < sum(map(len, coded)):
        again = in_parallel(lambda part: encode_tile(part, quick), parts)
        if sum(map(len, again)) < sum(map(len, coded)):
            return quick, again
    return recipe, coded


def _is_noise(parts: Sequence[TileIntegers], recipe: Recipe, counted: float) -> bool:
    """Return whether mixing is not worth its time: of many bits, where it saves next to nothing of the first slices.

    `counted` is what the middle one of the parts takes without.
    """
    part, quick = parts[len(parts) // 2], replace(recipe, mixed=0)
    slices = len(part.coefficients) // _FIRST_SLICES
    if not slices or 8 * counted < _MANY_BITS * part.corrections.size:
        return False
    first = TileIntegers(np.ascontiguousarray(part.coefficients[:slices]), part.corrections[:0])
    return len(encode_tile(first, recipe)) > _HARDLY * coded_size([first], quick)


def _is_cut_off(integers: np.ndarray) -> bool:
    """Return whether more than a few integers lie at the limit."""
    if not integers.size or max(-int(integers.min()), int(integers.max())) < LARGEST:
        return False
    return int((np.abs(integers) >= LARGEST).sum()) > _FEW_CUT_OFF


def used_slices(coefficients: Sequence[np.ndarray]) -> int:
    """Return how many slices there are up to the last that is not zero throughout, in any tile."""
    nonzero = np.zeros(len(coefficients[0]), bool)
    for part in coefficients:
        nonzero |= part.any(axis=(1, 2, 3, 4))
    return int(np.flatnonzero(nonzero)[-1]) + 1 if nonzero.any() else 0


@dataclass(frozen=True)
class StoredChunk:
    """A chunk read up to its tiles, which can be restored one by one.

    Attributes
    ----------
    boxes
        Where the tiles lie in space.
    """

    boxes: list[Box]
    _recipe: Recipe
    _matrix: np.ndarray | None
    _slices: int
    _tiles: Sequence[SupportsBytes]
    _shape: tuple[int, ...]
    _start: int
    _explained: Explained | None

    def restore(self, number: int, inside: Box = EVERYTHING) -> np.ndarray:
        """Restore one tile: float64 (frames, variables, z, y, x), each value within 1 of the original.

        Parameters
        ----------
        inside
            Which part of the tile is returned: slices along frames, z, y and x.

        Raises
        ------
        FormatError
            If its bytes are damaged.
        """
        data = bytes(self._tiles[number])
        shape = (
            *self._shape[:2],
            *(len(range(n)[part]) for n, part in zip(self._shape[2:], self.boxes[number], strict=True)),
        )
        last = range(shape[0])[inside[0]].stop
        part = decode_tile(data[:-_CHECKSUM], self._slices, shape, self._recipe, last)
        # the checksum is that of all integers: pages that a part is read from have checksums of their own
        if last == shape[0] and data[-_CHECKSUM:] != _checksum(part, self._start):
            raise FormatError("a transformed field is damaged: its integers have another checksum")
        values = synthesise(part, self._recipe, self._matrix, inside)
        if self._explained is None:
            return values
        frames, *space = inside
        return values + self._explained.tile(self.boxes[number], frames)[(slice(None), slice(None), *space)]


def read_chunk(
    data: SupportsBytes,
    shape: tuple[int, ...],
    shared_modes: SharedModes | None = None,
    boxes: list[Box] | None = None,
    *,
    indexed: bool = False,
) -> StoredChunk:
    """Read a chunk of `shape` (frames, variables, z, y, x), ready to be restored tile by tile.

    Parameters
    ----------
    boxes
        Where its tiles lie in space; as suits a chunk of its own if nothing is said.
    shared_modes
        Modes of another file, if there are any for frames of this shape.

    Raises
    ------
    FormatError
        If the bytes are damaged.
    """
    reader, boxes = RangeReader(data, "a transformed field"), boxes or tiles(shape[0], shape[2:])
    recipe = read_recipe(reader)
    stored_modes = reader.sized() if recipe.shared_modes else b""
    if recipe.shared_modes and shared_modes is None:
        raise FormatError("a transformed field needs modes that the trained model does not have")
    explained = shared_modes.read(stored_modes, shape[0]) if recipe.shared_modes and shared_modes is not None else None
    stored = reader.sized()
    basis = read_basis(new_decoder(stored), shape[0]) if recipe.time == "basis" else None
    return StoredChunk(
        boxes,
        recipe,
        None if basis is None else basis.matrix(),
        shape[0] if basis is None else basis.bits.size,
        list(read_parts(reader, len(boxes), indexed=indexed)),
        shape,
        _checksum_of_common(stored_modes, basis),
        explained,
    )


def basis_bytes(basis: Basis | None) -> bytes:
    """Return a basis as it is stored, or that there is none."""
    if basis is None:
        return write_sized(b"")
    coder = new_encoder(1024 + 16 * basis.entries.size)
    write_basis(basis, coder)
    return write_sized(finish(coder))


def _checksum_of_common(explained: bytes, basis: Basis | None) -> int:
    total = zlib.crc32(explained)
    return total if basis is None else zlib.crc32(basis.entries.astype("<i8").tobytes(), total)


def _checksum(part: TileIntegers, start: int) -> bytes:
    total = start
    for integers in (part.coefficients, part.corrections):
        total = zlib.crc32(np.ascontiguousarray(integers).astype("<i4", copy=False).data, total)
    return total.to_bytes(4, "little")[:_CHECKSUM]
