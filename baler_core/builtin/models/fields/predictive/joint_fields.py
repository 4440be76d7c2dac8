"""Code variables of one grid by prediction, chunk by chunk."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

import numpy as np

from baler_core.builtin.models.fields.codec import JointFields
from baler_core.builtin.models.fields.layout import Arrangement, Box, write_parts
from baler_core.builtin.models.fields.predictive.decoded_image import DecodedImage
from baler_core.builtin.models.fields.predictive.field import Integers
from baler_core.builtin.models.fields.predictive.held import SteppedField
from baler_core.builtin.models.fields.predictive.restored_fields import KINDS, chunks
from baler_core.builtin.models.fields.predictive.rests import encode_rests
from baler_core.builtin.models.fields.predictive.stencil import Stencils
from baler_core.builtin.models.fields.predictive.stencil_fit import encode_integers, learn_stencils
from baler_core.entropy.masks import encode_classes
from baler_core.entropy.varint import write_sized, write_varint, zigzag
from baler_core.machine.threads import in_parallel
from baler_core.plugin.interfaces import Effort, State

STENCILS, WEIGHTS = "stencils", "weight bits"
# Values of a chunk, as a power of two: small ones are many to work on side by side, large ones learn for longer.
_CHUNK_BITS: Mapping[Effort, int] = {"fast": 20, "balanced": 20, "max": 22}


def chunks_of(joint: JointFields, effort: Effort) -> list[Box]:
    """Return the places of all chunks."""
    fields = [member.field for member in joint.members]
    return list(chunks(fields[0].values.shape, joint.arrangement, len(fields), _CHUNK_BITS[effort]))


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
    return Integers(codes.reshape(shape), holes, depth, fields[0].closed, any(f.noisy for f in fields))


def encode_fields(joint: JointFields, effort: Effort) -> bytes:
    """Encode all fields as bytes."""
    if isinstance(joint.recipe, DecodedImage):
        return joint.recipe.data
    fields, arrangement = [member.field for member in joint.members], joint.arrangement
    parts = [arrangement.to_bytes(), write_varint(_CHUNK_BITS[effort])]
    for field in fields:
        parts.append(_head(field, arrangement))
    places = chunks_of(joint, effort)
    known, seen = _known_stencils(joint.known), joint.recipe

    def encoded(place: Box) -> list[bytes]:
        here = seen is not None and seen.place == place
        stencils = seen.stencils if here and seen.stencils is not None else known
        data = (seen.data if here else b"") or encode_integers(gather(fields, arrangement, place), effort, stencils)
        return [data, *(encode_rests(field, arrangement, place) for field in fields if field.exact)]

    coded = [part for found in in_parallel(encoded, places) for part in found]
    return b"".join([*parts, write_parts(coded, indexed=bool(arrangement.chunk))])


def learn_fields(joint: JointFields, effort: Effort) -> State:
    """Keep whether restored values may lie anywhere, and the stencils of the first chunk."""
    fields, arrangement = [member.field for member in joint.members], joint.arrangement
    integers = gather(fields, arrangement, chunks_of(joint, effort)[0])
    stencils = learn_stencils(integers, effort)
    return {
        "closed": np.array([field.closed for field in fields]),
        STENCILS: stencils.weights,
        WEIGHTS: np.array([stencils.bits], np.int64),
    }


def _known_stencils(known: State) -> Stencils | None:
    """Return what was learned from another file, whose numbers may be anything."""
    weights, bits = known.get(STENCILS), known.get(WEIGHTS)
    if weights is None:
        return None
    return Stencils(weights) if bits is None or bits.shape != (1,) else Stencils(weights, int(bits[0]))


def _head(field: SteppedField, arrangement: Arrangement) -> bytes:
    """Return how steps become values, and where special values are."""
    head = bytes([KINDS.index(field.kind)]) + write_sized(field.scale.to_bytes()) + write_varint(zigzag(field.middle))
    head += write_varint(field.nan) if field.exact else b""
    head += write_varint(len(field.specials)) + struct.pack(f"<{len(field.specials)}d", *field.specials)
    if field.special is None:
        return head + write_varint(0)
    classes = arrangement.forward(field.special)
    return (
        head
        + write_varint(1)
        + write_sized(encode_classes(classes.reshape(-1, *classes.shape[2:]), len(field.specials)))
    )
