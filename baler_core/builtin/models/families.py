"""The base of models that code fields of one grid in families: what they cannot hold, or not better, goes to `scalar`."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field as Option

from baler_core.bounds import Tolerance
from baler_core.builtin.models.scalar import ScalarModel, estimated_size
from baler_core.container import pack_streams
from baler_core.dataset import GroupKind, Layout, Variable, values_of
from baler_core.differences import best_axes, difference
from baler_core.entropy import narrow
from baler_core.errors import FormatError
from baler_core.interfaces import Effort, Model, Options, Streams, Tolerances
from baler_core.lattice_fit import fit_lattice
from baler_core.squeeze import zstd
from baler_core.varint import ByteReader, write_sized, write_varint, write_varints

if TYPE_CHECKING:
    import xarray as xr

    from baler_core.builtin.models.field_layout import Arrangement, Box

STREAM = "fields"
# A family this much smaller than what `scalar` is expected to take is not compared any further.
_FAR_SMALLER: Mapping[Effort, float] = {"fast": 1.1, "balanced": 0.8, "max": 0.4}
_QUICKLY_SMALLER = 0.5


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
    """

    members: tuple[Prepared, ...]
    arrangement: Arrangement
    expected: float = 0.0
    recipe: Any = None


class FamilyModel(Model):
    """Codes fields in families; authors say which variables they can hold, and how a family becomes bytes."""

    kinds: ClassVar[frozenset[GroupKind]] = frozenset({"grid"})
    automatic = True
    Options = FieldOptions

    @abstractmethod
    def prepare(self, values: np.ndarray, tolerance: Tolerance) -> Any | None:
        """A variable of rank 2 or more with at least one value, made ready; None if this model cannot hold it."""

    @abstractmethod
    def plan(self, members: Sequence[Prepared]) -> list[Family]:
        """Families of all `members`, which have one shape."""

    @abstractmethod
    def encode_family(self, family: Family) -> bytes:
        """A family as bytes."""

    @abstractmethod
    def decode_family(
        self, data: bytes, variables: Sequence[Variable], shape: tuple[int, ...], region: Box | None = None
    ) -> list[np.ndarray]:
        """Restored values, all or those of a region of the arrays; FormatError if what is needed of `data` is damaged."""

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._planned: tuple[xr.Dataset, list[Family]] | None = None

    def estimate(self, block: xr.Dataset, layout: Layout, tolerances: Tolerances) -> float | None:
        """What families are expected to take, `scalar` where that is less; the plan is kept for `encode`."""
        families = self._families(block, layout, tolerances)
        self._planned = (block, families)
        plain = {v.name: estimated_size(values_of(block, v.name), tolerances[v.name]) for v in layout.variables}
        total = 0.0
        for family in families:
            total += min(family.expected, sum(plain.pop(member.variable.name) for member in family.members))
        return total + sum(plain.values())

    def _families(self, block: xr.Dataset, layout: Layout, tolerances: Tolerances) -> list[Family]:
        """The plan of a block, as it was last estimated or anew."""
        planned, self._planned = self._planned, None
        if planned is not None and planned[0] is block:
            return planned[1]
        members = []
        for variable in layout.variables:
            values = values_of(block, variable.name)
            ready = self.prepare(values, tolerances[variable.name]) if values.ndim > 1 and values.size else None
            if ready is not None:
                members.append(Prepared(variable, ready))
        return self.plan(members) if members else []

    def encode(self, block: xr.Dataset, layout: Layout, tolerances: Tolerances) -> Streams:
        """Stream `fields`, and the streams of `scalar` for variables that are smaller there."""
        families = self._families(block, layout, tolerances)
        coded = [(family, self.encode_family(family)) for family in families]
        kept = [pair for pair in coded if _worth(pair, block, layout, tolerances, self.options.effort)]
        numbers = {variable.name: number for number, variable in enumerate(layout.variables)}
        parts = [write_varint(len(kept))]
        for family, data in kept:
            places = [numbers[member.variable.name] for member in family.members]
            parts.append(write_varint(len(places)) + write_varints(places) + write_sized(data))
        rest = _without(layout, {member.variable.name for family, _ in kept for member in family.members})
        plain = ScalarModel().encode(block, rest, tolerances) if rest.variables else {}
        return {STREAM: b"".join(parts), **plain}

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
            members = [layout.variables[reader.varint(len(layout.variables))] for _ in range(count)]
            if not members or any(len(member.dims) < 2 or member.numpy_dtype.kind == "b" for member in members):
                raise FormatError("a family of fields holds something else")
            box = tuple(region.get(dim, slice(None)) for dim in members[0].dims)
            restored = self.decode_family(reader.sized(), members, layout.shape(members[0]), box if region else None)
            arrays.update({member.name: values for member, values in zip(members, restored, strict=True)})
        rest = _without(layout, set(arrays))
        if rest.variables:
            plain = ScalarModel().decode(streams, rest, tolerances)
            for variable in rest.variables:
                box = tuple(region.get(dim, slice(None)) for dim in variable.dims)
                arrays[variable.name] = values_of(plain, variable.name)[box]
        return arrays


def _worth(
    pair: tuple[Family, bytes], block: xr.Dataset, layout: Layout, tolerances: Tolerances, effort: Effort
) -> bool:
    """Whether a family is smaller than its variables by the `scalar` model."""
    family, data = pair
    names = [member.variable.name for member in family.members]
    # the full comparison takes long: it is spared where pieces, or all values by a fast compressor, are far behind
    if len(data) < _FAR_SMALLER[effort] * sum(estimated_size(values_of(block, n), tolerances[n]) for n in names):
        return True
    if len(data) < _QUICKLY_SMALLER * sum(_quick_size(values_of(block, name), tolerances[name]) for name in names):
        return True
    streams = ScalarModel().encode(block, _only(layout, set(names)), tolerances)
    # What the container makes of them counts: scalar leaves streams that variables share uncompressed.
    return len(data) < len(pack_streams([streams]))


def _quick_size(values: np.ndarray, tolerance: Tolerance) -> int:
    """Bytes of a variable's integers, differenced or not, by a fast compressor."""
    codes = fit_lattice(values, tolerance).codes(values)
    forms = (codes, difference(codes, best_axes(codes)))
    return min(len(zstd(narrow(form.ravel())[1], 3)) for form in forms)


def _only(layout: Layout, names: set[str]) -> Layout:
    kept = tuple(variable for variable in layout.variables if variable.name in names)
    return Layout(layout.kind, kept, layout.sizes, layout.counts)


def _without(layout: Layout, names: set[str]) -> Layout:
    return _only(layout, {variable.name for variable in layout.variables} - names)
