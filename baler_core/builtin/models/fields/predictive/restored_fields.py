"""Restore variables of one grid that were coded by prediction, chunk by chunk."""

from __future__ import annotations

import itertools
import math
import struct
from collections.abc import Iterator, Sequence
from typing import Any, SupportsBytes

import numpy as np

from baler_core.builtin.models.fields import holes
from baler_core.builtin.models.fields.layout import Arrangement, Box, read_arrangement, read_parts, tiles
from baler_core.builtin.models.fields.predictive.field import decode_integers
from baler_core.builtin.models.fields.predictive.float_cells import read_cells
from baler_core.builtin.models.fields.predictive.held import (
    MOST_SPECIALS,
    PER_TOLERANCE,
    Kind,
    Scale,
    SteppedField,
    Where,
)
from baler_core.builtin.models.fields.predictive.predictor import FRACTION
from baler_core.builtin.models.fields.predictive.restored_image import MARK, decode_image
from baler_core.builtin.models.fields.predictive.rests import decode_rests
from baler_core.builtin.models.fields.window import Window, bounded, window_of
from baler_core.data.sides import Reach
from baler_core.data.variables import Variable
from baler_core.entropy.masks import decode_classes
from baler_core.entropy.varint import ByteReader, unzigzag
from baler_core.errors import FormatError
from baler_core.format.ranged import RangeReader
from baler_core.machine.threads import in_parallel
from baler_core.plugin.interfaces import State
from baler_core.quantise.lattice import Lattice
from baler_core.quantise.slice_steps import read_slice_steps
from baler_core.quantise.tile_steps import read_tile_steps
from baler_core.quantise.units import Units, read_units

_MOST_CHUNK_BITS = 30
# Where frames are large, space is cut before time is cut shorter than this.
_FEWEST_FRAMES = 16
# Steps become values so many at a time, so that the numbers on the way stay in the processor's cache.
_PIECE = 1 << 16
# In the order in which bytes number them.
KINDS: tuple[Kind, ...] = ("lattice", "units", "cells", "steps", "whole units", "tile steps")


def chunks(shape: tuple[int, ...], arrangement: Arrangement, count: int, bits: int) -> Iterator[Box]:
    """Return blocks of frames, or tiles of few frames, of (frames, z, y, x) of `count` variables, coded by themselves.

    Each holds about 2^bits values, and none crosses the edge of a chunk that is wanted.

    Parameters
    ----------
    shape
        Of the arrays.
    """
    for box in arrangement.pieces(shape):
        for piece in _suitable(tuple(end - first for first, end in box), count, bits):
            yield tuple(slice(a + p.start, a + p.stop) for (a, _), p in zip(box, piece, strict=True))


def _suitable(shape: tuple[int, ...], count: int, bits: int) -> Iterator[Box]:
    largest = 1 << bits
    per_frame = max(1, count * math.prod(shape[1:]))
    blocks = max(1, min(shape[0], -(-shape[0] * per_frame // largest)))
    if per_frame * _FEWEST_FRAMES > largest:
        blocks = max(1, shape[0] // _FEWEST_FRAMES)
    edges = [shape[0] * number // blocks for number in range(blocks + 1)]
    for first, end in itertools.pairwise(edges):
        for box in tiles((end - first) * count, shape[1:], 2 * largest):
            yield (slice(first, end), *box)


def decode_fields(
    data: SupportsBytes,
    variables: Sequence[Variable],
    shape: tuple[int, ...],
    learned: State,
    region: Box | None = None,
) -> list[np.ndarray]:
    """Restore the values of each variable, all or those of a region of the arrays; needs nothing that was learned.

    Raises
    ------
    FormatError
        If what is needed of the bytes is damaged.
    """
    image = _decoded_image(data, variables, shape)
    if image is not None:
        return [image if region is None else image[region]]
    reader = RangeReader(data, "a stream of predicted fields")
    arrangement, bits = read_arrangement(reader, shape), reader.varint(_MOST_CHUNK_BITS)
    arranged, window = arrangement.shape(shape), window_of(arrangement, shape, region)
    heads = [_read_head(reader, variable, arranged, shape) for variable in variables]
    restored = [np.empty(window.shape, variable.numpy_dtype) for variable in variables]

    def restore(job: tuple[Box, Sequence[SupportsBytes], Any, Any]) -> None:
        place, stored, inside, outside = job
        last = bounded(inside)[0][0].stop
        steps = _decode_chunk(heads, stored, (shape, arrangement, place), last)
        for values, head, own in zip(restored, heads, steps, strict=True):
            values[outside] = _values(head, own[inside], values.dtype)

    places, each = list(chunks(shape, arrangement, len(variables), bits)), 1 + sum(head.exact for head in heads)
    parts = read_parts(reader, each * len(places), indexed=bool(arrangement.chunk))
    stored = [(place, list(itertools.islice(parts, each)), window.overlap(place)) for place in places]
    in_parallel(restore, [(place, pieces, *overlap) for place, pieces, overlap in stored if overlap is not None])
    part = shape if region is None else tuple(len(range(n)[s]) for n, s in zip(shape, region, strict=True))
    found = [_with_specials(values, head, window) for head, values in zip(heads, restored, strict=True)]
    return [arrangement.backward(values, part) for values in found]


def _decoded_image(data: SupportsBytes, variables: Sequence[Variable], shape: tuple[int, ...]) -> np.ndarray | None:
    """Restore an image that is kept as the numbers that it was decoded from; None if the stream holds none."""
    reader = RangeReader(data, "a stream of predicted fields")
    if len(variables) != 1 or reader.take(1) != MARK:
        return None
    return decode_image(reader, shape, variables[0].numpy_dtype)


def _decode_chunk(
    heads: Sequence[SteppedField], stored: Sequence[SupportsBytes], where: Where, last: int
) -> np.ndarray:
    """Decode the steps of a chunk, of exact floats their bits: int64 (variables, frames, z, y, x).

    Frames after the `last` one wanted are left out, unless floats need all of them.
    """
    frames, depth, ny, nx = (part.stop - part.start for part in where[2])
    exact = [number for number, head in enumerate(heads) if head.exact]
    last = frames if exact else last
    shape, decoded = (frames * depth, len(heads), ny, nx), (last, depth, ny, nx)
    place = (slice(where[2][0].start, where[2][0].start + last), *where[2][1:])
    masked = any(head.special is not None for head in heads)
    holes_here = _holes(heads, place, decoded).reshape(last * depth, *shape[1:]) if masked else None
    restored = decode_integers(bytes(stored[0]), shape, holes_here, depth, heads[0].closed, last * depth)
    steps = np.moveaxis(restored, 1, 0).reshape(len(heads), *decoded)
    for number, rests in zip(exact, stored[1:], strict=True):
        values = decode_rests(heads[number], bytes(rests), _codes(heads[number], steps[number]), where)
        steps[number] = values.view(values.dtype.str.replace("f", "i"))
    return steps


def _read_head(
    reader: ByteReader, variable: Variable, shape: tuple[int, int, int, int], whole: tuple[int, ...]
) -> SteppedField:
    """Read a field without its steps; `whole` is the shape of the array, `shape` as it is arranged."""
    kind = KINDS[reader.varint(len(KINDS))]
    scale = _read_scale(kind, reader.sized(), variable, whole)
    middle = unzigzag(reader.varint(2**64))
    nan = reader.varint(1 << 8 * variable.numpy_dtype.itemsize) if kind in ("cells", "steps", "tile steps") else 0
    count = reader.varint(MOST_SPECIALS + 1)
    specials = struct.unpack(f"<{count}d", reader.take(8 * count))
    if not -(2**63) <= middle < 2**63 or not holes.hold(specials, variable.numpy_dtype):
        raise FormatError(f"{variable.name!r} is said to hold values beyond its type")
    special = None
    if reader.varint(2):
        flat = (shape[0] * shape[1], *shape[2:])
        special = decode_classes(reader.sized(), flat, count).reshape(shape)
    return SteppedField(scale, middle, np.empty(0, np.int64), special, specials, nan=nan, whole=kind == "whole units")


def _read_scale(kind: str, stored: bytes, variable: Variable, shape: tuple[int, ...]) -> Scale:
    if kind in ("units", "whole units"):
        return read_units(stored, variable.dtype)
    if kind == "lattice":
        return Lattice.from_bytes(stored, variable.dtype)
    reader = ByteReader(stored, f"floats of {variable.name!r}")
    if kind == "cells":
        return read_cells(reader, variable.dtype)
    if kind == "tile steps":
        return read_tile_steps(reader, variable.dtype, shape)
    return read_slice_steps(reader, variable.dtype, math.prod(shape[:-2]))


def _codes(field: SteppedField, steps: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return np.asarray((steps >> FRACTION) + np.int64(field.middle))


def _holes(fields: Sequence[SteppedField], place: tuple[slice, ...], shape: tuple[int, ...]) -> np.ndarray:
    """Return boolean (frames, z, variables, y, x)."""
    masks = [np.zeros(shape, bool) if field.special is None else field.special[place] > 0 for field in fields]
    return np.stack(masks, 2)


def _values(field: SteppedField, steps: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """Return values of `dtype` in the shape of their steps."""
    flat, values = steps.reshape(-1), np.empty(steps.size, dtype)
    for start in range(0, flat.size, _PIECE):
        piece = slice(start, start + _PIECE)
        values[piece] = _restored(field, flat[piece], dtype)
    return values.reshape(steps.shape)


def _restored(field: SteppedField, steps: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    if isinstance(field.scale, Units):
        return field.scale.backward(steps / PER_TOLERANCE, dtype)
    if isinstance(field.scale, Lattice):
        codes = _codes(field, steps)
        return field.scale.dequantise(codes, np.zeros(codes.shape, np.uint8))
    return steps.astype(f"i{dtype.itemsize}").view(f"f{dtype.itemsize}").astype(dtype)


def _with_specials(values: np.ndarray, field: SteppedField, window: Window) -> np.ndarray:
    """Put special values into their places in the window's values."""
    if field.special is None:
        return values
    # a lattice has kept off already
    reach = field.scale.reach() if isinstance(field.scale, Units) else Reach()
    found = window.cut(field.special)
    holes.put_back(values, found, field.specials, reach)
    return _with_nan(values, found, field) if field.nan else values


def _with_nan(values: np.ndarray, found: np.ndarray, field: SteppedField) -> np.ndarray:
    """Return the values with the field's own bits of NaN."""
    native = values.astype(values.dtype.newbyteorder("="))
    for index, special in enumerate(field.specials):
        if math.isnan(special):
            native.view(f"u{native.dtype.itemsize}")[found == index + 1] = field.nan
    return native.astype(values.dtype)
