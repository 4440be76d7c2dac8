"""Find which lists have the same lengths in every row, and so share a jagged dimension; name these dimensions."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from baler_parquet.contents.nodes import Naming, Node

SEPARATOR = re.compile(r"[_./]")


@dataclass
class Tally:
    """Total, largest and fingerprint of all lengths of one list, or of all values of a column that may count them."""

    total: int = 0
    largest: int = 0
    digest: Any = field(default_factory=lambda: hashlib.blake2b(digest_size=16))

    def add(self, counts: np.ndarray) -> None:
        """Take in the next ones."""
        if counts.size:
            self.total += int(counts.sum(dtype=object) if counts.dtype.kind == "u" else counts.sum())
            self.largest = max(self.largest, int(counts.max()))
        self.digest.update(np.ascontiguousarray(counts).astype("<i8").tobytes())

    @property
    def mark(self) -> str:
        """The fingerprint."""
        found: str = self.digest.hexdigest()
        return found


@dataclass(frozen=True)
class Collection:
    """A jagged dimension.

    Attributes
    ----------
    dim, parent
        Its name, and the dimension along which its lists lie.
    counts
        Name of the variable of their lengths, and its dtype where it is made up.
    column
        Whether that is a column of the file; otherwise it is made up.
    rows
        Of all lists together.
    """

    dim: str
    parent: str
    counts: str
    dtype: str
    column: bool
    rows: int


@dataclass
class _Members:
    parent: tuple[str, ...]
    tally: Tally
    nodes: list[Node] = field(default_factory=list)


def may_count(name: str, lists: Sequence[str]) -> bool:
    """Return whether a column of whole numbers is named as if it counted lists (`nJet` those of `Jet_pt`)."""
    short = name[1:].lstrip("_").lower() if name[:1] in "nN" else ""
    return bool(short) and any(one.lower().startswith(short) for one in lists)


def find_collections(
    columns: Sequence[Node], tallies: Mapping[str, Tally], counters: Mapping[str, Tally], row: str, naming: Naming
) -> dict[str, Collection]:
    """Return the jagged dimension of each list, by the place of its node.

    Parameters
    ----------
    tallies
        Of the lengths of lists, by place.
    counters
        Of columns that may count lists, by the names of their variables.
    row
        The dimension along which columns lie.
    """
    groups: dict[tuple[str, ...], _Members] = {}
    identity: dict[str, tuple[str, ...]] = {}

    def walk(node: Node, parent: tuple[str, ...]) -> None:
        if node.kind == "list":
            tally = tallies[node.place]
            mark = tally.mark if tally.total else "empty " + SEPARATOR.split(node.name)[0]
            identity[node.place] = (*parent, mark)
            groups.setdefault((*parent, mark), _Members(parent, tally)).nodes.append(node)
            parent = (*parent, mark)
        for child in node.children:
            walk(child, parent)

    for column in columns:
        walk(column, ())
    made: dict[tuple[str, ...], Collection] = {}
    for key, group in groups.items():
        parent = made[group.parent].dim if group.parent else row
        made[key] = _named(group, parent, counters if not group.parent else {}, naming)
    return {place: made[key] for place, key in identity.items()}


def _named(group: _Members, parent: str, counters: Mapping[str, Tally], naming: Naming) -> Collection:
    names = [node.name for node in group.nodes]
    name = _common_start(names) if len(set(names)) > 1 else names[0]
    name = name or names[0]
    fitting = [
        counter for counter, tally in counters.items() if tally.mark == group.tally.mark and may_count(counter, names)
    ]
    counter = next((one for one in fitting if one[1:].lstrip("_") == name), fitting[0] if fitting else "")
    dim = naming.unique(name if name not in naming.taken else name + "[]")
    counts = counter or naming.unique("n" + name)
    dtype = "<i4" if group.tally.largest < 1 << 31 else "<i8"
    return Collection(dim, parent, counts, dtype, bool(counter), group.tally.total)


def _common_start(names: Sequence[str]) -> str:
    """What the names begin with, up to a separator."""
    first, last = min(names), max(names)
    alike = [a == b for a, b in zip(first, last, strict=False)]
    common = first[: [*alike, False].index(False)]
    whole = common if common in names else common[: max(map(common.rfind, "_./")) + 1]
    return whole.rstrip("_./")
