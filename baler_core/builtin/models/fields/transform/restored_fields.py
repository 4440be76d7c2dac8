"""Restore variables of one grid that were coded by a transform, block by block."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any, SupportsBytes

import numpy as np

from baler_core.builtin.models.fields import holes
from baler_core.builtin.models.fields.layout import Arrangement, Box, read_arrangement, read_parts
from baler_core.builtin.models.fields.transform.chunk import StoredChunk, read_chunk
from baler_core.builtin.models.fields.transform.prior import Prior
from baler_core.builtin.models.fields.transform.shared_modes import SharedModes
from baler_core.builtin.models.fields.window import Window, bounded, window_of
from baler_core.data.variables import Variable
from baler_core.entropy.masks import decode_classes
from baler_core.entropy.varint import ByteReader
from baler_core.errors import FormatError
from baler_core.format.ranged import RangeReader
from baler_core.machine.threads import in_parallel
from baler_core.plugin.interfaces import State
from baler_core.quantise.units import Units, read_units


def decode_fields(
    data: SupportsBytes,
    variables: Sequence[Variable],
    shape: tuple[int, ...],
    learned: State,
    region: Box | None = None,
) -> list[np.ndarray]:
    """Restore the values of each variable, all or those of a region of the arrays.

    Raises
    ------
    FormatError
        If what is needed of the bytes is damaged.
    """
    reader = RangeReader(data, "a stream of transformed fields")
    arrangement = read_arrangement(reader, shape)
    arranged, window = arrangement.shape(shape), window_of(arrangement, shape, region)
    heads = [_read_head(reader, variable, arranged) for variable in variables]
    restored = [np.empty(window.shape, variable.numpy_dtype) for variable in variables]

    def restore(job: tuple[StoredChunk, int, Any, Any]) -> None:
        chunk, number, inside, outside = job
        around, inside = bounded(inside)
        field = np.moveaxis(chunk.restore(number, around), 1, 0)
        for values, (units, _, _), part in zip(restored, heads, field, strict=True):
            values[outside] = units.backward(part[inside], values.dtype)

    shared_modes = Prior.read(learned, by_reference=True).shared_modes((len(variables), *arranged[1:]))
    in_parallel(restore, list(_needed_tiles(reader, (shape, arrangement), len(variables), window, shared_modes)))
    for values, (units, found, specials) in zip(restored, heads, strict=True):
        if found is not None:
            holes.put_back(values, window.cut(found), specials, units.reach())
    part = shape if region is None else tuple(len(range(n)[s]) for n, s in zip(shape, region, strict=True))
    return [arrangement.backward(values, part) for values in restored]


def _needed_tiles(
    reader: RangeReader,
    whole: tuple[tuple[int, ...], Arrangement],
    variables: int,
    window: Window,
    shared_modes: SharedModes | None,
) -> Iterator[tuple[StoredChunk, int, Any, Any]]:
    """The tiles that a window touches: chunk, number, and where what is wanted lies in the tile and in the result.

    Parameters
    ----------
    whole
        Shape of the array, and its arrangement.
    """
    shape, arrangement = whole
    _, *space = arrangement.shape(shape)
    blocks, indexed = arrangement.time_blocks(shape), bool(arrangement.chunk)
    for block, data in zip(blocks, read_parts(reader, len(blocks), indexed=indexed), strict=True):
        if window.overlap((block, *(slice(0, n) for n in space))) is None:
            continue
        frames = block.stop - block.start
        boxes = arrangement.tiles(shape, frames)
        chunk = read_chunk(data, (frames, variables, *space), shared_modes, boxes, indexed=indexed)
        for number, box in enumerate(chunk.boxes):
            found = window.overlap((block, *box))
            if found is not None:
                yield chunk, number, *found


def _read_head(
    reader: ByteReader, variable: Variable, shape: tuple[int, ...]
) -> tuple[Units, np.ndarray | None, tuple[float, ...]]:
    units = read_units(reader.sized(), variable.dtype)
    count = reader.varint(256)
    specials = struct.unpack(f"<{count}d", reader.take(8 * count))
    if not holes.hold(specials, variable.numpy_dtype):
        raise FormatError(f"{variable.name!r} is said to hold values beyond its type")
    return units, _read_classes(reader, shape, count), specials


def _read_classes(reader: ByteReader, shape: tuple[int, ...], count: int) -> np.ndarray | None:
    if not count:
        return None
    return decode_classes(reader.sized(), (shape[0] * shape[1], shape[2], shape[3]), count).reshape(shape)
