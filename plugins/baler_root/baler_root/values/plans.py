"""Plan the branches and leaves of a TTree to be written, and encode a block's values for each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from baler_root.contents.branches import Branch, usual_leaf
from baler_root.contents.forms import Form, List, Number, Record, Text
from baler_root.values.entries import (
    COLLECTION_VERSION,
    Entries,
    collection_entries,
    counted_entries,
    number_entries,
    text_entries,
)
from baler_root.values.ttree import BranchPlan, LeafPlan

CPP_TYPES = {
    "b1": "bool",
    "i1": "char",
    "u1": "unsigned char",
    "i2": "short",
    "u2": "unsigned short",
    "i4": "int",
    "u4": "unsigned int",
    "i8": "Long64_t",
    "u8": "ULong64_t",
    "f4": "float",
    "f8": "double",
}


class TreePlan:
    """The branches of a TTree: the given ones, the branches they stand below, and counters that only ROOT needs."""

    def __init__(self, branches: Sequence[Branch]) -> None:
        self.top: list[BranchPlan] = []
        self._branches = branches
        self._plans: dict[str, BranchPlan] = {}
        self._extra: dict[str, str] = {}
        self._spread = _spread_folders(branches)
        by_key = {branch.key: branch for branch in branches}
        for branch in branches:
            plan = self._plan_of(branch.key)
            plan.title = branch.title
            plan.class_name, plan.leaves = _class_name(branch), _leaves(branch)
        for branch in branches:
            if branch.counter:
                if branch.counter not in by_key:
                    self._extra.setdefault(branch.counter, branch.key + "[]")
                self._plans[branch.key].leaves[0].counter = self._counter_leaf(branch.counter)

    def _plan_of(self, key: str) -> BranchPlan:
        """Return the plan of a branch, made at first use, below the parent branch of its key."""
        if key not in self._plans:
            parent, _, name = key.rpartition("/")
            if key.partition("/")[0] in self._spread:
                parent, name = "", key
            plan = self._plans[key] = BranchPlan(key, name, name)
            (self._plan_of(parent).branches if parent else self.top).append(plan)
        return self._plans[key]

    def _counter_leaf(self, key: str) -> LeafPlan:
        """The leaf that counts lists: of a branch, or one added to the branch that the lists stand below."""
        plan = self._plan_of(key)
        if not plan.leaves:
            plan.leaves.append(LeafPlan(key.rpartition("/")[2] + "_", "i4"))
        plan.leaves[0].is_counter = True
        return plan.leaves[0]

    def encode(self, values: Mapping[str, np.ndarray], counts: Mapping[str, np.ndarray]) -> dict[str, Entries]:
        """Return entries of every branch that has leaves, by key."""
        columns = {branch.key: encode_branch(branch, values, counts) for branch in self._branches}
        for branch in self._branches:
            if self._plans[branch.key].leaves[0].is_counter:
                self._note_maximum(branch.key, values[branch.key])
        for key, place in self._extra.items():
            columns[key] = number_entries(counts[place].astype("<i4"))
            self._note_maximum(key, counts[place])
        return columns

    def _note_maximum(self, key: str, counts: np.ndarray) -> None:
        """ROOT sizes its buffers by the largest count."""
        leaf = self._plans[key].leaves[0]
        leaf.maximum = max(leaf.maximum, int(counts.max(initial=0)))


def _spread_folders(branches: Sequence[Branch]) -> set[str]:
    """The top branches under which C++ collections stand.

    ROOT and uproot know the type of a collection from its parent's class, which is not written: such branches are
    written side by side, under their full keys, instead of below each other.
    """
    return {branch.key.partition("/")[0] for branch in branches if "/" in branch.key and _class_name(branch)}


def _class_name(branch: Branch) -> str:
    """The C++ class of a collection or std::string; empty for plain leaves."""
    form = branch.form
    is_plain_text = isinstance(form, Text) and "string" not in branch.type
    if isinstance(form, Number | Record) or branch.counter or is_plain_text:
        return ""
    return cpp_type(form)


def _leaves(branch: Branch) -> list[LeafPlan]:
    """The leaves of a branch, not yet counted."""
    full = branch.key.rpartition("/")[2]
    name = branch.leaf or usual_leaf(branch.key)
    form = branch.form
    if _class_name(branch):
        return [LeafPlan(name, "")]
    if isinstance(form, Record):
        return [LeafPlan(field, *_code(content)) for field, content in form.fields]
    if isinstance(form, Text):
        return [LeafPlan(name, "str")]
    leaf = LeafPlan(name, *_code(form.content if isinstance(form, List) else form))
    # ROOT would take sizes that stand in both a counted branch's name and its leaf's title twice
    leaf.sizes_in_title = usual_leaf(full) == full or not branch.counter
    return [leaf]


def _code(form: Form) -> tuple[str, tuple[int, ...]]:
    assert isinstance(form, Number)
    return np.dtype(form.dtype).str[1:], form.shape


def cpp_type(form: Form) -> str:
    """Return the C++ type of collections of numbers and strings, as ROOT writes it: `vector<vector<int> >`."""
    if isinstance(form, List):
        inner = cpp_type(form.content)
        return f"vector<{inner} >" if inner.endswith(">") else f"vector<{inner}>"
    return CPP_TYPES[np.dtype(form.dtype).str[1:]] if isinstance(form, Number) else "string"


def encode_branch(
    branch: Branch,
    values: Mapping[str, np.ndarray],
    counts: Mapping[str, np.ndarray],
    version: int = COLLECTION_VERSION,
) -> Entries:
    """Return the entries of one branch in ROOT's bytes, from its values and the lengths of its lists."""
    form, key = branch.form, branch.key
    if isinstance(form, Record):
        return number_entries(*(values[f"{key}.{field}"] for field, _ in form.fields))
    if isinstance(form, Number):
        return number_entries(values[key])
    if isinstance(form, Text):
        return text_entries(values[key])
    if branch.counter:
        return counted_entries(values[key], counts[key + "[]"])
    return collection_entries(form, key, values, counts, version)
