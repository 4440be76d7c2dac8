"""Show an HDF5 file as netCDF4 and xarray do, from its skeleton: groups, dimensions, attributes, encodings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from baler_core import CF_DEFAULT_FILL, Schema, Shown, ShownGroup, ShownVariable
from baler_hdf5.contents.attributes import shown_values
from baler_hdf5.contents.datatypes import Json
from baler_hdf5.contents.filters import shown_filters
from baler_hdf5.contents.raw_datatypes import raw_dtype
from baler_hdf5.schema.datasets import NETCDF_RENAMED, StoredDataset
from baler_hdf5.schema.dimensions import Marks, scales_of
from baler_hdf5.schema.skeleton import completed
from baler_hdf5.values.fields import Field, fields_of

# What netCDF keeps for itself.
HIDDEN = frozenset(
    {
        "CLASS",
        "NAME",
        "DIMENSION_LIST",
        "REFERENCE_LIST",
        "_Netcdf4Coordinates",
        "_Netcdf4Dimid",
        "_NCProperties",
        "_nc3_strict",
    }
)


def shown_hdf5(schema: Schema) -> Shown:
    """Return the groups and variables of a file; dimensions without a scale keep the names of the schema."""
    records = [completed(record) for record in schema.skeleton["entries"]]
    groups = {r["path"]: shown_values(r["attributes"], HIDDEN) for r in records if r["kind"] == "group"}
    datasets = [record for record in records if record["kind"] == "dataset" and record["shape"] is not None]
    scales = _scales(datasets)
    lengths, unlimited = _lengths(datasets, scales)
    variables = [
        _variable(record, scales[record["path"]], lengths, schema) for record in datasets if record["variables"]
    ]
    found = {path: ShownGroup(said, frozenset(unlimited.get(path, ()))) for path, said in groups.items()}
    return Shown({"": found.pop("", ShownGroup()), **found}, variables)


def _scales(datasets: Sequence[Json]) -> dict[str, list[str | None]]:
    """Return for every dataset the path of the scale along each of its dimensions."""
    marks = {record["path"]: _marks(record) for record in datasets}
    return scales_of([StoredDataset(r["path"], shape=tuple(r["shape"])) for r in datasets], marks)


def _marks(record: Json) -> Marks:
    """Return what `read_marks` found in the file, from the record."""
    said = shown_values(record["attributes"])
    named = {attribute["name"]: attribute for attribute in record["attributes"]}
    lists = named.get("DIMENSION_LIST", {}).get("value", [])
    if len(lists) != len(record["shape"]):
        lists = []
    is_scale = said.get("CLASS") == "DIMENSION_SCALE"
    number = np.atleast_1d(said.get("_Netcdf4Dimid", ())).tolist()
    return Marks(
        is_scale,
        int(number[0]) if number and is_scale else None,
        tuple(int(one) for one in np.atleast_1d(said.get("_Netcdf4Coordinates", ())).tolist()),
        tuple(paths[0] if length else None for length, paths in lists),
    )


def _lengths(
    datasets: Sequence[Json], scales: Mapping[str, Sequence[str | None]]
) -> tuple[dict[str, int], dict[str, set[str]]]:
    """Return lengths of dimensions by the path of their scale, and names of those that may grow, by group.

    A dimension that grows is as long as the longest variable along it.
    """
    by_path = {record["path"]: record for record in datasets}
    lengths: dict[str, int] = {}
    unlimited: dict[str, set[str]] = {}
    for record in datasets:
        for length, scale in zip(record["shape"], scales[record["path"]], strict=True):
            if scale is not None:
                lengths[scale] = max(lengths.get(scale, 0), length)
    for scale in lengths:
        record = by_path[scale]
        if record["maxshape"] and record["maxshape"][0] is None:
            group, _, name = scale.rpartition("/")
            unlimited.setdefault(group, set()).add(name)
        else:
            lengths[scale] = record["shape"][0]
    return lengths, unlimited


def _variable(record: Json, scales: Sequence[str | None], lengths: Mapping[str, int], schema: Schema) -> ShownVariable:
    group, _, name = record["path"].rpartition("/")
    fields = {field.members: field for field in fields_of(record["type"])}
    first = next(iter(record["variables"]))
    plain_dims = schema[first].dims
    own = [(scale.rpartition("/")[2] if scale else dim) for scale, dim in zip(scales, plain_dims, strict=False)]
    whole = fields.get(())
    inner = whole.shape if whole else ()
    shape = tuple(lengths[scale] if scale else length for scale, length in zip(scales, record["shape"], strict=True))
    parts = {tuple(members): variable for variable, members in record["variables"].items()}
    stored_name = first if () in parts else "/".join((group, name)).lstrip("/")
    shown = stored_name.rpartition("/")[2]
    dtype = _dtype(record["type"], whole)
    attributes = shown_values(record["attributes"], HIDDEN)
    return ShownVariable(
        shown if () in parts else shown.removeprefix(NETCDF_RENAMED),
        group,
        parts,
        (*own, *plain_dims[len(own) : len(own) + len(inner)]),
        (*shape, *inner),
        dtype,
        attributes,
        _encoding(record, dtype, whole, (*shape, *inner)),
        attributes.get("_FillValue", CF_DEFAULT_FILL.get(dtype.str[1:])),
        whole.base if whole and whole.cells == "run" else "",
    )


def _dtype(record: Json, whole: Field | None) -> np.dtype[Any]:
    """Return the dtype that readers see of elements of a type."""
    raw = raw_dtype(record)
    if raw is None or (whole and whole.cells != "plain"):
        return np.dtype(object)
    # Compounds, too, in the machine's order, as netCDF shows them: xarray cannot turn theirs.
    return np.dtype("i1") if raw.base.kind == "b" else raw.base.newbyteorder("=")


def _encoding(record: Json, dtype: np.dtype[Any], whole: Field | None, shape: tuple[int, ...]) -> dict[str, Any]:
    chunks = record.get("chunks")
    encoding: dict[str, Any] = {"dtype": str if whole and whole.cells == "text" else _with_enumeration(record, dtype)}
    encoding |= shown_filters(record["filters"])
    encoding |= {"contiguous": chunks is None, "chunksizes": None if chunks is None else tuple(chunks)}
    return {**encoding, "original_shape": shape}


def _with_enumeration(record: Json, dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype, with the names of its values where it enumerates some."""
    kind = record["type"]
    name = ""
    while isinstance(kind, dict) and "named" in kind:
        name, kind = kind["named"].rpartition("/")[2], kind["is"]
    if not isinstance(kind, dict) or "enum" not in kind:
        raw = raw_dtype(record["type"])
        return raw.base if raw is not None and raw.base.kind in "iufc" else dtype
    values = {key: int(value) for key, value in kind["members"]}
    return np.dtype(dtype.str, metadata={"enum": values, "enum_name": name})
