"""Compares the fields of an RNTuple with those that its writer would make of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from baler_root.branches import Branch
from baler_root.flatten import put_together
from baler_root.forms import leaves
from baler_root.trees import Tree

# Name, C++ type, role, and what is below.
Signature: TypeAlias = tuple[str, str, int, tuple[Any, ...]]


def ntuple_form(branches: Sequence[Branch]) -> Any:
    """The awkward form of the record that an RNTuple of these fields holds."""
    import awkward as ak

    empty = {leaf.name: no_rows(leaf.form) for b in branches for leaf in leaves(b.form, b.key)}
    places = {place for b in branches for leaf in leaves(b.form, b.key) for place in leaf.lists}
    counts = dict.fromkeys(places, np.zeros(0, np.int64))
    contents = [put_together(branch.form, branch.key, empty, counts) for branch in branches]
    return ak.contents.RecordArray(contents, [branch.key for branch in branches]).form


def no_rows(form: Any) -> np.ndarray:
    """An empty array of what a leaf holds."""
    return np.zeros((0, *getattr(form, "shape", ())), getattr(form, "dtype", object))


def restructured(tree: Tree, branches: Sequence[Branch]) -> list[str]:
    """Fields at the top that come back with other C++ types or another structure: `name (type, as type)`."""
    from uproot.writing._cascadentuple import NTuple_Header

    header = NTuple_Header(None, tree.name, tree.title, ntuple_form(branches))
    made = {signature[0]: signature for signature in _signatures(header._field_records)}
    found = []
    for name, kind, role, below in _signatures(tree.tree.field_records):
        if name in made and made[name] != (name, kind, role, below):
            found.append(f"{name} ({kind or 'a class'}, as {made[name][1] or 'a record'})")
        elif name not in made and name.startswith("_collection"):
            found.append(f"{name} (a collection, as its fields)")
    return found


def _signatures(records: Sequence[Any]) -> list[Signature]:
    """Of all fields at the top; a field there is its own parent."""
    below: dict[int, list[int]] = {}
    for n, record in enumerate(records):
        below.setdefault(int(record.parent_field_id), []).append(n)

    def signature(n: int) -> Signature:
        record = records[n]
        inner = tuple(signature(child) for child in below.get(n, ()) if child > n)
        return record.field_name, record.type_name, int(record.struct_role), inner

    return [signature(n) for n, record in enumerate(records) if int(record.parent_field_id) == n]
