"""Describe the variables of arrays by their attributes, as xarray and other readers of CF conventions understand them."""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from baler_core import (
    CfDescribed,
    CfSpecial,
    Role,
    Variable,
    axis_role,
    cf_roles,
    described,
    exact_number,
    special_values,
    standard_name,
)
from baler_zarr.contents.arrays import ArrayRecord
from baler_zarr.values.elements import Field
from baler_zarr.values.opened import OpenArray

NOT_A_TIME = float(np.iinfo(np.int64).min)


def plain_attributes(record: ArrayRecord, dtype: np.dtype[Any]) -> dict[str, Any]:
    """Return the attributes of an array, numbers as arrays: those that tell of stored values in their type."""
    found = {name: _plain(value, dtype) for name, value in record.attributes.items()}
    fill = record.attributes.get("_FillValue")
    if isinstance(fill, str) and dtype.kind in "fc":
        # As xarray writes it into stores of version 3.
        try:
            found["_FillValue"] = np.array([struct.unpack("<d", base64.standard_b64decode(fill))[0]])
        except (ValueError, struct.error):
            found.pop("_FillValue")
    return found


def _plain(value: Any, dtype: np.dtype[Any]) -> Any:
    """A value of JSON as HDF5 would have it: JSON does not tell which type numbers are of."""
    items = value if isinstance(value, list) else [value]
    if not items or not all(type(one) in (int, float) for one in items):
        return value
    if all(type(one) is int for one in items):
        if dtype.kind in "iu" and all(np.iinfo(dtype).min <= one <= np.iinfo(dtype).max for one in items):
            return np.array(items, dtype)
        if all(-(1 << 63) <= one < 1 << 63 for one in items):
            return np.array(items, np.int64)
    return np.array(items, dtype if dtype.kind == "f" else np.float64)


def variables_of(
    arrays: Sequence[OpenArray], fields: Mapping[str, list[Field]], dims: Mapping[str, tuple[str, ...]]
) -> tuple[dict[str, list[Field]], list[Variable]]:
    """Return fields with the dtypes that readers see, and the variables."""
    said = {one.record.path: plain_attributes(one.record, _number(one.dtype)) for one in arrays}
    roles = cf_roles(_described(arrays, fields, dims, said))
    turned: dict[str, list[Field]] = {}
    variables: list[Variable] = []
    for one in arrays:
        path = one.record.path
        attributes, group = said[path], path.rpartition("/")[0]
        axes = {dim: axis_role(dim, _coordinate(dim, group, said)) for dim in dims[path]}
        for field in fields[path]:
            made, shown = _variable(one, field, dims[path], attributes, roles.get(field.name, ("", "")))
            turned.setdefault(path, []).append(replace(field, dtype=shown))
            variables.append(replace(made, axes={dim: role for dim, role in axes.items() if role}))
    return turned, variables


def _number(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return dtype if dtype.kind in "iuf" else np.dtype("V1")


def _coordinate(dim: str, group: str, said: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """The attributes of the array that is called like a dimension, in the same group or above."""
    name = dim.rpartition("/")[2].rstrip("_")
    while True:
        path = f"{group}/{name}" if group else name
        if path in said or not group:
            return said.get(path, {})
        group = group.rpartition("/")[0]


def _variable(
    one: OpenArray, field: Field, dims: tuple[str, ...], attributes: Mapping[str, Any], role: tuple[Role, str]
) -> tuple[Variable, str]:
    """A variable, and the dtype that readers show."""
    dtype: np.dtype[Any] = np.dtype(object) if field.stored in ("str", "bytes") else np.dtype(field.stored)
    if dtype.kind in "mM":
        unit = np.datetime_data(dtype)[0]
        reason = f"of type {dtype}"
        return Variable(field.name, "<i8", dims, unit, fill=(NOT_A_TIME,), role="time", reason=reason), "<i8"
    special = CfSpecial(field.dtype)
    if not field.member and dtype.kind in "iuf":
        special = _with_fill(special_values(attributes, field.dtype, netcdf=False, filled=True), one)
    units, label = described(attributes) if not field.member else ("", "")
    made = Variable(
        field.name, special.dtype, dims, units, label,
        fill=special.fill, scale=special.scale, offset=special.offset, limits=special.limits, flags=special.flags,
        stated_limits=special.stated_limits, role=role[0], reason=role[1],
        standard_name=standard_name(attributes) if not field.member else "",
    )  # fmt: skip
    return made, special.dtype


def _with_fill(special: CfSpecial, one: OpenArray) -> CfSpecial:
    """With what stands in unwritten chunks: missing to xarray in version 2, and kept exactly in any case."""
    stated = one.zarr.fill_value
    if stated is None:
        return special
    held = np.asarray(stated).astype(one.dtype.newbyteorder("=")).view(np.dtype(special.dtype)).item()
    value = exact_number(held)
    if not math.isfinite(value):
        return special
    if one.record.form == 2:
        return replace(special, fill=tuple(dict.fromkeys((value, *special.fill))))
    if value in special.fill:
        return special
    return replace(special, flags=tuple(dict.fromkeys((*special.flags, value))))


def _described(
    arrays: Sequence[OpenArray],
    fields: Mapping[str, list[Field]],
    dims: Mapping[str, tuple[str, ...]],
    said: Mapping[str, Mapping[str, Any]],
) -> dict[str, CfDescribed]:
    """The evidence for roles; members of records have no attributes of their own."""
    found = {}
    for one in arrays:
        path = one.record.path
        last = path.rpartition("/")[2]
        for field in fields[path]:
            whole = not field.member
            names = [name.rpartition("/")[2] for name in dims[path]]
            found[field.name] = CfDescribed(
                path or "data", field.dtype, dims[path], said[path] if whole else {}, whole and names == [last]
            )
    return found
