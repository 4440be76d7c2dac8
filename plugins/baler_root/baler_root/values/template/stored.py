"""The template of a tree as a .bal file holds it, checked before anything is written by it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from baler_root.values.template.basket_bytes import header_bytes, unpacked_bytes
from baler_root.values.template.reading import COUNTS, KEPT, NONE, SHARED, VALUES, VALUES_AND_OFFSETS
from baler_root.values.template.tree_bytes import Tables, tables_from_bytes


@dataclass
class StoredBranch:
    """One branch of a tree to be written.

    Attributes
    ----------
    kind
        What becomes of its baskets: a letter, as `template.reading` has them.
    name
        Key of the branch or place of the list that its values come from.
    stops
        The entry behind each of its baskets in the file, then behind each embedded one.
    embedded
        Place and bytes, in the tree's bytes, of the values of each embedded basket.
    """

    kind: str
    tables: Tables
    name: str = ""
    header: bytes = b""
    kept: list[tuple[bytes, bytes]] = field(default_factory=list)
    stops: list[int] = field(default_factory=list)
    embedded: list[tuple[int, int]] = field(default_factory=list)


@dataclass
class StoredTemplate:
    """The bytes of a tree, its branches, and the version that ROOT's collections carry."""

    content: bytearray
    branches: list[StoredBranch]
    version: int


def read_template(stored: Mapping[str, Any], parts: Mapping[str, bytes]) -> StoredTemplate:
    """Return the template that `reading.make_template` made, from its JSON and its attachments.

    Raises
    ------
    KeyError, TypeError, ValueError
        If they are damaged.
    """
    content, kinds = bytearray(parts["tree"]), str(stored["kinds"])
    tables = tables_from_bytes(parts.get("tables", b""))
    keys, counts = iter(map(str, stored["keys"])), iter(map(str, stored.get("counts", ())))
    headers, baskets = _Cut(parts.get("headers", b"")), _Cut(parts.get("baskets", b""))
    branches = []
    for kind, table in zip(kinds, tables, strict=True):
        _check_tables(table, len(content))
        branch = StoredBranch(kind, table)
        if kind in (VALUES, VALUES_AND_OFFSETS, COUNTS):
            branch.name = next(counts if kind == COUNTS else keys, "")
            branch.header = headers.header() if table.baskets else b""
            branch.stops = _stops(content, table)
        elif kind == KEPT:
            branch.kept = [baskets.basket() for _ in range(table.baskets)]
        elif kind not in (SHARED, NONE):
            raise ValueError("a branch of no known kind")
        branches.append(branch)
    for row in stored.get("embedded", ()):
        _embed(branches, [int(value) for value in row], len(content))
    return StoredTemplate(content, branches, int(stored["version"]) & 0xFF)


class _Cut:
    """Cuts bytes into headers and baskets."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def header(self) -> bytes:
        return self._next(header_bytes(self._data, self._at))

    def basket(self) -> tuple[bytes, bytes]:
        header = self.header()
        return header, self._next(unpacked_bytes(header))

    def _next(self, size: int) -> bytes:
        part = self._data[self._at : self._at + size]
        if size < 0 or len(part) != size:
            raise ValueError("baskets are cut short")
        self._at += size
        return part


def _check_tables(table: Tables, size: int) -> None:
    if table.baskets == 0:
        return
    ends = (table.sizes + 4 * table.baskets, table.seeks + table.width * table.baskets)
    if table.width not in (4, 8) or not 0 <= table.sizes < ends[0] <= table.seeks < ends[1] <= size:
        raise ValueError("the tables of baskets do not fit")


def _stops(content: bytearray, table: Tables) -> list[int]:
    """The entry behind each basket, from the table of first entries between the two others."""
    if table.baskets == 0:
        return []
    capacity = {width: (table.seeks - table.sizes) // (4 + width) for width in (8, 4)}
    width = next((w for w, n in capacity.items() if table.seeks - table.sizes - n * (4 + w) in (0, 2)), 0)
    if not width or capacity[width] < table.baskets:
        raise ValueError("the table of first entries does not fit")
    between = table.seeks - table.sizes - capacity[width] * (4 + width)
    first = table.sizes + 4 * capacity[width] + between // 2
    starts = np.frombuffer(content, f">i{width}", table.baskets, first).tolist()
    stops = [*starts[1:], table.stop]
    if starts[0] != 0 or any(a > b for a, b in zip([0, *stops], stops, strict=False)):
        raise ValueError("baskets are not in order")
    return stops


def _embed(branches: Sequence[StoredBranch], row: Sequence[int], size: int) -> None:
    n, start, stop, place, length = row
    branch = branches[n]
    last = branch.stops[-1] if branch.stops else 0
    if n < 0 or branch.kind not in (VALUES, VALUES_AND_OFFSETS) or start != last or stop < start:
        raise ValueError("an embedded basket does not fit")
    if not 0 <= place <= place + length <= size:
        raise ValueError("an embedded basket is nowhere")
    branch.stops.append(stop)
    branch.embedded.append((place, length))


def values_of_branches(branches: Sequence[StoredBranch]) -> Iterator[StoredBranch]:
    """Yield those whose baskets are made again from values."""
    for branch in branches:
        if branch.kind in (VALUES, VALUES_AND_OFFSETS, COUNTS):
            yield branch
