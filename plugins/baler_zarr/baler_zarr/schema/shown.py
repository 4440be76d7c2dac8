"""Show a store as zarr and xarray do, from its documents: groups, names of dimensions, attributes, encodings."""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from baler_core import Schema, Shown, ShownGroup, ShownVariable
from baler_zarr.contents.arrays import ArrayRecord, arrays_of, parsed
from baler_zarr.contents.codecs import objection
from baler_zarr.schema.skeleton import checked_documents
from baler_zarr.values.elements import as_recorded
from baler_zarr.values.opened import OpenArray, open_array

# What xarray keeps for itself, and NCZarr in attributes that begin so.
_DIMENSIONS, _NCZARR = "_ARRAY_DIMENSIONS", "_nc"


def shown_zarr(schema: Schema) -> Shown:
    """Return the groups and arrays of a store; dimensions without a name have that of the schema."""
    documents = checked_documents(schema.skeleton["documents"])
    stated = schema.skeleton["arrays"]
    store = _opened(documents)
    variables = []
    for record in arrays_of(documents):
        if record.path not in stated:
            continue
        if said := objection(dict(record.meta)):
            raise ValueError(f"the array {record.name!r} is refused: {said}")
        variables.append(_variable(open_array(store, record), stated[record.path], schema))
    groups = {"": ShownGroup(), **{path: ShownGroup() for v in variables for path in _above(v.group)}}
    for key, text in documents.items():
        path, _, name = key.rpartition("/")
        if name == ".zgroup" or (name == "zarr.json" and parsed(text).get("node_type") == "group"):
            beside = f"{path}/.zattrs" if path else ".zattrs"
            notes = parsed(documents.get(beside, "{}")) if name == ".zgroup" else parsed(text).get("attributes", {})
            groups[path] = ShownGroup({key: value for key, value in notes.items() if not _is_hidden(key)})
    return Shown({path: groups[path] for path in sorted(groups)}, variables)


def _opened(documents: Mapping[str, str]) -> Any:
    """Return a store of documents alone."""
    from zarr.core.buffer import cpu
    from zarr.storage import MemoryStore

    return MemoryStore({key: cpu.Buffer.from_bytes(text.encode()) for key, text in documents.items()})


def _above(group: str) -> list[str]:
    steps = group.split("/")
    return ["/".join(steps[:depth]) for depth in range(len(steps) + 1)]


def _is_hidden(attribute: str) -> bool:
    return attribute.lower().startswith(_NCZARR)


def _variable(array: OpenArray, stated: object, schema: Schema) -> ShownVariable:
    record = array.record
    fields = as_recorded(record.name, array.dtype, array.texts, stated)
    group, _, name = record.name.rpartition("/")
    named = zip(record.dimension_names(), schema[fields[0].name].dims, strict=True)
    dims = tuple(own or dim.rpartition("/")[2] for own, dim in named)
    dtype = np.dtype(object) if fields[0].stored in ("str", "bytes") else array.dtype
    is_bytes = dtype.kind == "V" and not fields[0].member  # of which the parts stay in their order
    dtype = array.dtype if array.dtype.kind == "T" or is_bytes else dtype.newbyteorder("=")
    return ShownVariable(
        name,
        group,
        {(field.member,) if field.member else (): field.name for field in fields},
        dims,
        array.shape,
        dtype,
        _attributes(record, array.zarr.fill_value, array.dtype),
        _encoding(array, dims),
    )


def _attributes(record: ArrayRecord, fill: Any, dtype: np.dtype[Any]) -> dict[str, Any]:
    """Return attributes as xarray reads them: in version 2, what stands in unwritten chunks is missing."""
    if record.form == 2:
        found = {key: value for key, value in record.attributes.items() if key != _DIMENSIONS and not _is_hidden(key)}
        of_records = dtype.kind == "V"  # which xarray cannot compare
        return found if fill is None or of_records else {**found, "_FillValue": fill}
    found = dict(record.attributes)
    if isinstance(found.get("_FillValue"), str) and dtype.kind == "f":
        try:
            found["_FillValue"] = struct.unpack("<d", base64.standard_b64decode(found["_FillValue"]))[0]
        except (ValueError, struct.error):
            del found["_FillValue"]
    return found


def _encoding(array: OpenArray, dims: Sequence[str]) -> dict[str, Any]:
    zarr = array.zarr
    found = {"chunks": zarr.chunks, "preferred_chunks": dict(zip(dims, zarr.chunks, strict=True))}
    found |= {"dtype": array.dtype} if array.dtype.kind == "T" else {}
    found |= {"compressors": zarr.compressors, "filters": zarr.filters, "shards": zarr.shards}
    return found if array.record.form == 2 else {**found, "serializer": zarr.serializer, "fill_value": zarr.fill_value}
