"""Describe an HDF5 file that holds a part of another: fewer datasets, or fewer rows of them."""

from __future__ import annotations

from dataclasses import replace

from baler_core import Cut, DataError, Schema
from baler_hdf5.contents.cells import shown_text
from baler_hdf5.contents.datatypes import Json
from baler_hdf5.schema.skeleton import completed, shortened
from baler_hdf5.values.fields import fields_of, restrict_type

# What an attribute of netCDF says of other datasets; where these are left out, nothing refers to them.
_LISTS = ("REFERENCE_LIST",)


def cut_file(schema: Schema, whole: Schema) -> Cut:
    """Return the part's schema, whose skeleton holds its datasets, all groups and types, and links between these.

    Raises
    ------
    DataError
        If the file is a classic NetCDF file.
    """
    if schema.skeleton.get("format") != "hdf5":
        raise DataError(
            "classic NetCDF files are restored whole: open_file, or open and to_netcdf, gives a part of one"
        )
    entries = [completed(record) for record in schema.skeleton["entries"]]
    kept = [cut for record in entries if (cut := _cut(record, schema)) is not None]
    paths = {record["path"] for record in kept}
    gone = {record["path"] for record in entries} - paths
    kept = [
        record
        for record in kept
        if record["kind"] not in ("hard", "soft") or shown_text(record["target"]).strip("/") not in gone
    ]
    skeleton = {**schema.skeleton, "entries": [shortened(_without_references(record)) for record in kept]}
    return Cut(replace(schema, skeleton=skeleton))


def _cut(record: Json, schema: Schema) -> Json | None:
    """Return the record of a dataset with the variables and rows of the part; None if nothing of it is left."""
    if record["kind"] != "dataset" or not record["variables"]:
        return record
    members = {name: path for name, path in record["variables"].items() if name in schema.names}
    if not members:
        return None
    changed = {**record, "variables": members}
    if len(members) < len(record["variables"]):
        by_members = {field.members for field in fields_of(record["type"])}
        changed["type"] = restrict_type(
            record["type"], [tuple(path) for path in members.values() if tuple(path) in by_members]
        )
    variable = schema[next(iter(members))]
    if record["shape"]:
        rows = schema.sizes[variable.dims[0]]
        changed["shape"] = [rows, *record["shape"][1:]]
        fixed = record["maxshape"][0] == record["shape"][0]
        changed["maxshape"] = [rows if fixed else record["maxshape"][0], *record["maxshape"][1:]]
        if record.get("chunks") and fixed:
            changed["chunks"] = [max(1, min(rows, record["chunks"][0])), *record["chunks"][1:]]
    return changed


def _without_references(record: Json) -> Json:
    """Return a record without the lists of datasets that refer to it, which other libraries make anew."""
    kept = [attribute for attribute in record.get("attributes", ()) if attribute.get("name") not in _LISTS]
    return {**record, "attributes": kept} if "attributes" in record else record
