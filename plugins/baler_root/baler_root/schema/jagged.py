"""Find which lists of a tree have the same lengths in every event, and so share a jagged dimension."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from baler_core import DataError
from baler_root.contents.branches import Branch
from baler_root.contents.forms import Number, leaves
from baler_root.contents.trees import Tree
from baler_root.values.flatten import take_apart
from baler_root.values.reading import event_ranges, read_layouts

if TYPE_CHECKING:
    from awkward.contents import Content

# Lists are counted in pieces of the tree of about this size, so that a file may exceed memory.
PIECE_BYTES = 64 * 2**20
SEPARATOR = re.compile(r"[_./]")


@dataclass(frozen=True)
class Collection:
    """A jagged dimension.

    Attributes
    ----------
    dim, parent
        Its name, and the dimension its lists are counted along.
    counts
        Name of the variable that holds their lengths.
    counter
        Whether that variable is a branch of the file; otherwise it is made up from the lists.
    rows
        Number of rows in the whole file.
    places
        The lists that belong to it, as `forms.Leaf.lists` calls them.
    """

    dim: str
    parent: str
    counts: str
    counter: bool
    rows: int
    places: tuple[str, ...]


@dataclass
class _Tally:
    """Total and fingerprint of all lengths of one list."""

    total: int = 0
    digest: Any = field(default_factory=lambda: hashlib.blake2b(digest_size=16))

    def add(self, counts: np.ndarray) -> None:
        self.total += int(counts.sum())
        self.digest.update(np.ascontiguousarray(counts, "<i8").tobytes())


@dataclass
class _Group:
    """Lists found to belong together, before they are named."""

    parent: tuple[str, ...]
    rows: int
    counter: str = ""
    places: list[str] = field(default_factory=list)


def find_collections(
    tree: Tree, branches: Sequence[Branch], *, entry: str, taken: Iterable[str], where: str
) -> list[Collection]:
    """Return all jagged dimensions of the branches, parents first.

    Lists belong together when their lengths agree in every event of the file: all lengths are read, from counter
    branches where there are any, and compared by fingerprint. Lists that are empty throughout, which tells nothing,
    belong together when their names begin alike.

    Parameters
    ----------
    entry
        Name of the event dimension.
    taken
        Names that a made-up dimension or variable must not have.
    """
    by_key = {branch.key: branch for branch in branches}
    counters = {b.counter for b in branches if b.counter in by_key and _is_counter(by_key[b.counter])}
    listing = _representatives(branches, counters)
    tallies = _count(tree, listing, [by_key[key] for key in by_key if key in counters], where)
    return _named(_group(branches, counters, tallies, entry), set(taken) | {entry}, entry)


def _is_counter(branch: Branch) -> bool:
    return isinstance(branch.form, Number) and not branch.form.shape and np.dtype(branch.form.dtype).kind in "iu"


def _representatives(branches: Sequence[Branch], counters: set[str]) -> list[Branch]:
    """The branches whose lists must be read to know their lengths: of those that share a counter only the first."""
    chosen: list[Branch] = []
    known = set(counters)
    for branch in branches:
        places = {place for leaf in leaves(branch.form, branch.key) for place in leaf.lists}
        needed = {branch.lengths_key(place) for place in places} - known
        if needed:
            chosen.append(branch)
            known |= needed
    return chosen


def _count(tree: Tree, listing: Sequence[Branch], counters: Sequence[Branch], where: str) -> dict[str, _Tally]:
    """Tallies by counter for the lists that have one, else by place."""
    tallies: dict[str, _Tally] = {}
    by_counter = {branch.key for branch in counters}
    if not listing and not counters:
        return tallies
    for rows in [*event_ranges(tree, PIECE_BYTES)] or [slice(0, 0)]:
        layouts = read_layouts(tree, [*counters, *listing], rows, where)
        for branch in counters:
            tallies.setdefault(branch.key, _Tally()).add(_counter_values(layouts[branch.key], branch, where))
        for branch in listing:
            for place, counts in take_apart(layouts[branch.key], branch.form, branch.key)[1].items():
                if branch.lengths_key(place) not in by_counter:
                    tallies.setdefault(branch.lengths_key(place), _Tally()).add(counts)
    return tallies


def _counter_values(layout: Content, branch: Branch, where: str) -> np.ndarray:
    values = take_apart(layout, branch.form, branch.key)[0][branch.key]
    if values.size and values.min() < 0:
        raise DataError(f"{where}: the counter branch {branch.key!r} holds negative lengths: the file is damaged")
    return values


def _group(
    branches: Sequence[Branch], counters: set[str], tallies: Mapping[str, _Tally], entry: str
) -> dict[tuple[str, ...], _Group]:
    """Lists by the parent dimension and the fingerprint of their lengths; parents first."""
    groups: dict[tuple[str, ...], _Group] = {}
    for branch in branches:
        for leaf in leaves(branch.form, branch.key):
            parent: tuple[str, ...] = (entry,)
            for place in leaf.lists:
                tally = tallies[branch.lengths_key(place)]
                mark = tally.digest.hexdigest() if tally.total else "empty " + SEPARATOR.split(place)[0]
                group = groups.setdefault((*parent, mark), _Group(parent, tally.total))
                if branch.lengths_key(place) in counters:
                    group.counter = group.counter or branch.counter
                if place not in group.places:
                    group.places.append(place)
                parent = (*parent, mark)
    return groups


def _named(groups: Mapping[tuple[str, ...], _Group], taken: set[str], entry: str) -> list[Collection]:
    """Give every group of lists a dimension name and a counts variable."""
    dims: dict[tuple[str, ...], str] = {(entry,): entry}
    collections = []
    for identity, group in groups.items():
        dim = free_name(_collection_name(group, taken), taken)
        counts = group.counter or _counts_name(dim, taken)
        dims[identity] = dim
        collections.append(
            Collection(dim, dims[group.parent], counts, bool(group.counter), group.rows, tuple(group.places))
        )
    return collections


def _counts_name(dim: str, taken: set[str]) -> str:
    """`nx` for the lists of `x[]`, unless that is taken already."""
    short = "n" + dim.removesuffix("[]")
    return free_name("n" + dim if short in taken else short, taken)


def _collection_name(group: _Group, taken: set[str]) -> str:
    """`Jet` for lists counted by `nJet`, or for the lists `Jet_pt` and `Jet_eta`; `x[]` for the list `x` alone."""
    depth = group.places[0].count("[]")
    names = [place.split("[]")[0] for place in group.places]
    name = _common_start(names) if len(names) > 1 else names[0]
    if group.counter[:1] in ("n", "N") and (len(name) < 2 or len(names) == 1):
        name = group.counter[1:]
    name = (name or names[0]) + "[]" * (depth - 1)
    return name + "[]" if name in taken else name


def _common_start(names: Sequence[str]) -> str:
    """What the names begin with, up to a separator, without the folders they share."""
    first, last = min(names), max(names)
    alike = [a == b for a, b in zip(first, last, strict=False)]
    common = first[: [*alike, False].index(False)]
    whole = common if common in names else common[: max(map(common.rfind, "_./")) + 1] or common
    return whole.rstrip("_./").rpartition("/")[2]


def free_name(wanted: str, taken: set[str]) -> str:
    """`wanted`, or with underscores appended until nobody has it; remembered as taken."""
    while wanted in taken:
        wanted += "_"
    taken.add(wanted)
    return wanted
