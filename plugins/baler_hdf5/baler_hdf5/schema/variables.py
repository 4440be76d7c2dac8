"""Describe the variables of an HDF5 file from their attributes, scales and places in the file."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
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
    conventional_attributes,
    described,
    exact_number,
    fitting_axes,
    special_values,
    standard_name,
)
from baler_hdf5.contents.attributes import plain_values
from baler_hdf5.contents.creation import UNDEFINED
from baler_hdf5.contents.datatypes import Json
from baler_hdf5.contents.raw_datatypes import decode_bytes
from baler_hdf5.schema.datasets import StoredDataset
from baler_hdf5.schema.dimensions import DatasetDimensions

CONVENTIONAL = conventional_attributes()


def make_variables(
    datasets: Sequence[StoredDataset],
    dimensions: DatasetDimensions,
    records: Mapping[str, Json],
    *,
    netcdf: bool,
    is_monotonic: Callable[[str], bool],
) -> list[Variable]:
    """Return the variables of all datasets, in order.

    Parameters
    ----------
    records
        Of the datasets, by path.
    netcdf
        Whether readers know default fill values.
    is_monotonic
        Whether the values of a one-dimensional dataset rise or fall; asked of the few that may be axes of others.
    """
    said = {dataset.path: plain_values(records[dataset.path]["attributes"], CONVENTIONAL) for dataset in datasets}
    axes = {dim: axis_role(scale, said.get(scale, {})) for dim, scale in dimensions.scales.items()}
    roles = cf_roles(_described(datasets, dimensions, said, is_monotonic))
    variables = []
    for dataset in datasets:
        attributes = said[dataset.path]
        for name, field in dataset.fields.items():
            dims = dimensions.dims[name]
            special = CfSpecial(field.dtype)
            if field.cells == "plain" and not field.members:  # readers apply none of it to members of compounds
                filled = records[dataset.path]["fill"] not in (None, UNDEFINED)
                special = special_values(attributes, field.dtype, netcdf=netcdf, filled=filled)
                if not netcdf:
                    special = _with_fill(special, records[dataset.path])
            found = _variable(name, dims, special, attributes, roles.get(name, ("", "")))
            variables.append(replace(found, axes={dim: axes[dim] for dim in dims if axes.get(dim)}))
    return variables


def _with_fill(special: CfSpecial, record: Json) -> CfSpecial:
    """With the number that the writer chose for what is never written: readers show it, and people know what it says."""
    stated, kind = record["fill"], record["type"]
    if (
        not isinstance(stated, str)
        or stated == UNDEFINED
        or not isinstance(kind, str)
        or np.dtype(kind).kind not in "iuf"
    ):
        return special
    held = decode_bytes(stated, np.dtype(kind), ()).astype(np.dtype(kind).newbyteorder("=")).view(special.dtype).item()
    value = exact_number(held)
    if not value or not math.isfinite(value) or value in special.fill:
        return special
    return replace(special, flags=tuple(dict.fromkeys((*special.flags, value))))


def _variable(
    name: str, dims: tuple[str, ...], special: CfSpecial, attributes: Mapping[str, Json], role: tuple[Role, str]
) -> Variable:
    """Make a variable from its attributes, and its role with the reason."""
    units, label = described(attributes)
    return Variable(
        name,
        special.dtype,
        dims,
        units=units,
        label=label,
        fill=special.fill,
        scale=special.scale,
        offset=special.offset,
        limits=special.limits,
        flags=special.flags,
        stated_limits=special.stated_limits,
        role=role[0],
        reason=role[1],
        standard_name=standard_name(attributes),
    )


def _described(
    datasets: Sequence[StoredDataset],
    dimensions: DatasetDimensions,
    said: Mapping[str, Mapping[str, Any]],
    is_monotonic: Callable[[str], bool],
) -> dict[str, CfDescribed]:
    """Return the evidence for roles; members of compounds have no attributes of their own."""
    scales = set(dimensions.scales.values())
    shapes = {d.path: d.shape or () for d in datasets if d.path in d.fields and d.fields[d.path].cells == "plain"}
    fits = {} if scales else {p: other for p, other in fitting_axes(shapes).items() if is_monotonic(p)}
    found = {}
    for dataset in datasets:
        for name, field in dataset.fields.items():
            whole = not field.members
            found[name] = CfDescribed(
                dataset.path,
                field.dtype,
                dimensions.dims[name],
                said[dataset.path] if whole else {},
                whole and dataset.path in scales,
                fits.get(dataset.path, "") if whole else "",
            )
    return found


def rises_or_falls(values: np.ndarray) -> bool:
    """Return whether numbers are finite and strictly monotonic."""
    line = values.reshape(-1)
    if line.dtype.kind not in "iuf" or not np.isfinite(line).all():
        return False
    return bool((line[1:] > line[:-1]).all() or (line[1:] < line[:-1]).all())
