"""Which variables the contents of a file become: names, dtypes, dimensions, units, packing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from baler_core import Variable
from baler_fits.contents.dimensions import ROLES, Dimensions, axis_names
from baler_fits.contents.fields import RowField
from baler_fits.contents.naming import counts_name, variable_names
from baler_fits.contents.roles import NO_ROLE, FieldPlace, RoleReason, role_of_column, role_of_image, role_of_parameters
from baler_fits.schema.data_units import Content


@dataclass(frozen=True)
class CatalogueEntry:
    """The variables taken from one HDU.

    Attributes
    ----------
    content
        Where they come from.
    values
        `{position of the field: its variable}`.
    counts
        `{position of a variable-length field: the variable that counts its elements}`; text has none.
    """

    content: Content
    values: Mapping[int, Variable] = field(default_factory=dict)
    counts: Mapping[int, Variable] = field(default_factory=dict)

    @property
    def variables(self) -> list[Variable]:
        """All of them once, each count before the first field it counts."""
        listed: dict[str, Variable] = {}
        for position, variable in self.values.items():
            if position in self.counts:
                listed.setdefault(self.counts[position].name, self.counts[position])
            listed[variable.name] = variable
        return list(listed.values())


def enter(
    content: Content, place: FieldPlace, dimensions: Dimensions, chosen: set[str], *, plain: bool
) -> CatalogueEntry:
    """Return the chosen variables of an HDU; their dimensions are added to `dimensions`."""
    unit, hdu_name = content.unit, place.hdu
    names = variable_names(hdu_name, unit, plain=plain)
    taken = {n: name for n, name in enumerate(names) if name in chosen or counts_name(name) in chosen}
    if not taken:
        return CatalogueEntry(content)
    if unit.kind == "groups":  # parameters and arrays alternate: neither stands without the other
        taken = dict(enumerate(names))
    if unit.kind in ("image", "tiles"):
        return CatalogueEntry(content, {0: _image(content, place, names[0], dimensions)})
    if unit.kind == "bytes":
        dim = dimensions.new(f"{hdu_name}:byte", unit.rows)
        kept = replace(unit.fields[0], label=f"{content.kept}, kept byte for byte")
        return CatalogueEntry(content, {0: _variable(names[0], kept, (dim,))})
    row = dimensions.new("row" if plain else hdu_name, unit.rows)
    values: dict[int, Variable] = {}
    counts: dict[int, Variable] = {}
    for n, name in taken.items():
        one = unit.fields[n]
        if one.pointer is None or one.dtype == "bytes":
            axes = [_element_axis(row, axis, length, dimensions) for axis, length in enumerate(one.shape)]
            values[n] = _variable(name, one, (row, *axes), _role_of(content, place, one))
        else:
            values[n], counts[n] = _jagged(place, n, name, row, dimensions, CatalogueEntry(content, values, counts))
    return CatalogueEntry(content, values, counts)


def _element_axis(row: str, axis: int, length: int, dimensions: Dimensions) -> str:
    """Name an axis of the arrays in a column: the same for values and for their errors, of which each has several."""
    return dimensions.shared(row, [f"{row}:{axis}:{length}"], [length])[0]


def _variable(
    name: str, one: RowField, dims: tuple[str, ...], stated: RoleReason = NO_ROLE, axes: Mapping[str, str] | None = None
) -> Variable:
    packing = one.packing
    return Variable(
        name, one.dtype, dims, one.units, one.label, packing.fill, packing.scale, packing.offset, axes or {},
        one.limits, role=stated[0], reason=stated[1],
    )  # fmt: skip


def _role_of(content: Content, place: FieldPlace, one: RowField) -> RoleReason:
    """What a field of rows is."""
    if content.unit.kind != "groups":
        return role_of_column(place, one)
    return role_of_parameters(content.keywords) if one.name else ("measured", "the array of random groups")


def _image(content: Content, place: FieldPlace, name: str, dimensions: Dimensions) -> Variable:
    """An image; those of one exposure (EXTVER) that are alike lie on the same grid."""
    keywords = content.keywords
    one = content.unit.fields[0]
    shape = (content.unit.rows, *one.shape)
    names = axis_names(keywords, len(shape))
    dims = dimensions.shared(keywords.whole("EXTVER", 1), names, shape)
    roles = {dim: ROLES[axis] for dim, axis in zip(dims, names, strict=True) if axis in ROLES}
    return _variable(name, one, dims, role_of_image(place, one, names), roles)


def _jagged(
    place: FieldPlace, n: int, name: str, row: str, dimensions: Dimensions, entered: CatalogueEntry
) -> tuple[Variable, Variable]:
    """A variable-length column and its counts: those of an earlier column if they are the same in every row."""
    content = entered.content
    one, lengths = content.unit.fields[n], content.pointers[n].counts
    for earlier, variable in entered.counts.items():
        if np.array_equal(content.pointers[earlier].counts, lengths):
            return _variable(name, one, entered.values[earlier].dims, role_of_column(place, one)), variable
    assert one.pointer is not None  # the caller saw to it
    dim = dimensions.new(f"{name}:element", int(lengths.sum()))
    count = Variable(
        counts_name(name), one.pointer.newbyteorder("<").str, (row,), label=f"elements of {name}", role="count"
    )
    return _variable(name, one, (dim,), role_of_column(place, one)), count


def counts_of(entries: Sequence[CatalogueEntry]) -> dict[str, str]:
    """`{jagged dimension: name of its counts}` of all entries."""
    return {
        entry.values[n].dims[0]: variable.name for entry in entries for n, variable in entry.counts.items()
    }  # fmt: skip
