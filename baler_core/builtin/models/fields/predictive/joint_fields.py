"""Code variables of one grid by prediction, chunk by chunk, and restore them."""

from __future__ import annotations

import itertools
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, SupportsBytes

import numpy as np

from baler_core.builtin.models.fields import holes
from baler_core.builtin.models.fields.codec import JointFields
from baler_core.builtin.models.fields.layout import Arrangement, Box, read_arrangement, tiles
from baler_core.builtin.models.fields.predictive.field import LARGEST, Integers, decode_integers, fits
from baler_core.builtin.models.fields.predictive.predictor import FRACTION
from baler_core.builtin.models.fields.predictive.stencil_fit import encode_integers, learn_stencils
from baler_core.builtin.models.fields.window import Window, window_of
from baler_core.data.bounds import Tolerance
from baler_core.data.sides import Reach
from baler_core.data.variables import Variable
from baler_core.entropy.masks import decode_classes, encode_classes
from baler_core.entropy.varint import ByteReader, unzigzag, write_sized, write_varint, zigzag
from baler_core.errors import FormatError
from baler_core.format.ranged import RangeReader
from baler_core.machine.threads import in_parallel
from baler_core.plugin.interfaces import Effort, State
from baler_core.quantise.lattice import Lattice
from baler_core.quantise.lattice_fit import fit_lattice
from baler_core.quantise.units import Units, choose_units, read_units

STENCILS = "stencils"
_MOST_SPECIALS = 128
# A step of two tolerances has 1024 parts; rounding to parts takes half of one.
_PER_TOLERANCE = (1 << (FRACTION - 1)) + 0.5
_LARGEST = 2.0**33
# Values of a chunk, as a power of two: small ones are many to work on side by side, large ones learn for longer.
_CHUNK_BITS: Mapping[Effort, int] = {"fast": 20, "balanced": 20, "max": 22}
_MOST_CHUNK_BITS = 30
# Where frames are large, space is cut before time is cut shorter than this.
_FEWEST_FRAMES = 16


@dataclass(frozen=True)
class SteppedField:
    """One variable, and how it is held in 1/1024 of quantisation steps.

    Attributes
    ----------
    scale
        How steps become values: `units` if restored values may lie anywhere, a `lattice` if only on its points.
    middle
        The number of steps from which is counted.
    values
        As given; nothing where they are to be restored.
    special, specials
        uint8, same shape: 0 for ordinary values, else 1 + index into the special values; None if all are ordinary.
    """

    scale: Units | Lattice
    middle: int
    values: np.ndarray
    special: np.ndarray | None
    specials: tuple[float, ...]

    @property
    def closed(self) -> bool:
        """Whether values may be restored anywhere within half a step."""
        return isinstance(self.scale, Units)

    def steps(self, arrangement: Arrangement, place: Box) -> np.ndarray:
        """A part of the arranged values: int64, in 1/1024 of a step; 0, or the nearest number, for what is beyond."""
        values = arrangement.forward(self.values)[place]
        if isinstance(self.scale, Units):
            numbers = self.scale.forward(values)
            numbers *= _PER_TOLERANCE
            numbers[~(np.abs(numbers) < _LARGEST)] = 0.0
            return np.rint(numbers, out=numbers).astype(np.int64)
        codes, special = self.scale.quantise(values)
        with np.errstate(over="ignore"):
            codes = np.clip(codes - self.middle, 1 - LARGEST, LARGEST - 1)
        codes[special > 0] = 0
        return codes << FRACTION


def prepare(values: np.ndarray, tolerance: Tolerance) -> tuple[SteppedField, ...] | None:
    """Return ways to hold a variable: with restored values anywhere, and on a lattice; None if there is none.

    Values are looked at in part. The few that a way does not hold in spite of that are for the core to correct.
    """
    if tolerance.kind == "free" or values.dtype.kind == "b":
        return None
    lattice = fit_lattice(values, tolerance)
    found = (_anywhere(values, tolerance, lattice), _on_lattice(values, lattice))
    return tuple(field for field in found if field is not None) or None


def _anywhere(values: np.ndarray, tolerance: Tolerance, lattice: Lattice) -> SteppedField | None:
    special, specials = holes.classes(values, tolerance)
    ordinary = values.ravel() if special is None else values[special == 0]
    units = choose_units(ordinary, tolerance, lattice)
    if units is None or (units.lattice is not None and units.lattice.merge == 1):
        return None
    numbers = units.forward(_some(ordinary)) * _PER_TOLERANCE
    if (~(np.abs(numbers) < _LARGEST)).mean() > 1e-3:
        return None
    return SteppedField(units, 0, values, special, specials)


def _on_lattice(values: np.ndarray, lattice: Lattice) -> SteppedField | None:
    special = lattice.quantise(values)[1] if lattice.specials else None
    ordinary = _some(values.ravel() if special is None else values[special == 0])
    if not ordinary.size or len(lattice.specials) > _MOST_SPECIALS:
        return None
    codes = lattice.quantise(ordinary)[0]
    # the median of very large integers may be rounded beyond 64 bits
    middle = min(max(int(np.median(codes)), -(2**63)), 2**63 - 1)
    with np.errstate(over="ignore"):
        return SteppedField(lattice, middle, values, special, lattice.specials) if fits(codes - middle) else None


def _some(values: np.ndarray) -> np.ndarray:
    """Estimate 2^16 of many values."""
    return values[:: max(1, values.size >> 16)]


def chunks_of(joint: JointFields, effort: Effort) -> list[Box]:
    """Return the places of all chunks."""
    fields = [member.field for member in joint.members]
    return list(chunks(joint.arrangement.shape(fields[0].values.shape), len(fields), _CHUNK_BITS[effort]))


def chunks(shape: tuple[int, int, int, int], count: int, bits: int) -> Iterator[Box]:
    """Return blocks of frames, or tiles of few frames, of (frames, z, y, x) of `count` variables, coded by themselves.

    Each holds about 2^bits values.
    """
    largest = 1 << bits
    per_frame = max(1, count * math.prod(shape[1:]))
    blocks = max(1, min(shape[0], -(-shape[0] * per_frame // largest)))
    if per_frame * _FEWEST_FRAMES > largest:
        blocks = max(1, shape[0] // _FEWEST_FRAMES)
    edges = [shape[0] * number // blocks for number in range(blocks + 1)]
    for first, end in itertools.pairwise(edges):
        for box in tiles((end - first) * count, shape[1:], 2 * largest):
            yield (slice(first, end), *box)


def gather(fields: Sequence[SteppedField], arrangement: Arrangement, place: tuple[slice, ...]) -> Integers:
    """Gather the integers of a chunk of all fields."""
    codes = np.stack([field.steps(arrangement, place) for field in fields], 2)
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
    return Integers(codes.reshape(shape), holes, depth, fields[0].closed)


def encode_fields(joint: JointFields, effort: Effort) -> bytes:
    """Encode all fields as bytes."""
    fields, arrangement = [member.field for member in joint.members], joint.arrangement
    parts = [arrangement.to_bytes(), write_varint(_CHUNK_BITS[effort])]
    for field in fields:
        parts.append(_head(field, arrangement))
    places = chunks_of(joint, effort)
    known, seen = joint.known.get(STENCILS), joint.recipe

    def encoded(place: Box) -> bytes:
        here = seen is not None and seen.place == place
        if here and seen.data:
            return write_sized(seen.data)
        stencils = seen.stencils if here and seen.stencils is not None else known
        return write_sized(encode_integers(gather(fields, arrangement, place), effort, stencils))

    return b"".join(parts + in_parallel(encoded, places))


def learn_fields(joint: JointFields, effort: Effort) -> State:
    """Keep whether restored values may lie anywhere, and the stencils of the first chunk."""
    fields, arrangement = [member.field for member in joint.members], joint.arrangement
    integers = gather(fields, arrangement, chunks_of(joint, effort)[0])
    return {
        "closed": np.array([field.closed for field in fields]),
        STENCILS: learn_stencils(integers, effort),
    }


def _head(field: SteppedField, arrangement: Arrangement) -> bytes:
    """Return how steps become values, and where special values are."""
    head = bytes([field.closed]) + write_sized(field.scale.to_bytes()) + write_varint(zigzag(field.middle))
    head += write_varint(len(field.specials)) + struct.pack(f"<{len(field.specials)}d", *field.specials)
    if field.special is None:
        return head + write_varint(0)
    classes = arrangement.forward(field.special)
    return (
        head
        + write_varint(1)
        + write_sized(encode_classes(classes.reshape(-1, *classes.shape[2:]), len(field.specials)))
    )


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
    reader = RangeReader(data, "a stream of predicted fields")
    arrangement, bits = read_arrangement(reader, len(shape)), reader.varint(_MOST_CHUNK_BITS)
    arranged, window = arrangement.shape(shape), window_of(arrangement, shape, region)
    heads = [_read_head(reader, variable, arranged) for variable in variables]
    restored = np.empty((len(variables), *window.shape), np.int64)

    def restore(job: tuple[Box, SupportsBytes, Any, Any]) -> None:
        place, stored, inside, outside = job
        for number, part in enumerate(_decode_chunk(heads, place, bytes(stored))):
            restored[number][outside] = part[inside]

    jobs = []
    for place in chunks(arranged, len(variables), bits):
        stored, found = reader.sized_part(), window.overlap(place)
        if found is not None:
            jobs.append((place, stored, *found))
    in_parallel(restore, jobs)
    part = shape if region is None else tuple(len(range(n)[s]) for n, s in zip(shape, region, strict=True))
    parts = zip(heads, restored, variables, strict=True)
    return [arrangement.backward(_restore(head, steps, window, variable), part) for head, steps, variable in parts]


def _decode_chunk(heads: Sequence[SteppedField], place: Box, data: bytes) -> np.ndarray:
    """Decode the steps of a chunk: int64 (variables, frames, z, y, x)."""
    frames, depth, ny, nx = (part.stop - part.start for part in place)
    shape = (frames * depth, len(heads), ny, nx)
    masked = any(head.special is not None for head in heads)
    holes_here = _holes(heads, place, (frames, depth, ny, nx)).reshape(shape) if masked else None
    restored = decode_integers(data, shape, holes_here, depth, heads[0].closed)
    return np.moveaxis(restored, 1, 0).reshape(len(heads), frames, depth, ny, nx)


def _read_head(reader: ByteReader, variable: Variable, shape: tuple[int, int, int, int]) -> SteppedField:
    """Read a field without its steps."""
    closed, stored = reader.varint(2), reader.sized()
    scale = read_units(stored, variable.dtype) if closed else Lattice.from_bytes(stored, variable.dtype)
    middle, count = unzigzag(reader.varint(2**64)), reader.varint(_MOST_SPECIALS + 1)
    specials = struct.unpack(f"<{count}d", reader.take(8 * count))
    if not -(2**63) <= middle < 2**63 or not holes.hold(specials, variable.numpy_dtype):
        raise FormatError(f"{variable.name!r} is said to hold values beyond its type")
    special = None
    if reader.varint(2):
        flat = (shape[0] * shape[1], *shape[2:])
        special = decode_classes(reader.sized(), flat, count).reshape(shape)
    return SteppedField(scale, middle, np.empty(0, np.int64), special, specials)


def _holes(fields: Sequence[SteppedField], place: tuple[slice, ...], shape: tuple[int, ...]) -> np.ndarray:
    """Return boolean (frames, z, variables, y, x)."""
    masks = [np.zeros(shape, bool) if field.special is None else field.special[place] > 0 for field in fields]
    return np.stack(masks, 2)


def _restore(field: SteppedField, steps: np.ndarray, window: Window, variable: Variable) -> np.ndarray:
    """Restore values of the window's shape."""
    if isinstance(field.scale, Units):
        values = field.scale.backward(steps / _PER_TOLERANCE, variable.numpy_dtype)
    else:
        with np.errstate(over="ignore"):
            codes = (steps >> FRACTION) + np.int64(field.middle)
        values = field.scale.dequantise(codes, np.zeros(codes.shape, np.uint8))
    if field.special is not None:
        # a lattice has kept off already
        reach = field.scale.reach() if isinstance(field.scale, Units) else Reach()
        holes.put_back(values, window.cut(field.special), field.specials, reach)
    return values
