"""Show a classic NetCDF file as netCDF4 and xarray do, from its header."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from baler_core import Schema, Shown, ShownGroup, ShownVariable
from baler_hdf5.classic.header import parse_header


def shown_classic(schema: Schema) -> Shown:
    """Return the variables of a file, whose one group is the root."""
    header = parse_header(schema.skeleton["header"].encode("latin-1"), "the record of the original file")
    variables = []
    for stored in header.variables:
        dims = tuple(_name(header.dimensions[number][0]) for number in stored.dims)
        shape = tuple(schema.sizes[dim] for dim in schema[stored.name].dims)
        dtype = stored.dtype.newbyteorder("=")
        encoding = {"dtype": stored.dtype if stored.dtype.kind == "S" else dtype, "original_shape": shape}
        attributes = _shown(stored.attributes)
        variables.append(
            ShownVariable(_name(stored.name), "", {(): stored.name}, dims, shape, dtype, attributes, encoding)
        )
    unlimited = frozenset(_name(name) for name, length in header.dimensions if length is None)
    return Shown({"": ShownGroup(_shown(header.attributes), unlimited)}, variables)


def _shown(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes as netCDF4 shows them: single numbers as such, in the byte order of this machine."""
    found = {}
    for name, value in attributes.items():
        if isinstance(value, np.ndarray):
            value = value.astype(value.dtype.newbyteorder("="))
            value = value[0] if value.size == 1 else value
        found[_name(name)] = value
    return found


def _name(name: str) -> str:
    """Return a name as C sees it."""
    return name.partition("\0")[0]
