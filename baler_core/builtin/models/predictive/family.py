"""Variables of one grid that are predicted together: to integers, chunk by chunk to bytes, and back."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from baler_core.bounds import Tolerance
from baler_core.builtin.models.families import Family
from baler_core.builtin.models.field_layout import Arrangement, read_arrangement, tiles
from baler_core.builtin.models.predictive.field import Integers, decode_integers, encode_integers, fits
from baler_core.dataset import Variable
from baler_core.errors import FormatError
from baler_core.lattice import Lattice
from baler_core.lattice_fit import fit_lattice
from baler_core.varint import ByteReader, write_sized, write_varint

_MOST_SPECIALS = 128
_LARGEST_CHUNK = 1 << 23


@dataclass(frozen=True)
class Field:
    """One variable as integers.

    Attributes
    ----------
    lattice
        What the integers stand for.
    codes
        int64, shape of the variable.
    special
        uint8, same shape: 0 for ordinary values, else 1 + index into the lattice's specials; None if all are ordinary.
    """

    lattice: Lattice
    codes: np.ndarray
    special: np.ndarray | None


def prepare(values: np.ndarray, tolerance: Tolerance) -> Field | None:
    """A field, or None if its integers are too large to be predicted."""
    if tolerance.kind == "free" or values.dtype.kind == "b":
        return None
    lattice = fit_lattice(values, tolerance)
    codes, special = lattice.quantise(values)
    ordinary = codes[special == 0]
    if not ordinary.size or len(lattice.specials) > _MOST_SPECIALS:
        return None
    # count from the middle, so that 27 bits hold as much as possible
    middle = int(np.median(ordinary))
    lattice = replace(lattice, lowest=middle)
    with np.errstate(over="ignore"):
        codes = np.where(special == 0, codes - middle, 0)
    return Field(lattice, codes, special if special.any() else None) if fits(codes) else None


def chunks(shape: tuple[int, int, int, int], count: int) -> Iterator[tuple[slice, ...]]:
    """Blocks of frames, or tiles of single frames, of (frames, z, y, x) of `count` variables, coded by themselves."""
    per_frame = max(1, count * math.prod(shape[1:]))
    blocks = min(max(1, shape[0]), -(-shape[0] * per_frame // _LARGEST_CHUNK)) or 1
    edges = [shape[0] * number // blocks for number in range(blocks + 1)]
    for first, end in itertools.pairwise(edges):
        for box in tiles(count, shape[1:]) if end - first == 1 else [(slice(None),) * 3]:
            yield (slice(first, end), *box)


def gather(fields: Sequence[Field], arrangement: Arrangement, place: tuple[slice, ...]) -> Integers:
    """The integers of a chunk of all fields."""
    codes = np.stack([arrangement.forward(field.codes)[place] for field in fields], 2)
    frames, depth, count, ny, nx = codes.shape
    shape = (frames * depth, count, ny, nx)
    holes = None
    if any(field.special is not None for field in fields):
        masks = [
            np.zeros((frames, depth, ny, nx), bool)
            if field.special is None
            else arrangement.forward(field.special)[place] > 0
            for field in fields
        ]
        holes = np.stack(masks, 2).reshape(shape)
    return Integers(codes.reshape(shape), holes, depth)


def encode_family(family: Family) -> bytes:
    """All fields as bytes."""
    fields, arrangement = [member.field for member in family.members], family.arrangement
    parts = [arrangement.to_bytes()]
    for field in fields:
        parts.append(write_sized(field.lattice.to_bytes()) + write_varint(field.special is not None))
        if field.special is not None:
            classes = arrangement.forward(field.special).astype(np.int64)
            flat = classes.reshape(-1, 1, *classes.shape[2:])
            parts.append(write_sized(encode_integers(Integers(flat, None, classes.shape[1]))))
    for place in chunks(arrangement.shape(fields[0].codes.shape), len(fields)):
        parts.append(write_sized(encode_integers(gather(fields, arrangement, place))))
    return b"".join(parts)


def decode_family(data: bytes, variables: Sequence[Variable], shape: tuple[int, ...]) -> list[np.ndarray]:
    """Restored values of each variable.

    Raises
    ------
    FormatError
        If the bytes are damaged.
    """
    reader = ByteReader(data, "a family of predicted fields")
    arrangement = read_arrangement(reader, len(shape))
    arranged = arrangement.shape(shape)
    heads = [_read_head(reader, variable, arranged) for variable in variables]
    masked = any(special is not None for _, special in heads)
    codes = np.empty((len(variables), *arranged), np.int64)
    for place in chunks(arranged, len(variables)):
        part = codes[(slice(None), *place)]
        count, frames, depth, ny, nx = part.shape
        flat = (frames * depth, count, ny, nx)
        holes = _holes([special for _, special in heads], place, part.shape).reshape(flat) if masked else None
        restored = decode_integers(reader.sized(), flat, holes, depth)
        codes[(slice(None), *place)] = np.moveaxis(restored.reshape(frames, depth, count, ny, nx), 2, 0)
    return [_restore(c, head, arrangement, shape) for c, head in zip(codes, heads, strict=True)]


def _read_head(
    reader: ByteReader, variable: Variable, shape: tuple[int, int, int, int]
) -> tuple[Lattice, np.ndarray | None]:
    lattice = Lattice.from_bytes(reader.sized(), variable.dtype)
    if not reader.varint(2):
        return lattice, None
    flat = (shape[0] * shape[1], 1, *shape[2:])
    special = decode_integers(reader.sized(), flat, None, shape[1])
    if special.size and not 0 <= special.min() <= special.max() <= len(lattice.specials):
        raise FormatError(f"the special values of {variable.name!r} are damaged")
    return lattice, special.reshape(shape).astype(np.uint8)


def _holes(specials: Sequence[np.ndarray | None], place: tuple[slice, ...], shape: tuple[int, ...]) -> np.ndarray:
    """Boolean (frames, z, variables, y, x)."""
    masks = [np.zeros(shape[1:], bool) if special is None else special[place] > 0 for special in specials]
    return np.stack(masks, 2)


def _restore(
    codes: np.ndarray, head: tuple[Lattice, np.ndarray | None], arrangement: Arrangement, shape: tuple[int, ...]
) -> np.ndarray:
    lattice, special = head
    with np.errstate(over="ignore"):
        shifted = codes + np.int64(lattice.lowest)
    classes = np.zeros(codes.shape, np.uint8) if special is None else special
    return arrangement.backward(lattice.dequantise(shifted, classes), shape)
