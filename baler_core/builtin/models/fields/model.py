"""The base of models that code fields of one grid in families: what they cannot hold, or not better, goes to `scalar`."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field as Option

from baler_core.builtin.models.fields.layout import Arrangement, Box
from baler_core.builtin.models.scalar import ScalarModel, estimated_size
from baler_core.data.bounds import Tolerance
from baler_core.data.variables import GroupKind, Layout, Variable, values_of
from baler_core.entropy.varint import ByteReader, write_sized, write_varint, write_varints
from baler_core.errors import FormatError
from baler_core.format.container import pack_streams
from baler_core.plugin.interfaces import Effort, Estimate, Model, Options, State, Streams, Tolerances, Training

if TYPE_CHECKING:
    import xarray as xr

STREAM = "fields"
# A family this much smaller than what `scalar` is expected to take, by pieces or by all values, is not compared further.
_FAR_SMALLER: Mapping[Effort, float] = {"fast": 1.1, "balanced": 0.95, "max": 0.9}
_SMALLER: Mapping[Effort, float] = {"fast": 1.0, "balanced": 0.97, "max": 0.94}


class FieldOptions(Options):
    """Options of the models of fields."""

    effort: Effort = Option(default="max", description="How hard to try for few bytes, against time.")


@dataclass(frozen=True)
class Prepared:
    """A variable, and what a model made of its values before coding (a `Field` of its own)."""

    variable: Variable
    field: Any


@dataclass(frozen=True)
class Family:
    """Variables coded together, and how their arrays are arranged.

    Attributes
    ----------
    expected
        About the bytes they will take.
    recipe
        What the model found out while planning and encodes by; None if nothing.
    known
        What was learned of such a family from another file; then it is not planned, and nothing is expected of it.
    by_reference
        Whether decoders will know it too.
    """

    members: tuple[Prepared, ...]
    arrangement: Arrangement
    expected: float = 0.0
    recipe: Any = None
    known: State = field(default_factory=dict)
    by_reference: bool = False


class FamilyModel(Model):
    """Codes fields in families; authors say which variables they can hold, and how a family becomes bytes."""

    kinds: ClassVar[frozenset[GroupKind]] = frozenset({"grid"})
    automatic = True
    Options = FieldOptions

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._known: dict[tuple[int, ...], tuple[Arrangement, State]] = {}
        self._planned: tuple[xr.Dataset, list[Family]] | None = None

    @abstractmethod
    def prepare(self, values: np.ndarray, tolerance: Tolerance) -> Any | None:
        """A variable of rank 2 or more with at least one value, prepared; None if this model cannot hold it."""

    @abstractmethod
    def plan(self, members: Sequence[Prepared]) -> list[Family]:
        """Families of all `members`, which have one shape."""

    @abstractmethod
    def encode_family(self, family: Family) -> bytes:
        """A family as bytes; none if it turns out that this model cannot hold it."""

    @abstractmethod
    def decode_family(
        self,
        data: bytes,
        variables: Sequence[Variable],
        shape: tuple[int, ...],
        known: State,
        region: Box | None = None,
    ) -> list[np.ndarray]:
        """Restored values, all or those of a region of the arrays; FormatError if what is needed of `data` is damaged.

        `known` is empty unless the file refers to another.
        """

    @abstractmethod
    def learn(self, family: Family) -> State:
        """What of a family helps to code such families of other files, as few arrays by name."""

    def fit(self, blocks: Iterable[xr.Dataset], *, layout: Layout, tolerances: Tolerances, training: Training) -> None:
        """Learn families from the first block, if that is to serve other files; a file's own are found block by block."""
        if not self.for_other_files:
            return
        block = next(iter(blocks))
        families = self._families(block, layout, tolerances)
        self._planned = (block, families)
        numbers = {variable.name: number for number, variable in enumerate(layout.variables)}
        self._known = {
            tuple(numbers[m.variable.name] for m in family.members): (family.arrangement, self.learn(family))
            for family in families
        }

    def encoder_state(self) -> State:
        """Families, their arrangements, and what was learned of each."""
        stored: State = {}
        for number, (places, (arrangement, known)) in enumerate(self._known.items()):
            stored[f"{number} family"] = np.array([arrangement.lead, arrangement.frames, *places], np.int64)
            stored.update({f"{number} {name}": array for name, array in known.items()})
        return stored

    def gains_by_reference(self) -> bool:
        """Only if decoders can make use of what was learned."""
        return any(self.shared(known) for _, known in self._known.values())

    def shared(self, known: State) -> bool:
        """Whether decoding makes use of what was learned of a family."""
        return False

    def load_state(self, state: State) -> None:
        """Take up families of another file."""
        self._known = {}
        for name in state:
            number, _, what = name.partition(" ")
            if what != "family":
                continue
            if state[name].dtype != np.int64 or state[name].ndim != 1 or len(state[name]) < 3 or state[name].min() < 0:
                raise FormatError("a family of fields was learned in an impossible way")
            lead, frames, *places = state[name].tolist()
            known = {n.partition(" ")[2]: a for n, a in state.items() if n.startswith(f"{number} ") and n != name}
            self._known[tuple(places)] = (Arrangement(lead, frames), known)

    def estimate(self, block: xr.Dataset, layout: Layout, tolerances: Tolerances) -> Estimate | None:
        """What families are expected to take; the plan is kept for `encode`."""
        families = self._families(block, layout, tolerances)
        self._planned = (block, families)
        return {tuple(member.variable.name for member in family.members): family.expected for family in families}

    def _families(self, block: xr.Dataset, layout: Layout, tolerances: Tolerances) -> list[Family]:
        """The plan of a block: as it was last made, as in another file, or anew."""
        planned, self._planned = self._planned, None
        if planned is not None and planned[0] is block:
            return planned[1]
        members = self._members(block, layout, tolerances)
        return (self._known_families(members, layout) or self.plan(members)) if members else []

    def _members(self, block: xr.Dataset, layout: Layout, tolerances: Tolerances) -> list[Prepared]:
        """Variables that this model can hold."""
        members = []
        for variable in layout.variables:
            values = values_of(block, variable.name)
            ready = self.prepare(values, tolerances[variable.name]) if values.ndim > 1 and values.size else None
            if ready is not None:
                members.append(Prepared(variable, ready))
        return members

    def _known_families(self, members: Sequence[Prepared], layout: Layout) -> list[Family]:
        """Those of the other file if they hold the same variables and suit them, else none."""
        place = {layout.variables.index(member.variable): member for member in members}
        rank = len(members[0].variable.dims)
        same = sorted(number for places in self._known for number in places) == sorted(place)
        if not same or any(a.lead >= rank or a.frames >= rank for a, _ in self._known.values()):
            return []
        families = [
            self.adapt(
                Family(
                    tuple(place[number] for number in places), arrangement, known=known, by_reference=self.by_reference
                )
            )
            for places, (arrangement, known) in self._known.items()
        ]
        fitting = [family for family in families if family is not None]
        return fitting if len(fitting) == len(families) else []

    def adapt(self, family: Family) -> Family | None:
        """A family as planned for another file, made to suit this one; None if it cannot."""
        return family

    def encode(self, block: xr.Dataset, layout: Layout, tolerances: Tolerances) -> Streams:
        """Stream `fields`, and the streams of `scalar` for variables that are smaller there."""
        families = self._families(block, layout, tolerances)
        coded = [(family, self.encode_family(family)) for family in families]
        kept = [pair for pair in coded if pair[1] and self._worth(pair, block, layout, tolerances)]
        numbers = {variable.name: number for number, variable in enumerate(layout.variables)}
        parts = [write_varint(len(kept))]
        for family, data in kept:
            places = [numbers[member.variable.name] for member in family.members]
            parts.append(write_varint(len(places)) + write_varints(places) + write_sized(data))
        rest = _without(layout, {member.variable.name for family, _ in kept for member in family.members})
        plain = self._plain().encode(block, rest, tolerances) if rest.variables else {}
        return {STREAM: b"".join(parts), **plain}

    def _worth(self, pair: tuple[Family, bytes], block: xr.Dataset, layout: Layout, tolerances: Tolerances) -> bool:
        """Whether a family is smaller than its variables by the `scalar` model."""
        family, data = pair
        names = [member.variable.name for member in family.members]
        # the full comparison takes long: it is spared where pieces, or all values by fast compressors, are far behind
        if len(data) < _FAR_SMALLER[self.options.effort] * self._expected_alone(names, block, tolerances):
            return True
        whole = sum(estimated_size(values_of(block, name), tolerances[name], whole=True) for name in names)
        if len(data) < _SMALLER[self.options.effort] * whole:
            return True
        streams = self._plain().encode(block, _only(layout, set(names)), tolerances)
        # What the container makes of them counts: scalar leaves streams that variables share uncompressed.
        return len(data) < len(pack_streams([streams]))

    def _plain(self) -> ScalarModel:
        """What codes variables that this model leaves out."""
        return ScalarModel(ScalarModel.Options(effort=self.options.effort))

    def _expected_alone(self, names: Sequence[str], block: xr.Dataset, tolerances: Tolerances) -> float:
        """About the bytes of variables by the `scalar` model."""
        known = self.alone[1] if self.alone is not None and self.alone[0] is block else {}
        return sum(
            known[name] if name in known else estimated_size(values_of(block, name), tolerances[name]) for name in names
        )

    def decode(self, streams: Streams, layout: Layout, tolerances: Tolerances) -> xr.Dataset:
        """The block that `encode` was given, within its tolerances."""
        return layout.build(self._decoded(streams, layout, tolerances, {}))

    def decode_region(
        self, streams: Streams, layout: Layout, tolerances: Tolerances, region: Mapping[str, slice]
    ) -> dict[str, np.ndarray]:
        """A region of all variables, of which only the blocks and tiles that it touches are decoded.

        Parameters
        ----------
        region
            Slices with positive steps by dimension; dimensions left out are taken whole.
        """
        return self._decoded(streams, layout, tolerances, region)

    def _decoded(
        self, streams: Streams, layout: Layout, tolerances: Tolerances, region: Mapping[str, slice]
    ) -> dict[str, np.ndarray]:
        reader = ByteReader(streams.get(STREAM, b""), "the fields of a group")
        arrays: dict[str, np.ndarray] = {}
        for _ in range(reader.varint(len(layout.variables) + 1)):
            count = reader.varint(len(layout.variables) + 1)
            places = tuple(reader.varint(len(layout.variables)) for _ in range(count))
            members = [layout.variables[place] for place in places]
            if not members or any(len(member.dims) < 2 or member.numpy_dtype.kind == "b" for member in members):
                raise FormatError("a family of fields holds something else")
            shape = layout.shape(members[0])
            if not math.prod(shape) or any(layout.shape(member) != shape for member in members):
                raise FormatError("a family of fields holds nothing, or fields of several shapes")
            known = self._known[places][1] if places in self._known else {}
            box = tuple(region.get(dim, slice(None)) for dim in members[0].dims) if region else None
            restored = self.decode_family(reader.sized(), members, shape, known, box)
            arrays.update({member.name: values for member, values in zip(members, restored, strict=True)})
        rest = _without(layout, set(arrays))
        if rest.variables:
            plain = ScalarModel().decode(streams, rest, tolerances)
            for variable in rest.variables:
                box = tuple(region.get(dim, slice(None)) for dim in variable.dims)
                arrays[variable.name] = values_of(plain, variable.name)[box]
        return arrays


def _only(layout: Layout, names: set[str]) -> Layout:
    kept = tuple(variable for variable in layout.variables if variable.name in names)
    return replace(layout, variables=kept)


def _without(layout: Layout, names: set[str]) -> Layout:
    return _only(layout, {variable.name for variable in layout.variables} - names)
