"""Compare a TTree with what the writer of plain trees would make of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import Any

from baler_root.contents.branches import Branch, LeftOut
from baler_root.contents.trees import Tree
from baler_root.values.plans import TreePlan
from baler_root.values.ttree import BranchPlan, LeafPlan

# Members of a TTree that the writer of plain trees leaves empty, and what they are to a user.
EXTRAS = {
    "fAliases": "aliases",
    "fUserInfo": "information added by users",
    "fFriends": "friends",
    "fTreeIndex": "an index",
    "fBranchRef": "references between objects",
}


def odd_structure(tree: Tree, branches: Sequence[Branch], left_out: Sequence[LeftOut]) -> str:
    """Return what of a TTree would be lost or come back otherwise if it were written anew; empty if nothing."""
    odd = [name for member, name in EXTRAS.items() if _holds(tree.tree.member(member, none_if_missing=True))]
    if tree.tree.member("fWeight", none_if_missing=True) not in (1.0, None):
        odd.append("a weight")
    if left_out:
        odd.append("branches that are not arrays of numbers or text")
    if _lacks_offsets(tree, branches):
        odd.append("lists without offsets")
    different = [*_differences(tree, branches)] if not left_out else []
    if different:
        odd.append(f"the structure of {', '.join(different[:5])}{' ...' if len(different) > 5 else ''}")
    return f"it has {' and '.join(odd)}" if odd else ""


def _lacks_offsets(tree: Tree, branches: Sequence[Branch]) -> bool:
    """Whether lists must be found by their counts alone: so in all of a tree's branches, if in the first."""
    for branch in branches:
        handle = tree.handles[branch.key]
        if branch.counter and handle._num_normal_baskets:
            try:
                return handle.basket(0).byte_offsets is None
            except Exception:  # uproot and the codecs raise many kinds: told where values are read
                return False
    return False


def _holds(member: Any) -> bool:
    if member is None:
        return False
    try:
        return len(list(member)) > 0
    except TypeError:
        return True


def _differences(tree: Tree, branches: Sequence[Branch]) -> Iterator[str]:
    """Names of the branches at the top that would come back otherwise."""
    try:
        plans = TreePlan(branches).top
    except (KeyError, AssertionError, IndexError):
        yield "its branches"
        return
    for branch, plan in zip_longest(tree.tree.branches, plans):
        if branch is None or plan is None or not _same(branch, plan, tree.entries):
            yield repr(branch.name if branch is not None else plan.name)


def _same(branch: Any, plan: BranchPlan, entries: int) -> bool:
    class_name = str(branch.member("fClassName")) if branch.has_member("fClassName") else ""
    written_by_it = class_name if branch.has_member("fClassName") else ""
    if branch.branches or plan.branches or branch.num_entries != entries:
        return False
    if (branch.name, branch.title, written_by_it) != (plan.name, plan.title, plan.class_name):
        return False
    if branch.has_member("fClassName") != bool(plan.class_name):
        return False
    found = branch.member("fLeaves")
    return len(found) == len(plan.leaves) and all(map(_same_leaf, found, plan.leaves))


def _same_leaf(leaf: Any, plan: LeafPlan) -> bool:
    from baler_root.values.ttree import LEAF_CLASSES

    class_name = LEAF_CLASSES.get(plan.code, ("TLeafElement", ""))[0]
    if leaf.classname != class_name or leaf.member("fName") != plan.name:
        return False
    if class_name == "TLeafElement":
        return True
    counter = leaf.member("fLeafCount")
    if (None if counter is None else counter.member("fName")) != (plan.counter.name if plan.counter else None):
        return False
    same_sign = bool(leaf.member("fIsUnsigned")) == plan.code.startswith("u")
    return same_sign and leaf.member("fTitle") == plan.title
