"""Code variables of one grid by transform: prepare them, and code them block by block."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from baler_core.builtin.models.fields import holes
from baler_core.builtin.models.fields.codec import JointFields
from baler_core.builtin.models.fields.layout import Arrangement, Box, write_parts
from baler_core.builtin.models.fields.transform.block import Chunk, Recipe
from baler_core.builtin.models.fields.transform.choice import Coding, choose_coding, learn_prior
from baler_core.builtin.models.fields.transform.chunk import AnalysedBlock, encode_chunk, learn
from baler_core.builtin.models.fields.transform.prior import Prior
from baler_core.builtin.models.fields.transform.quantiser import LARGEST
from baler_core.builtin.models.fields.transform.sample import learn_basis_fast
from baler_core.builtin.models.fields.transform.sampled_block import SampledBlock
from baler_core.builtin.models.fields.transform.search import choose_step
from baler_core.data.bounds import Tolerance
from baler_core.entropy.masks import encode_classes
from baler_core.entropy.varint import write_sized, write_varint
from baler_core.machine.records import dataclass
from baler_core.plugin.interfaces import Effort, State
from baler_core.quantise.units import Units, choose_units, pieces_of

_MIXED = {"fast": 0, "balanced": 3, "max": 7}


@dataclass(frozen=True)
class ScaledField:
    """One variable prepared.

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


@dataclass(frozen=True)
class PlannedBlock:
    """What planning found out: a recipe, and what has been transformed by it of the middle block."""

    recipe: Recipe
    analysed: AnalysedBlock | None = None


def prepare(values: np.ndarray, tolerance: Tolerance) -> ScaledField | None:
    """Make a field ready; None if it cannot be transformed under its tolerance."""
    found, specials = holes.classes(values, tolerance)
    ordinary = values.ravel() if found is None else values[found == 0]
    units = choose_units(ordinary, tolerance, widest=LARGEST)
    return None if units is None else ScaledField(values, units, found, specials)


class FieldBlock:
    """A block of frames of all fields, of which tiles are prepared when asked for; the last one is kept."""

    def __init__(self, fields: Sequence[ScaledField], arrangement: Arrangement, block: slice) -> None:
        self._fields = fields
        self._arrangement = arrangement
        self._block = block
        self._last: tuple[Box, Chunk] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """(frames, variables, z, y, x)."""
        frames, *space = self._arrangement.shape(self._fields[0].values.shape)
        return (len(range(frames)[self._block]), len(self._fields), *space)

    @property
    def boxes(self) -> list[Box]:
        """Where the tiles lie in space."""
        return self._arrangement.tiles(self._fields[0].values.shape, self.shape[0])

    def halves(self) -> tuple[FieldBlock, FieldBlock]:
        """Return the first and the second half of the frames."""
        middle = self._block.start + self.shape[0] // 2
        first, second = slice(self._block.start, middle), slice(middle, self._block.stop)
        fields, arrangement = self._fields, self._arrangement
        return FieldBlock(fields, arrangement, first), FieldBlock(fields, arrangement, second)

    def tile(self, box: Box) -> Chunk:
        """Return the part inside a box of space: float64 in units of each field's tolerance, holes filled in."""
        last = self._last
        if last is None or last[0] != box:
            last = (box, self._made(box))
            self._last = last
        return last[1]

    def _made(self, box: Box) -> Chunk:
        place, stacked, masked = (self._block, *box), None, None
        for number, field in enumerate(self._fields):
            values = self._arrangement.forward(field.values)[place]
            if stacked is None:
                stacked = np.empty((len(values), len(self._fields), *values.shape[1:]))
            field.units.forward(values, stacked[:, number])
            if field.classes is not None:
                masked = np.zeros(stacked.shape, bool) if masked is None else masked
                masked[:, number] = self._arrangement.forward(field.classes)[place] > 0
        assert stacked is not None
        if not all(np.isfinite(part).all() for (part,) in pieces_of(stacked)):
            masked = ~np.isfinite(stacked) if masked is None else masked | ~np.isfinite(stacked)
        if masked is None or not masked.any():
            return Chunk(stacked)
        return Chunk(holes.fill_smoothly(stacked, masked), masked)


def encode_fields(joint: JointFields, effort: Effort) -> bytes:
    """Encode all fields as bytes; none if their coefficients are beyond what integers hold."""
    fields, arrangement = [member.field for member in joint.members], joint.arrangement
    parts = [arrangement.to_bytes()]
    for field in fields:
        parts.append(write_sized(field.units.to_bytes()))
        parts.append(write_varint(len(field.specials)) + struct.pack(f"<{len(field.specials)}d", *field.specials))
        if field.classes is not None:
            parts.append(write_sized(encode_classes(_planes(arrangement.forward(field.classes)), len(field.specials))))
    coded = _known_codings(joint, effort) if joint.recipe is None else _planned_codings(joint, effort)
    indexed, blocks = bool(arrangement.chunk), list[bytes]()
    for coding in coded:
        block = _encode_block(coding, effort, indexed=indexed)
        if not block:
            return b""
        blocks.append(block)
    return b"".join([*parts, write_parts(blocks, indexed=indexed)])


def _blocks(joint: JointFields) -> list[FieldBlock]:
    """The blocks of frames of a joint."""
    fields = [member.field for member in joint.members]
    places = joint.arrangement.time_blocks(fields[0].values.shape)
    return [FieldBlock(fields, joint.arrangement, place) for place in places]


def _planned_codings(joint: JointFields, effort: Effort) -> Iterator[Coding]:
    """As planned; at most effort, the step of the quantiser anew for each block but the middle one, which the plan saw."""
    blocks = _blocks(joint)
    for number, block in enumerate(blocks):
        recipe, analysed = joint.recipe.recipe, joint.recipe.analysed
        if number == len(blocks) // 2:
            yield Coding(block, recipe, analysed=analysed)
        elif effort == "max":
            yield Coding(block, choose_step(SampledBlock(block, effort), recipe, effort))
        else:
            yield Coding(block, recipe)


def _known_codings(joint: JointFields, effort: Effort) -> Iterator[Coding]:
    """As another file suggests."""
    known = Prior.read(joint.known, by_reference=joint.by_reference)
    blocks = _blocks(joint)
    shared_modes = known.shared_modes(blocks[0].shape[1:])
    return (choose_coding(block, effort, known.recipe, shared_modes) for block in blocks)


def _encode_block(coding: Coding, effort: Effort, *, indexed: bool) -> bytes:
    basis = None
    if coding.analysed is not None:
        basis = coding.analysed.basis
    elif coding.recipe.time == "basis":
        basis = learn_basis_fast(coding.block) if effort == "fast" else learn(coding.block)
    recipe = replace(coding.recipe, mixed=_MIXED[effort], shared_modes=bool(coding.explained))
    return b"".join(encode_chunk(coding.block, recipe, basis, coding.explained, coding.analysed, indexed=indexed))


def learn_fields(joint: JointFields, effort: Effort) -> State:
    """Learn from the first block of frames, with one effort for all, what helps with such fields of other files."""
    first = _blocks(joint)[0]
    recipe = None if joint.recipe is None else joint.recipe.recipe
    return learn_prior(first, first.halves(), recipe).to_state()


def _planes(classes: np.ndarray) -> np.ndarray:
    """Return (frames, z, y, x) as (frames * z, y, x)."""
    return classes.reshape(-1, *classes.shape[2:])
