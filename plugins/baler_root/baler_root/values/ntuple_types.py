"""Compare the fields of an RNTuple with those that its writer would make of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

from baler_root.contents.branches import Branch
from baler_root.contents.forms import leaves
from baler_root.contents.trees import Tree
from baler_root.values.flatten import put_together

# Name, C++ type, role, and what is below.
Signature: TypeAlias = tuple[str, str, int, tuple[Any, ...]]

# What a field without a type is, by its role.
ROLES = {1: "a collection", 2: "a record", 3: "a variant"}


def ntuple_form(branches: Sequence[Branch]) -> Any:
    """Return the awkward form of the record that an RNTuple of these fields holds."""
    import awkward as ak

    empty = {leaf.name: no_rows(leaf.form) for b in branches for leaf in leaves(b.form, b.key)}
    places = {place for b in branches for leaf in leaves(b.form, b.key) for place in leaf.lists}
    counts = dict.fromkeys(places, np.zeros(0, np.int64))
    contents = [put_together(branch.form, branch.key, empty, counts) for branch in branches]
    return ak.contents.RecordArray(contents, [branch.key for branch in branches]).form


def no_rows(form: Any) -> np.ndarray:
    """Return an empty array of what a leaf holds."""
    return np.zeros((0, *getattr(form, "shape", ())), getattr(form, "dtype", object))


def restructured(tree: Tree, branches: Sequence[Branch]) -> list[str]:
    """Fields, and fields within fields, that come back with other C++ types or elsewhere: `name (type, as type)`."""
    from uproot.writing._cascadentuple import NTuple_Header

    header = NTuple_Header(None, tree.name, tree.title, ntuple_form(branches))
    made = {signature[0]: signature for signature in _signatures(header._field_records)}
    found: list[str] = []
    for field in _signatures(tree.tree.field_records):
        if field[0] in made:
            found += _differences(field, made[field[0]], field[0])
        elif field[0].startswith("_collection"):
            found.append(f"{field[0]} (a collection, as its fields)")
    return found


def _differences(field: Signature, made: Signature, path: str) -> Iterator[str]:
    """What differs of a field, then of those within it."""
    if field[1:3] != made[1:3]:
        yield f"{path} ({_described(field)}, as {_described(made)})"
    inner = {signature[0]: signature for signature in made[3]}
    for below in field[3]:
        if below[0] in inner:
            yield from _differences(below, inner.pop(below[0]), f"{path}.{below[0]}")
        else:
            yield f"{path}.{below[0]} ({_described(below)}, not as a field of its own)"
    for name, below in inner.items():
        yield f"{path}.{name} (new, {_described(below)})"


def _described(field: Signature) -> str:
    return field[1] or ROLES.get(field[2], "a field")


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
