"""How a dataset is stored (chunks, filters, fill value) as a JSON record and back, for restoring it the same way."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from baler_hdf5.datatypes import Json
from baler_hdf5.raw_datatypes import decode_bytes, encode_bytes, raw_dtype

if TYPE_CHECKING:
    from h5py import h5d, h5p, h5t

# Filters that come with every HDF5 library and lose nothing, by their registered numbers.
LOSSLESS_FILTERS = {1: "deflate", 2: "shuffle", 3: "fletcher32", 4: "szip", 5: "nbit", 32000: "lzf"}
# A chunk cache of this size at most, so that a row of chunks is unpacked and packed once.
LARGEST_CACHE = 64 * 2**20


def describe_creation(dataset: h5d.DatasetID, record_type: Json, warn: Callable[[str], None]) -> dict[str, Json]:
    """The record of a dataset's creation properties and of the largest shape it may grow to."""
    from h5py import h5d, h5s

    properties = dataset.get_create_plist()
    record: dict[str, Json] = {
        "order": properties.get_attr_creation_order(),
        "fill": _describe_fill(properties, record_type),
        "fill_time": properties.get_fill_time(),
        "layout": {h5d.COMPACT: "compact", h5d.CHUNKED: "chunked"}.get(properties.get_layout(), "contiguous"),
    }
    space = dataset.get_space()
    if space.get_simple_extent_type() == h5s.SIMPLE:
        record["maxshape"] = [None if n == h5s.UNLIMITED else n for n in space.get_simple_extent_dims(True)]
    if record["layout"] == "chunked":
        record["chunks"] = list(properties.get_chunk())
        record["filters"] = _describe_filters(properties, warn)
    return record


def _describe_fill(properties: h5p.PropDCID, record_type: Json) -> str | None:
    """The bytes of a fill value set by whoever wrote the file."""
    from h5py import h5d

    raw = raw_dtype(record_type)
    if properties.fill_value_defined() != h5d.FILL_VALUE_USER_DEFINED or raw is None:
        return None
    if raw.base.kind == "V" and raw.base.names is None:
        return None
    value = np.empty((), raw.base)
    properties.get_fill_value(value)
    return encode_bytes(value)


def _describe_filters(properties: h5p.PropDCID, warn: Callable[[str], None]) -> list[Json]:
    """Number, flags and parameters of the filters that will be set again."""
    filters = []
    for index in range(properties.get_nfilters()):
        number, flags, parameters, name = properties.get_filter(index)
        if number in LOSSLESS_FILTERS:
            filters.append([number, flags, list(parameters)])
        else:
            warn(f"filter {name.decode('utf-8', 'replace') or number} is left off in the restored file")
    return filters


def missing_filter(dataset: h5d.DatasetID) -> str:
    """The name of a filter that is needed to read the dataset and not installed; empty if none is."""
    from h5py import h5z

    properties = dataset.get_create_plist()
    for index in range(properties.get_nfilters()):
        number, _, _, name = properties.get_filter(index)
        if not h5z.filter_avail(number):
            return f"{name.decode('utf-8', 'replace')} (number {number})"
    return ""


def build_creation(record: Json, tid: h5t.TypeID) -> h5p.PropDCID:
    """The creation property list of a record; a filter this HDF5 library cannot write is left off."""
    from h5py import h5d, h5p

    properties = h5p.create(h5p.DATASET_CREATE)
    properties.set_attr_creation_order(record["order"])
    layouts = {"compact": h5d.COMPACT, "chunked": h5d.CHUNKED, "contiguous": h5d.CONTIGUOUS}
    properties.set_layout(layouts[record["layout"]])
    if record["layout"] == "chunked":
        properties.set_chunk(tuple(record["chunks"]))
        _set_filters(properties, record["filters"])
    raw = raw_dtype(record["type"])
    if record["fill"] is not None and raw is not None:
        properties.set_fill_value(decode_bytes(record["fill"], raw.base, ()))
    properties.set_fill_time(record["fill_time"])
    return properties


def _set_filters(properties: h5p.PropDCID, filters: list[Json]) -> None:
    from h5py import h5z

    for number, flags, parameters in filters:
        if number not in LOSSLESS_FILTERS or not h5z.filter_avail(number):
            continue
        if number == h5z.FILTER_SZIP and not h5z.get_filter_info(number) & h5z.FILTER_CONFIG_ENCODE_ENABLED:
            continue
        _set_filter(properties, number, flags, parameters)


def _set_filter(properties: h5p.PropDCID, number: int, flags: int, parameters: list[int]) -> None:
    """One filter; what HDF5 adds to the parameters by itself (sizes, versions) is left to it."""
    from h5py import h5z

    if number == h5z.FILTER_DEFLATE:
        properties.set_deflate(parameters[0])
    elif number == h5z.FILTER_SZIP:
        properties.set_szip(parameters[0] & (4 | 32), parameters[1])
    elif number in (h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32):
        properties.set_filter(number, flags, ())
    else:
        properties.set_filter(number, flags, tuple(parameters))


def access_properties(shape: Sequence[int] | None, chunks: Sequence[int] | None, itemsize: int) -> h5p.PropDAID:
    """An access property list whose chunk cache holds one row of chunks along the leading dimension."""
    from h5py import h5p

    access = h5p.create(h5p.DATASET_ACCESS)
    if chunks and shape:
        chunk_bytes = math.prod(chunks) * itemsize
        across = math.prod(-(-n // c) for n, c in zip(shape[1:], chunks[1:], strict=True))
        nbytes = max(min(chunk_bytes * max(1, across), LARGEST_CACHE), chunk_bytes, 2**20)
        # the table of slots is cleared whenever a dataset is opened: no more of them than its chunks can use
        present = max(1, across) * -(-shape[0] // chunks[0])
        access.set_chunk_cache(100 * min(nbytes // chunk_bytes, present, 10_000) + 1, nbytes, 1.0)
    return access
