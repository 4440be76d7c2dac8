"""The base of models that code fields of one grid jointly: what they cannot hold, or not better, goes to `scalar`."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, SupportsBytes

import numpy as np

from baler_core.builtin.models.fields.codec import Decode, FieldCodec, JointFields, Prepared
from baler_core.builtin.models.fields.layout import Arrangement, wanted_chunk
from baler_core.builtin.models.scalar import ScalarModel, estimated_size
from baler_core.data.block import Block, values_of
from baler_core.data.part import Part
from baler_core.data.variables import GroupKind, Layout, Variable
from baler_core.entropy.varint import ByteReader, write_sized, write_varint, write_varints
from baler_core.errors import FormatError
from baler_core.format.ranged import RangeReader
from baler_core.format.streams import pack_streams
from baler_core.machine.threads import in_parallel
from baler_core.plugin.effort import Effort
from baler_core.plugin.interfaces import (
    NO_HINTS,
    Estimate,
    Hints,
    Model,
    State,
    Streams,
    Tolerances,
)
from baler_core.plugin.late_options import options_at

if TYPE_CHECKING:
    from baler_core.plugin.options import Training

STREAM = "fields"
# Joint fields this much smaller than `scalar` is expected to make them, by pieces or by all values, need no exact comparison.
_FAR_SMALLER: Mapping[Effort, float] = {"fast": 1.1, "balanced": 0.95, "max": 0.9}
_SMALLER: Mapping[Effort, float] = {"fast": 1.0, "balanced": 0.97, "max": 0.94}
# Of fewer values samples tell too little, and time hardly counts.
_MANY_VALUES = 1 << 18
# The name under which model files hold members and arrangement of joint fields, after their number.
_MEMBERS = "family"


class _StoredFields(NamedTuple):
    """Joint fields in a stream: the numbers of their variables in the group, these, their shape and their bytes."""

    places: tuple[int, ...]
    members: Sequence[Variable]
    shape: tuple[int, ...]
    data: SupportsBytes


class FieldModel(Model):
    """Codes fields jointly; subclasses name the codec that says which variables it holds, and how they become bytes."""

    kinds: ClassVar[frozenset[GroupKind]] = frozenset({"grid"})
    automatic = True
    cuts_chunks = True
    Options = options_at("baler_core.builtin.models.fields.options:FieldOptions")

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._known: dict[tuple[int, ...], tuple[Arrangement, State]] = {}

    @staticmethod
    @abstractmethod
    def codec() -> FieldCodec:
        """Import the functions that encode: not before they are needed, which they are not to restore a file."""

    @staticmethod
    @abstractmethod
    def decoder() -> Decode:
        """Import the function that decodes."""

    # ---- what is learned for other files

    def fit(
        self,
        blocks: Iterable[Block],
        *,
        layout: Layout,
        tolerances: Tolerances,
        training: Training,
        hints: Hints = NO_HINTS,
        plan: object = None,
    ) -> None:
        """Learn from the first block if that is to serve other files; a file's own fields are planned block by block."""
        if not hints.for_other_files:
            return
        planned = plan if isinstance(plan, tuple) else self._joint_fields(next(iter(blocks)), layout, tolerances, hints)
        numbers = {variable.name: number for number, variable in enumerate(layout.variables)}
        learn, effort = self.codec().learn, self.options.effort
        self._known = {
            tuple(numbers[member.variable.name] for member in fields.members): (
                fields.arrangement,
                learn(fields, effort),
            )
            for fields in planned
        }

    def encoder_state(self) -> State:
        """Return members and arrangements of joint fields, and what was learned of each."""
        stored: State = {}
        for number, (places, (arrangement, known)) in enumerate(self._known.items()):
            stored[f"{number} {_MEMBERS}"] = np.array([arrangement.lead, arrangement.frames, *places], np.int64)
            stored.update({f"{number} {name}": array for name, array in known.items()})
        return stored

    def gains_by_reference(self) -> bool:
        """Whether decoders can make use of what was learned."""
        return bool(self._known) and any(self.codec().gains(known) for _, known in self._known.values())

    def load_state(self, state: State) -> None:
        """Take up joint fields of another file."""
        self._known = {}
        for name in state:
            number, _, what = name.partition(" ")
            if what != _MEMBERS:
                continue
            if state[name].dtype != np.int64 or state[name].ndim != 1 or len(state[name]) < 3 or state[name].min() < 0:
                raise FormatError("fields coded together were learned in an impossible way")
            lead, frames, *places = state[name].tolist()
            known = {n.partition(" ")[2]: a for n, a in state.items() if n.startswith(f"{number} ") and n != name}
            self._known[tuple(places)] = (Arrangement(lead, frames), known)

    # ---- planning

    def estimate(
        self, block: Block, layout: Layout, tolerances: Tolerances, *, hints: Hints = NO_HINTS
    ) -> Estimate | None:
        """Plan joint fields, and sum up what they are expected to take; the plan serves `fit` and `encode`."""
        members = self._members(block, layout, tolerances, hints)
        known = self._known_fields(members, layout, hints) if members else []
        if known or not members:
            return _estimate(known)
        sketch = self.codec().sketch(members, self.options.effort)
        if self.options.effort == "max":  # no rival spares anything
            return _estimate(sketch.finish(math.inf))
        rough = _estimate(sketch.fields)
        leeway = math.inf if _count(block, members) < _MANY_VALUES else sketch.leeway
        return replace(rough, plan=None, refined=lambda rival: _estimate(sketch.finish(rival)), leeway=leeway)

    def _joint_fields(
        self, block: Block, layout: Layout, tolerances: Tolerances, hints: Hints
    ) -> tuple[JointFields, ...]:
        """Plan the fields of a block: as in another file, or anew."""
        members = self._members(block, layout, tolerances, hints)
        if not members:
            return ()
        known = self._known_fields(members, layout, hints)
        return tuple(known or self.codec().sketch(members, self.options.effort).finish(hints.rival))

    def _members(self, block: Block, layout: Layout, tolerances: Tolerances, hints: Hints) -> list[Prepared]:
        """Prepare the variables that this model can hold."""
        prepare = self.codec().prepare

        def member(variable: Variable) -> Prepared | None:
            values = values_of(block, variable.name)
            ready = prepare(values, tolerances[variable.name]) if values.ndim > 1 and values.size else None
            chunk = wanted_chunk(values.shape, variable.dims, hints.chunks)
            return None if ready is None else Prepared(variable, ready, chunk)

        return [found for found in in_parallel(member, layout.variables) if found is not None]

    def _known_fields(self, members: Sequence[Prepared], layout: Layout, hints: Hints) -> list[JointFields]:
        """Take those of the other file if they hold the same variables and suit them; none otherwise."""
        place = {layout.variables.index(member.variable): member for member in members}
        rank = len(members[0].variable.dims)
        same = sorted(number for places in self._known for number in places) == sorted(place)
        if not same or any(a.lead >= rank or a.frames >= rank for a, _ in self._known.values()):
            return []
        adapt = self.codec().adapt
        adapted = [
            adapt(
                JointFields(
                    tuple(place[number] for number in places),
                    arrangement._replace(chunk=members[0].chunk),
                    known=known,
                    by_reference=hints.by_reference,
                )
            )
            for places, (arrangement, known) in self._known.items()
        ]
        fitting = [fields for fields in adapted if fields is not None]
        return fitting if len(fitting) == len(adapted) else []

    # ---- coding

    def encode(
        self, block: Block, layout: Layout, tolerances: Tolerances, *, hints: Hints = NO_HINTS, plan: object = None
    ) -> Streams:
        """Encode as the stream `fields`, and the streams of `scalar` for variables that are smaller there."""
        planned = plan if isinstance(plan, tuple) else self._joint_fields(block, layout, tolerances, hints)
        encode, effort = self.codec().encode, self.options.effort
        coded = in_parallel(lambda fields: (fields, encode(fields, effort)), planned)
        kept = [pair for pair in coded if pair[1] and self._pays(pair, block, layout, tolerances, hints)]
        numbers = {variable.name: number for number, variable in enumerate(layout.variables)}
        parts = [write_varint(len(kept))]
        for fields, data in kept:
            places = [numbers[member.variable.name] for member in fields.members]
            parts.append(write_varint(len(places)) + write_varints(places) + write_sized(data))
        rest = _without(layout, {member.variable.name for fields, _ in kept for member in fields.members})
        plain = self._plain(block, layout, rest, tolerances, hints) if rest.variables else {}
        return {STREAM: b"".join(parts), **plain}

    def _pays(
        self,
        pair: tuple[JointFields, bytes],
        block: Block,
        layout: Layout,
        tolerances: Tolerances,
        hints: Hints,
    ) -> bool:
        """Whether joint fields are smaller than their variables by the `scalar` model."""
        fields, data = pair
        if fields.arrangement.chunk:  # which scalar does not cut
            return True
        names = [member.variable.name for member in fields.members]
        # the full comparison takes long: it is spared where pieces, or all values by fast compressors, are far behind
        known = hints.baseline
        alone = sum(
            known[name] if name in known else estimated_size(values_of(block, name), tolerances[name]) for name in names
        )
        if len(data) < _FAR_SMALLER[self.options.effort] * alone:
            return True
        # ... and where `scalar` is coded whole with little effort, or will be anyway, an estimate spares nothing
        if self.options.effort != "balanced" or hints.plain is None or len(names) < len(layout.variables):
            whole = sum(estimated_size(values_of(block, name), tolerances[name], whole=True) for name in names)
            if len(data) < _SMALLER[self.options.effort] * whole:
                return True
        streams = self._plain(block, layout, _only(layout, set(names)), tolerances, hints)
        # What the container makes of them counts: scalar leaves streams that variables share uncompressed.
        return len(data) < len(pack_streams([streams]))

    def _plain(self, block: Block, layout: Layout, some: Layout, tolerances: Tolerances, hints: Hints) -> Streams:
        """Encode some of the variables by `scalar`; if that is all of them, it may have been done before."""
        if hints.plain is not None and len(some.variables) == len(layout.variables):
            return hints.plain(self.options.effort)
        return ScalarModel(ScalarModel.Options(effort=self.options.effort)).encode(block, some, tolerances)

    # ---- restoring

    def decode(self, streams: Streams, layout: Layout, tolerances: Tolerances) -> Block:
        """Restore the block that `encode` was given, within its tolerances."""
        return layout.build(self._decoded(streams, layout, tolerances, None))

    def decode_part(
        self, streams: Mapping[str, SupportsBytes], layout: Layout, tolerances: Tolerances, part: Part
    ) -> dict[str, np.ndarray]:
        """Restore a part, of which only the blocks and tiles that it touches are decoded."""
        return self._decoded(streams, layout, tolerances, part)

    def _decoded(
        self, streams: Mapping[str, SupportsBytes], layout: Layout, tolerances: Tolerances, part: Part | None
    ) -> dict[str, np.ndarray]:
        reader = RangeReader(streams.get(STREAM, b""), "the fields of a group")
        wanted: list[_StoredFields] = []
        joint: set[str] = set()
        for _ in range(reader.varint(len(layout.variables) + 1)):
            places, members, shape = _read_members(reader, layout)
            data = reader.sized_part()
            joint |= {member.name for member in members}
            if part is None or any(member.name in part.names for member in members):
                wanted.append(_StoredFields(places, members, shape, data))
        decode = self.decoder()

        def restored(fields: _StoredFields) -> dict[str, np.ndarray]:
            known = self._known[fields.places][1] if fields.places in self._known else {}
            box = part.box(fields.members[0]) if part is not None and part.region else None
            values = decode(fields.data, fields.members, fields.shape, known, box)
            return dict(zip((member.name for member in fields.members), values, strict=True))

        arrays = {name: values for found in in_parallel(restored, wanted) for name, values in found.items()}
        rest = _without(layout, joint)
        if part is None and rest.variables:
            plain = ScalarModel().decode({name: bytes(stream) for name, stream in streams.items()}, rest, tolerances)
            arrays.update({variable.name: values_of(plain, variable.name) for variable in rest.variables})
        elif part is not None and any(variable.name in part.names for variable in rest.variables):
            arrays.update(ScalarModel().decode_part(streams, rest, tolerances, part))
        return arrays


def _count(block: Block, members: Sequence[Prepared]) -> int:
    return sum(values_of(block, member.variable.name).size for member in members)


def _estimate(planned: Sequence[JointFields]) -> Estimate:
    """Return what planned fields expect, and the plan."""
    sizes = {tuple(member.variable.name for member in fields.members): fields.expected for fields in planned}
    return Estimate(sizes, tuple(planned))


def _read_members(reader: ByteReader, layout: Layout) -> tuple[tuple[int, ...], list[Variable], tuple[int, ...]]:
    """Read which variables of a group are coded jointly: their numbers, themselves, and their shape.

    Raises
    ------
    FormatError
        If these are no fields of one shape.
    """
    count = reader.varint(len(layout.variables) + 1)
    places = tuple(reader.varint(len(layout.variables)) for _ in range(count))
    members = [layout.variables[place] for place in places]
    if not members or any(len(member.dims) < 2 or member.numpy_dtype.kind == "b" for member in members):
        raise FormatError("fields coded together are no fields")
    shape = layout.shape(members[0])
    if not math.prod(shape) or any(layout.shape(member) != shape for member in members):
        raise FormatError("fields coded together are empty or of several shapes")
    return places, members, shape


def _only(layout: Layout, names: set[str]) -> Layout:
    kept = tuple(variable for variable in layout.variables if variable.name in names)
    return replace(layout, variables=kept)


def _without(layout: Layout, names: set[str]) -> Layout:
    return _only(layout, {variable.name for variable in layout.variables} - names)
