"""Variables of one grid that are transformed together: prepared, coded chunk by chunk, and restored."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from baler_core.bounds import Tolerance
from baler_core.builtin.models import field_holes as holes
from baler_core.builtin.models.families import Effort, Family
from baler_core.builtin.models.field_layout import Arrangement, read_arrangement, time_blocks
from baler_core.builtin.models.field_masks import decode_classes, encode_classes
from baler_core.builtin.models.field_units import Units, choose_units, read_units
from baler_core.builtin.models.transform.chunk import Chunk, decode_chunk, encode_chunk
from baler_core.builtin.models.transform.experience import Experience, choose_coding, learn_experience
from baler_core.dataset import Variable
from baler_core.errors import FormatError
from baler_core.interfaces import State
from baler_core.varint import ByteReader, write_sized, write_varint

_MIXED = {"fast": 0, "balanced": 3, "max": 7}


@dataclass(frozen=True)
class Field:
    """One variable made ready.

    Attributes
    ----------
    values
        As given.
    units
        How its values become numbers in units of the tolerance.
    classes, specials
        Which values are special (see `holes.classes`), and the special values.
    """

    values: np.ndarray
    units: Units
    classes: np.ndarray | None
    specials: tuple[float, ...]


def prepare(values: np.ndarray, tolerance: Tolerance) -> Field | None:
    """A field, or None if it cannot be transformed under its tolerance."""
    found, specials = holes.classes(values, tolerance)
    ordinary = values.ravel() if found is None else values[found == 0]
    units = choose_units(ordinary, tolerance)
    return None if units is None else Field(values, units, found, specials)


def chunk_of(fields: Sequence[Field], arrangement: Arrangement, block: slice) -> Chunk:
    """One block of frames of all fields: float64 in units of each field's tolerance."""
    numbers, empty = [], []
    for field in fields:
        part = arrangement.forward(field.values)[block]
        number = field.units.forward(part)
        hole = ~np.isfinite(number)
        if field.classes is not None:
            hole |= arrangement.forward(field.classes)[block] > 0
        numbers.append(number)
        empty.append(hole)
    stacked, masked = np.stack(numbers, 1), np.stack(empty, 1)
    if not masked.any():
        return Chunk(stacked)
    return Chunk(holes.fill_smoothly(stacked, masked), masked)


def encode_family(family: Family, effort: Effort) -> bytes:
    """All fields as bytes."""
    fields, arrangement = [member.field for member in family.members], family.arrangement
    parts = [arrangement.to_bytes()]
    for field in fields:
        parts.append(write_sized(field.units.to_bytes()))
        parts.append(write_varint(len(field.specials)) + struct.pack(f"<{len(field.specials)}d", *field.specials))
        if field.classes is not None:
            parts.append(write_sized(encode_classes(_planes(arrangement.forward(field.classes)), len(field.specials))))
    known = Experience.read(family.known, by_reference=family.by_reference)
    for block in time_blocks(arrangement.shape(fields[0].values.shape)[0]):
        chosen = choose_coding(chunk_of(fields, arrangement, block), effort, known)
        recipe = replace(chosen.recipe, mixed=_MIXED[effort])
        basis = chosen.trials.basis(recipe)
        parts.append(write_sized(b"".join(encode_chunk(chosen.trials.chunk, recipe, basis, chosen.background))))
    return b"".join(parts)


def learn_family(family: Family, effort: Effort) -> State:
    """What the first block of frames tells about such fields of other files."""
    fields = [member.field for member in family.members]
    block = time_blocks(family.arrangement.shape(fields[0].values.shape)[0])[0]
    return learn_experience(chunk_of(fields, family.arrangement, block), effort).to_state()


def decode_family(
    data: bytes, variables: Sequence[Variable], shape: tuple[int, ...], learned: State
) -> list[np.ndarray]:
    """Restored values of each variable.

    Raises
    ------
    FormatError
        If the bytes are damaged.
    """
    reader = ByteReader(data, "a family of fields")
    arrangement = read_arrangement(reader, len(shape))
    arranged = arrangement.shape(shape)
    heads = [_read_head(reader, variable, arranged) for variable in variables]
    restored = [np.empty(arranged, variable.numpy_dtype) for variable in variables]
    known = Experience.read(learned, by_reference=True)
    background = known.background((len(variables), *arranged[1:]))
    for block in time_blocks(arranged[0]):
        frames = len(range(arranged[0])[block])
        field = decode_chunk(reader.sized(), (frames, len(variables), *arranged[1:]), background)
        for number, (units, _, _) in enumerate(heads):
            restored[number][block] = units.backward(field[:, number], restored[number].dtype)
    for values, (_, found, specials) in zip(restored, heads, strict=True):
        if found is not None:
            holes.put_back(values, found, specials)
    return [arrangement.backward(values, shape) for values in restored]


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


def _planes(classes: np.ndarray) -> np.ndarray:
    """(frames, z, y, x) as (frames * z, y, x)."""
    return classes.reshape(-1, *classes.shape[2:])
