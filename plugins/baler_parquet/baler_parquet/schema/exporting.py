"""Describe a table whose compression and encodings suit rounded values."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from baler_core import Block, Exported, Schema, values_of
from baler_parquet.contents.storage import columns_of
from baler_parquet.schema.layout import SCHEMA
from baler_parquet.values.writing import paths_of

# What Parquet puts between the name of a list and those of its items.
_OF_LISTS = frozenset({"list", "element", "item", "bag", "array", "array_element"})
LEVEL = 9
# So many values of each column are tried.
_TRIED = 1 << 17


def exported_file(schema: Schema, lossy: Collection[str], sample: Block) -> Exported:
    """Return the schema of a file compressed with Zstandard, with the encoding that makes each lossy column smallest."""
    storage = schema.skeleton["storage"]
    if schema.skeleton["kind"] != "parquet":
        return Exported(_stored(schema, {**storage, "codec": "zstd"}), "Zstandard")
    import pyarrow as pa

    stated = pa.ipc.read_schema(pa.py_buffer(schema.attachments[SCHEMA]))
    encodings = {}
    for number, path in enumerate(paths_of(stated, storage)):
        name = _variable(path, lossy)
        if name is not None and name in sample:
            encodings[number] = _best_encoding(values_of(sample, name))
    facts = _with_encodings(storage["facts"], encodings)
    used = {"BYTE_STREAM_SPLIT": " and BYTE_STREAM_SPLIT", "dictionary": " and dictionaries"}
    text = f"Zstandard (level {LEVEL}){''.join(used.get(one, '') for one in dict.fromkeys(encodings.values()))}"
    return Exported(_stored(schema, {**storage, "facts": facts, "level": LEVEL}), text)


def _stored(schema: Schema, storage: Mapping[str, Any]) -> Schema:
    return replace(schema, skeleton={**schema.skeleton, "storage": dict(storage)})


def _variable(path: str, names: Collection[str]) -> str | None:
    """Return which of the variables a column holds."""
    short = ".".join(part for part in path.split(".") if part not in _OF_LISTS)
    return next((name for name in (path, short) if name in names), None)


def _best_encoding(values: np.ndarray) -> str:
    import pyarrow as pa
    import pyarrow.parquet as pq

    flat = values.reshape(-1)[:_TRIED]
    table = pa.table({"x": pa.array(flat.astype(flat.dtype.newbyteorder("=")))})
    ways: dict[str, dict[str, Any]] = {
        "dictionary": {"use_dictionary": True},
        "BYTE_STREAM_SPLIT": {"use_dictionary": False, "column_encoding": {"x": "BYTE_STREAM_SPLIT"}},
        "PLAIN": {"use_dictionary": False},
    }
    sizes = {}
    for name, way in ways.items():
        made = pa.BufferOutputStream()
        pq.write_table(table, made, compression="zstd", compression_level=LEVEL, **way)
        sizes[name] = made.tell()
    return min(sizes, key=lambda name: sizes[name])


def _with_encodings(facts: Mapping[str, Any], encodings: Mapping[int, str]) -> dict[str, Any]:
    """Return the facts of a file with these encodings of columns, and all compressed with Zstandard."""
    kinds: list[list[Any]] = []
    groups: list[list[int]] = []
    for number, stated in enumerate(facts["groups"]):
        row = []
        for place, (_, encoding, *rest) in enumerate(columns_of(dict(facts), number) if stated else []):
            kind = ["ZSTD", encodings.get(place, encoding), *rest]
            if kind not in kinds:
                kinds.append(kind)
            row.append(kinds.index(kind))
        groups.append(row)
    return {**facts, "kinds": kinds, "groups": groups}
