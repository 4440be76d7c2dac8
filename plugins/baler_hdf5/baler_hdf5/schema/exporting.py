"""Describe an HDF5 file whose filters suit rounded values, and say in it how they were rounded."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

import baler_core
from baler_core import Exported, Rounded, Schema
from baler_hdf5.contents.datatypes import Json
from baler_hdf5.schema.skeleton import completed, shortened

DEFLATE, SHUFFLE, FLETCHER32 = 1, 2, 3
LEVEL = 6
# Smaller datasets stay as they are.
_SMALL = 1 << 14
# Filters that order bytes, or lose by others before them.
_REPLACED = frozenset({1, 2, 4, 5, 6, 307, 32000, 32001, 32004, 32008, 32018, 32026})
ZSTANDARD = 32015
CLASSIC = (
    "classic NetCDF compresses nothing: 'nccopy -d 5 -s' makes a compressed NetCDF-4 file of the exported one, whose values "
    "are rounded"
)
_INFO = "quantization_info"


def exported_file(schema: Schema, lossy: Collection[str]) -> Exported:
    """Return the schema of a file whose lossy datasets are in chunks, shuffled and deflated."""
    if schema.skeleton.get("format") != "hdf5":
        return Exported(schema, "no compression", (CLASSIC,))
    entries = [_compressed(completed(record), lossy) for record in schema.skeleton["entries"]]
    skeleton = {**schema.skeleton, "entries": [shortened(record) for record in entries]}
    return Exported(replace(schema, skeleton=skeleton), f"byte shuffling and deflate (level {LEVEL})")


def _compressed(record: Json, lossy: Collection[str]) -> Json:
    if record["kind"] != "dataset" or not set(lossy) & set(record["variables"]) or not record["shape"]:
        return record
    if not isinstance(record["type"], str):  # fields of a compound, which shuffling would mix
        return record
    kept = [one for one in record["filters"] if one[0] not in _REPLACED]
    packed = [] if any(one[0] == ZSTANDARD for one in kept) else [[DEFLATE, 1, [LEVEL]]]
    before = [one for one in kept if one[0] != FLETCHER32]
    after = [one for one in kept if one[0] == FLETCHER32]
    changed = {**record, "filters": [[SHUFFLE, 1, [np.dtype(record["type"]).itemsize]], *before, *packed, *after]}
    if record["layout"] == "chunked":
        return changed
    if record["layout"] != "contiguous" or math.prod(record["shape"]) < _SMALL:
        return record
    return {**changed, "layout": "chunked", "chunks": _chunks(record["shape"])}


def _chunks(shape: Sequence[int]) -> list[int]:
    """Return chunks of whole rows, of about 2^18 values."""
    chunks, left = [], 1 << 18
    for length in reversed(shape):
        chunks.append(max(1, min(length, left)))
        left //= chunks[-1]
    return chunks[::-1]


def note_quantization(path: Path, schema: Schema, rounded: Mapping[str, Rounded]) -> None:
    """Write the attributes by which the CF conventions (1.12, section 8.4) tell that values were rounded."""
    import h5py

    if schema.skeleton.get("format") != "hdf5" or not rounded:
        return
    with h5py.File(path, "r+") as file:
        info = _free_name(file)
        for record in map(completed, schema.skeleton["entries"]):
            names = rounded.keys() & set(record["variables"]) if record["kind"] == "dataset" else set()
            if names and isinstance(record["type"], str):
                attributes = file[record["path"]].attrs
                attributes["quantization"] = np.bytes_(info)
                attributes["quantization_nsb"] = np.int32(max(1, *(rounded[name].bits for name in names)))
        container = file.create_dataset(info, data=b" ", dtype="S1").attrs
        container["algorithm"] = np.bytes_("bitround")
        words = "rounded to nearest; under absolute bounds, small values keep fewer bits"
        container["implementation"] = np.bytes_(f"baler-core version {baler_core.__version__} ({words})")


def _free_name(file: Mapping[str, object]) -> str:
    name = _INFO
    while name in file:
        name += "_"
    return name
