"""The groups and arrays of a store, from its documents."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from baler_core import DataError
from baler_zarr.contents.store import DOCUMENTS, LONGEST_DOCUMENT, Store, safe_key


@dataclass(frozen=True)
class ArrayRecord:
    """One array as its documents state it.

    Attributes
    ----------
    path
        Of its folder in the store; empty for a store that is an array.
    form
        2 or 3.
    meta
        The document, as JSON.
    """

    path: str
    form: int
    meta: Mapping[str, Any]
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What users call it."""
        return self.path or "data"

    @property
    def prefix(self) -> str:
        """What the keys of its files begin with."""
        return f"{self.path}/" if self.path else ""

    def dimension_names(self) -> list[str | None]:
        """Return the names of its dimensions, as Zarr 3 or xarray states them; None for those without."""
        rank = len(self.meta["shape"])
        stated = self.meta.get("dimension_names") if self.form == 3 else self.attributes.get("_ARRAY_DIMENSIONS")
        if stated is None:
            stated = self.attributes.get("_ARRAY_DIMENSIONS")
        if not isinstance(stated, list) or len(stated) != rank:
            return [None] * rank
        names = [one if isinstance(one, str) and one else None for one in stated]
        return [name if names.count(name) == 1 else None for name in names]


def documents_of(store: Store) -> dict[str, str]:
    """Return the text of all documents of a store, by key.

    Raises
    ------
    DataError
        If one is damaged.
    """
    found = {}
    for key, size in sorted(store.sizes.items()):
        if key.rpartition("/")[2] not in DOCUMENTS:
            continue
        try:
            safe_key(key)
            if size > LONGEST_DOCUMENT:
                raise ValueError(f"has {size:,} bytes")
            text = store.read(key).decode()
            parsed(text)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{store.path}: {key!r:.200} is no JSON text of a Zarr store: {error}") from error
        found[key] = text
    return found


def parsed(text: str) -> dict[str, Any]:
    """Return a document as JSON.

    Raises
    ------
    ValueError, RecursionError
        If it is none.
    """
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("not an object")
    return found


def arrays_of(documents: Mapping[str, str]) -> list[ArrayRecord]:
    """Return the arrays that documents state, in the order of their paths; as version 3 where both versions state one.

    Raises
    ------
    ValueError, KeyError, TypeError
        If a document does not state what it should.
    """
    found = []
    for key, text in documents.items():
        path, _, name = key.rpartition("/")
        beside_newer = name == ".zarray" and f"{path}/zarr.json".removeprefix("/") in documents
        if name not in ("zarr.json", ".zarray") or beside_newer:
            continue
        meta = parsed(text)
        if name == "zarr.json" and meta.get("node_type") != "array":
            continue
        shape = meta["shape"]
        if (
            not isinstance(shape, list)
            or not all(type(n) is int and 0 <= n < 1 << 62 for n in shape)
            or len(shape) > 64
        ):
            raise ValueError(f"the array {path!r} is of the shape {shape!r:.100}")
        beside = f"{path}/.zattrs" if path else ".zattrs"
        attributes = meta.get("attributes", {}) if name == "zarr.json" else parsed(documents.get(beside, "{}"))
        if not isinstance(attributes, dict):
            raise ValueError(f"the attributes of the array {path!r} are no object")
        found.append(ArrayRecord(path, 3 if name == "zarr.json" else 2, meta, attributes))
    return sorted(found, key=lambda one: one.path)


def without(documents: Mapping[str, str], dropped: set[str]) -> dict[str, str]:
    """Return the documents without some arrays, which consolidated metadata do not list any more."""
    found = {}
    for key, text in documents.items():
        path, _, name = key.rpartition("/")
        if path in dropped:
            continue
        if name == ".zmetadata" or (name == "zarr.json" and '"consolidated_metadata"' in text):
            text = json.dumps(_pruned(parsed(text), path, dropped), indent=2)
        found[key] = text
    return found


def _pruned(document: dict[str, Any], path: str, dropped: set[str]) -> dict[str, Any]:
    """A document whose consolidated metadata, relative to `path`, lack some arrays."""
    start = f"{path}/" if path else ""
    inner = document.get("consolidated_metadata", document)
    listed = inner.get("metadata") if isinstance(inner, dict) else None
    if isinstance(listed, dict):
        for key in list(listed):
            stem = key.rpartition("/")[0] if key.rpartition("/")[2] in DOCUMENTS else key
            if start + stem in dropped:
                del listed[key]
            elif isinstance(listed[key], dict) and "consolidated_metadata" in listed[key]:
                _pruned(listed[key], start + key, dropped)
    return document
