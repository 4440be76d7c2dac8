"""The `transform` model: fields on a grid by a learned basis over time, wavelets in space and mixed contexts."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field as Option

from baler_core.builtin.models.scalar import ScalarModel
from baler_core.dataset import GroupKind, Layout, Variable, values_of
from baler_core.errors import FormatError
from baler_core.interfaces import Model, Options, Streams, Tolerances
from baler_core.varint import ByteReader, write_sized, write_varint, write_varints

if TYPE_CHECKING:
    import xarray as xr

    from baler_core.builtin.models.transform.family import Field
    from baler_core.builtin.models.transform.plan import Family

STREAM = "fields"


class TransformOptions(Options):
    """Options of `transform`."""

    effort: Literal["fast", "balanced", "max"] = Option(
        default="balanced", description="How many transforms are tried to find the smallest."
    )


class TransformModel(Model):
    """Smooth fields far below two bits per value; what a transform cannot hold goes to the `scalar` model."""

    name = "transform"
    summary = "fields: a basis over time learned from the data, wavelets in space, context mixing"
    kinds: ClassVar[frozenset[GroupKind]] = frozenset({"grid"})
    automatic = True

    Options = TransformOptions

    def encode(self, block: xr.Dataset, layout: Layout, tolerances: Tolerances) -> Streams:
        """Stream `fields`, and the streams of `scalar` for variables that are smaller there."""
        from baler_core.builtin.models.transform.family import encode_family

        fields = _prepared(block, layout, tolerances)
        families = []
        for family in self._plan(fields, layout):
            members = [fields[name] for name in family.names]
            data = encode_family(members, family.arrangement, self.options.effort)
            families.append((family, data))
        kept = [pair for pair in families if _worth(pair, block, layout, tolerances)]
        numbers = {variable.name: number for number, variable in enumerate(layout.variables)}
        parts = [write_varint(len(kept))]
        for family, data in kept:
            members_at = [numbers[name] for name in family.names]
            parts.append(write_varint(len(members_at)) + write_varints(members_at) + write_sized(data))
        taken = {name for family, _ in kept for name in family.names}
        rest = _without(layout, taken)
        plain = ScalarModel().encode(block, rest, tolerances) if rest.variables else {}
        return {STREAM: b"".join(parts), **plain}

    def decode(self, streams: Streams, layout: Layout, tolerances: Tolerances) -> xr.Dataset:
        """The block that `encode` was given, within its tolerances."""
        from baler_core.builtin.models.transform.family import decode_family

        reader = ByteReader(streams.get(STREAM, b""), "the fields of a transform")
        arrays: dict[str, np.ndarray] = {}
        for _ in range(reader.varint(len(layout.variables) + 1)):
            members = [_variable(layout, reader) for _ in range(reader.varint(len(layout.variables) + 1))]
            if not members or any(not member.is_numeric or len(member.dims) < 2 for member in members):
                raise FormatError("a family of fields without fields")
            restored = decode_family(reader.sized(), members, layout.shape(members[0]))
            arrays.update({member.name: values for member, values in zip(members, restored, strict=True)})
        rest = _without(layout, set(arrays))
        if rest.variables:
            plain = ScalarModel().decode(streams, rest, tolerances)
            arrays.update({variable.name: values_of(plain, variable.name) for variable in rest.variables})
        return layout.build(arrays)

    def _plan(self, fields: dict[str, Field], layout: Layout) -> list[Family]:
        from baler_core.builtin.models.transform.plan import plan_families

        first = layout.variables[0]
        axes = {dim: axis for variable in layout.variables for dim, axis in variable.axes.items()}
        return plan_families(fields, first.dims, axes, self.options.effort)


def _prepared(block: xr.Dataset, layout: Layout, tolerances: Tolerances) -> dict[str, Field]:
    """Every variable that a transform can hold."""
    from baler_core.builtin.models.transform.family import prepare

    found = {v.name: prepare(values_of(block, v.name), tolerances[v.name]) for v in layout.variables}
    return {name: field for name, field in found.items() if field is not None}


def _worth(pair: tuple[Family, bytes], block: xr.Dataset, layout: Layout, tolerances: Tolerances) -> bool:
    """Whether a family is smaller than its variables by the `scalar` model."""
    family, data = pair
    streams = ScalarModel().encode(block, _only(layout, set(family.names)), tolerances)
    return len(data) < sum(len(stream) for stream in streams.values())


def _only(layout: Layout, names: set[str]) -> Layout:
    kept = tuple(variable for variable in layout.variables if variable.name in names)
    return Layout(layout.kind, kept, layout.sizes, layout.counts)


def _without(layout: Layout, names: set[str]) -> Layout:
    return _only(layout, {variable.name for variable in layout.variables} - names)


def _variable(layout: Layout, reader: ByteReader) -> Variable:
    return layout.variables[reader.varint(len(layout.variables))]
