"""List the branches of a tree: what each holds, and which cannot be kept and why."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from baler_root.contents.forms import Form, List, Number, Record, Unsupported, from_awkward, leaves
from baler_root.contents.trees import Tree


@dataclass(frozen=True)
class Branch:
    """One branch of a TTree, or one top-level field of an RNTuple.

    Attributes
    ----------
    key
        Its full name (`Jet_pt`, `V0s/V0s.fPt`).
    title
        A branch's title, a field's description.
    type
        Its C++ type, as uproot names it.
    form
        What it holds.
    counter
        Key of the branch that holds the lengths of its outermost lists, as for `Jet_pt[nJet]`; else empty.
    leaf
        Name of its one leaf, where that is not the branch's.
    packing
        Of numbers that are stored as integers: step, value of 0, and the largest integer.
    """

    key: str
    title: str
    type: str
    form: Form
    counter: str = ""
    leaf: str = ""
    packing: tuple[float, float, float] | None = None

    def lengths_key(self, place: str) -> str:
        """Return what the lengths of one of its lists are known by: the counter, or the list's own place."""
        return self.counter if self.counter and place == self.key + "[]" else place


@dataclass(frozen=True)
class LeftOut:
    """A branch that cannot be kept, and why."""

    key: str
    type: str
    reason: str


def list_branches(tree: Tree) -> tuple[list[Branch], list[LeftOut]]:
    """Return all branches that hold values, in order, and those that cannot be kept."""
    entries = _without_clashes(_ttree_branches(tree) if tree.kind == "TTree" else _ntuple_fields(tree))
    return [e for e in entries if isinstance(e, Branch)], [e for e in entries if isinstance(e, LeftOut)]


def _without_clashes(entries: Sequence[Branch | LeftOut]) -> list[Branch | LeftOut]:
    """The same, but what is called as a part of an earlier one (`p.q` beside `q` in `p`) is left out."""
    taken: set[str] = set()
    kept: list[Branch | LeftOut] = []
    for entry in entries:
        names = {leaf.name for leaf in leaves(entry.form, entry.key)} if isinstance(entry, Branch) else set()
        clash = isinstance(entry, Branch) and names & taken
        kept.append(LeftOut(entry.key, entry.type, "they are called as parts of others") if clash else entry)
        taken |= names
    return kept


def _ttree_branches(tree: Tree) -> list[Branch | LeftOut]:
    counters: dict[int, str] = {}
    twins: list[Branch | LeftOut] = []
    found: dict[str, Branch | LeftOut] = {}
    for key, branch in _walk(tree.tree.branches):
        counters.update((id(leaf), key) for leaf in branch.member("fLeaves"))
        if tree.handles.setdefault(key, branch) is not branch:
            twins.append(LeftOut(key, _type_name(branch), "another branch has the same name"))
        elif not branch.branches:
            found[key] = _described(key, branch)
    for key, entry in found.items():
        if isinstance(entry, Branch) and _has_counter(entry.form):
            leaf = tree.handles[key].count_leaf
            if leaf is not None and id(leaf) in counters:
                found[key] = replace(entry, counter=counters[id(leaf)])
    return [*found.values(), *twins]


def _walk(branches: Sequence[Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """All branches with their keys, each before those below it."""
    for branch in branches:
        key = prefix + branch.name
        yield key, branch
        yield from _walk(branch.branches, key + "/")


def _type_name(branch: Any) -> str:
    """The C++ type, as far as uproot can name it."""
    try:
        return str(branch.typename)
    except Exception:  # many kinds of error
        return "unknown"


def _described(key: str, branch: Any) -> Branch | LeftOut:
    """One branch of a TTree."""
    try:
        form = from_awkward(branch.interpretation.awkward_form(branch.file))
        if _has_record(form) and not _is_leaf_list(form, branch):
            raise Unsupported("C++ objects are not supported")
        return Branch(key, branch.title, branch.typename, form, leaf=_odd_leaf(key, form, branch))
    except Unsupported as reason:
        return LeftOut(key, _type_name(branch), str(reason))
    except Exception:  # whatever uproot cannot interpret: many kinds of error
        return LeftOut(key, _type_name(branch), "uproot cannot read it as an array")


def usual_leaf(key: str) -> str:
    """Return how the one leaf of a branch is usually called: like the branch, without the sizes of arrays."""
    return re.sub(r"(\[\d+\])+$", "", key.rpartition("/")[2])


def _odd_leaf(key: str, form: Form, branch: Any) -> str:
    """The name of a branch's one leaf, where it is not the usual one."""
    names = [leaf.member("fName") for leaf in branch.member("fLeaves")]
    if isinstance(form, Record) or len(names) != 1 or names[0] == usual_leaf(key):
        return ""
    return str(names[0])


def _is_leaf_list(form: Form, branch: Any) -> bool:
    """Whether a record stands for several plain leaves in one branch (`x/F:y/F`)."""
    flat = isinstance(form, Record) and all(isinstance(content, Number) for _, content in form.fields)
    return flat and len(branch.member("fLeaves")) > 1


def _has_record(form: Form) -> bool:
    return isinstance(form, Record) or (isinstance(form, List) and _has_record(form.content))


def _has_counter(form: Form) -> bool:
    """Whether it is one list of numbers: the only kind that ROOT counts in a separate leaf."""
    return isinstance(form, List) and isinstance(form.content, Number)


def _ntuple_fields(tree: Tree) -> list[Branch | LeftOut]:
    """Top-level fields, and of projections (views of other fields) those that stand for a hidden collection.

    ROOT's importer of TTrees puts `Jet_pt[nJet]` into a collection `_collection0` and shows `Jet_pt` and `nJet` as
    projections of it; these are the names that users know.
    """
    ntuple, form = tree.tree, tree.ntuple_form
    cardinalities = {f.record.source_field_id: f.name for f in ntuple.fields if _is_cardinality(f)}
    hidden = {f.field_id for f in ntuple.fields if f.name.startswith("_collection") and f.field_id in cardinalities}
    entries: list[Branch | LeftOut] = []
    for field in ntuple.fields:
        source = field.record.source_field_id
        if field.field_id in hidden:
            continue
        if source is not None and source not in hidden and not _is_cardinality(field):
            entries.append(LeftOut(field.name, field.typename, "they show values of other fields, which are kept"))
            continue
        counter = cardinalities.get(field.field_id if source is None else source, "")
        counter = "" if counter == field.name else counter
        try:
            content = from_awkward(form.content(field.name))
            entries.append(Branch(field.name, field.description, field.typename, content, counter))
        except Unsupported as reason:
            entries.append(LeftOut(field.name, field.typename, str(reason)))
    return entries


def _is_cardinality(field: Any) -> bool:
    """Whether a field holds the lengths of another field's lists."""
    return field.record.source_field_id is not None and "Cardinality" in field.typename


def left_out_warnings(left_out: Sequence[LeftOut], where: str) -> list[str]:
    """Return one sentence per reason, naming every branch that is left out."""
    by_reason: dict[str, list[str]] = {}
    for entry in left_out:
        by_reason.setdefault(entry.reason, []).append(f"{entry.key} ({entry.type})")
    return [
        f"{where}: {len(names)} branch{'es' * (len(names) > 1)} left out, {reason}: {', '.join(names)}"
        for reason, names in by_reason.items()
    ]
