"""Keep what restores a store besides its values: documents, files carried as they are, and which chunks are missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from baler_zarr.contents.store import DOCUMENTS, safe_key
from baler_zarr.values.elements import Field
from baler_zarr.values.opened import OpenArray

FILES, MISSING = "files", "missing"


@dataclass
class StoreSkeleton:
    """The record of a store.

    Attributes
    ----------
    documents
        Text by key.
    fields
        Of each array whose values are variables, by path.
    carried
        Keys of files that are kept byte for byte, and their lengths.
    gaps
        Paths of arrays that lack chunks.
    """

    documents: dict[str, str]
    fields: dict[str, list[Field]]
    carried: list[tuple[str, int]] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "documents": self.documents,
            "arrays": {path: [one.to_json() for one in fields] for path, fields in self.fields.items()},
            "carried": [list(one) for one in self.carried],
            "gaps": self.gaps,
        }


def checked_documents(stated: Any) -> dict[str, str]:
    """Return the documents of a record.

    Raises
    ------
    ValueError
        If one has no place in a store.
    """
    found = {}
    for key, text in dict(stated).items():
        if safe_key(key).rpartition("/")[2] not in DOCUMENTS or not isinstance(text, str):
            raise ValueError(f"{key!r:.80} is no document of a store")
        found[key] = text
    return found


def carried_files(stated: Sequence[Any], content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield key and bytes of each file that is carried.

    Raises
    ------
    ValueError
        If they do not fit.
    """
    start = 0
    for key, length in stated:
        size = int(length)
        if size < 0 or start + size > len(content):
            raise ValueError("the files that are carried do not fit")
        yield safe_key(key), content[start : start + size]
        start += size
    if start != len(content):
        raise ValueError("the files that are carried do not fit")


def gaps_of(array: OpenArray, present: Mapping[str, int]) -> np.ndarray:
    """Return for each chunk, in the order of the grid, whether it is missing."""
    return np.array([key not in present for _, key in array.keys()], bool)  # noqa: SIM118


def missing_places(arrays: Sequence[OpenArray], gaps: Sequence[str], content: bytes) -> dict[str, set[tuple[int, ...]]]:
    """Return the places of missing chunks of each array.

    Raises
    ------
    ValueError
        If the record does not fit.
    """
    found: dict[str, set[tuple[int, ...]]] = {}
    start = 0
    by_path = {one.record.path: one for one in arrays}
    for path in gaps:
        array = by_path[path]
        number = int(np.prod(array.grid, dtype=np.int64))
        size = -(-number // 8)
        bits = np.frombuffer(content[start : start + size], np.uint8)
        if bits.size != size:
            raise ValueError("the record of missing chunks does not fit")
        absent = np.unpackbits(bits, count=number).astype(bool)
        found[path] = {place for (place, _), gone in zip(array.keys(), absent, strict=True) if gone}
        start += size
    if start != len(content):
        raise ValueError("the record of missing chunks does not fit")
    return found
