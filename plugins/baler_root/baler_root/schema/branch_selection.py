"""Select branches by name, with the counters and generated counts that their lists need."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from baler_core import DataError, matching_names, select_names
from baler_root.contents.branches import Branch, LeftOut
from baler_root.contents.forms import leaves, pruned
from baler_root.contents.trees import Tree
from baler_root.schema.jagged import Collection, find_collections, free_name


@dataclass(frozen=True)
class Selection:
    """What is read of a tree.

    Attributes
    ----------
    branches
        In file order, records without the parts that are not asked for.
    collections
        The jagged dimensions of their lists, parents first.
    left_out
        Branches that cannot be kept, of those that are asked for.
    entry
        Name of the event dimension.
    """

    branches: list[Branch]
    collections: list[Collection]
    left_out: list[LeftOut]
    entry: str


def select(
    tree: Tree, readable: Sequence[Branch], left_out: Sequence[LeftOut], patterns: Sequence[str] | None, where: str
) -> Selection:
    """Return the branches, and parts of records, whose variables match one of the patterns (all for None).

    The counts variable that is made up for lists without a counter may be asked for too, by the name it has among the
    chosen branches or in the whole tree; it comes with the lists.

    Raises
    ------
    DataError
        If a pattern without wildcards matches nothing, names a branch that cannot be kept, or a counts variable
        without any of the lists that it counts; or if nothing is left.
    """
    if patterns is not None:
        _refuse_left_out(left_out, patterns, where)
        asked = set(matching_names(patterns, [entry.key for entry in left_out]))
        left_out = [entry for entry in left_out if entry.key in asked]
    names = [leaf.name for branch in readable for leaf in leaves(branch.form, branch.key)]
    entry = free_name("entry", taken := set(names))

    def collections_of(branches: Sequence[Branch]) -> list[Collection]:
        return find_collections(tree, branches, entry=entry, taken=taken, where=where)

    known, asked_counts = _parted(names, patterns)
    branches = _chosen(readable, known, names, where) if known is None or known else []
    collections = collections_of(branches)
    if not asked_counts <= _made_up(collections):
        # a collection of which only part is chosen may be called otherwise than in the whole tree
        whole = collections_of(readable)
        select_names([*names, *sorted(_made_up(whole))], [*asked_counts], where)
        collections = _restricted(whole, branches)
        _refuse_lone_counts(asked_counts - _made_up(collections), whole, where)
        branches = _with_counters(branches, readable, {c.counts for c in collections if c.counter})
    if not branches:
        raise DataError(f"{where}: none of its branches can be kept")
    return Selection(branches, collections, list(left_out), entry)


def _refuse_left_out(left_out: Sequence[LeftOut], patterns: Sequence[str], where: str) -> None:
    for entry in left_out:
        if entry.key in patterns:
            raise DataError(f"{where}: the branch {entry.key!r} of type {entry.type} cannot be kept: {entry.reason}")


def _parted(names: Sequence[str], patterns: Sequence[str] | None) -> tuple[list[str] | None, set[str]]:
    """The patterns that branches may match, and names that no branch has: a made-up counts variable has to have them."""
    if patterns is None:
        return None, set()
    unknown = {pattern for pattern in patterns if not set("*?[") & set(pattern)} - set(names)
    return [pattern for pattern in patterns if pattern not in unknown], unknown


def _chosen(
    readable: Sequence[Branch], patterns: Sequence[str] | None, names: Sequence[str], where: str
) -> list[Branch]:
    if patterns is None:
        return list(readable)
    keep = set(select_names(names, patterns, where))
    forms = [(branch, pruned(branch.form, branch.key, keep)) for branch in readable]
    branches = [replace(branch, form=form) for branch, form in forms if form is not None]
    return _with_counters(branches, readable, {branch.counter for branch in branches})


def _with_counters(chosen: Sequence[Branch], readable: Sequence[Branch], counters: set[str]) -> list[Branch]:
    """The chosen branches and the counter branches they need, in file order."""
    by_key = {branch.key: branch for branch in chosen}
    return [by_key.get(b.key, b) for b in readable if b.key in by_key or b.key in counters]


def _made_up(collections: Iterable[Collection]) -> set[str]:
    return {collection.counts for collection in collections if not collection.counter}


def _restricted(collections: Sequence[Collection], branches: Sequence[Branch]) -> list[Collection]:
    """The collections with those of their lists that are in the branches; without those that keep none."""
    places = {place for branch in branches for leaf in leaves(branch.form, branch.key) for place in leaf.lists}
    kept = [replace(c, places=tuple(place for place in c.places if place in places)) for c in collections]
    return [collection for collection in kept if collection.places]


def _refuse_lone_counts(counts: set[str], collections: Sequence[Collection], where: str) -> None:
    for collection in collections:
        if collection.counts in counts and not collection.counter:
            lists = ", ".join(repr(place.replace("[]", "")) for place in collection.places[:3])
            raise DataError(
                f"{where}: {collection.counts!r} is not a branch of the file but the lengths of lists: "
                f"select one of the lists too ({lists}{' ...' if len(collection.places) > 3 else ''})"
            )
