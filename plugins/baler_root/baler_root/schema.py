"""Turns the branches of a tree into a schema: variables, dimensions, and the skeleton that rebuilds the tree."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from baler_core import Schema, Variable
from baler_root.branches import Branch
from baler_root.forms import Leaf, Number, from_json, leaves, to_json
from baler_root.jagged import Collection
from baler_root.trees import Tree

UNITS = re.compile(r"[\[(]\s*((?:[kMGT]?eV|[munc]?m|[munp]?s|m?rad|deg)(?:\^?2|/c\^?2?)?)\s*[\])]")

LEAF_LIST = re.compile(r"[\w.]+(\[\w+\])*/[A-Za-z](:[\w.]+(\[\w+\])*(/[A-Za-z])?)*")


def build_schema(tree: Tree, branches: Sequence[Branch], collections: Sequence[Collection], entry: str) -> Schema:
    """Variables in the order of the branches; a made-up counts variable stands before the lists it counts."""
    dim_of = {place: collection.dim for collection in collections for place in collection.places}
    by_dim = {collection.dim: collection for collection in collections}
    sizes = {entry: tree.entries} | {collection.dim: collection.rows for collection in collections}
    variables: dict[str, Variable] = {}
    for branch in branches:
        for leaf in leaves(branch.form, branch.key):
            for place in leaf.lists:
                collection = by_dim[dim_of[place]]
                if not collection.counter and collection.counts not in variables:
                    variables[collection.counts] = Variable(collection.counts, "<i4", (collection.parent,))
            variable = _variable(branch, leaf, dim_of[leaf.lists[-1]] if leaf.lists else entry)
            variables[variable.name] = variable
            sizes |= dict(zip(variable.dims[1:], getattr(leaf.form, "shape", ()), strict=True))
    return Schema(tuple(variables.values()), sizes, {c.dim: c.counts for c in collections}, _skeleton(tree, branches))


def _variable(branch: Branch, leaf: Leaf, dim: str) -> Variable:
    """The variable of one flat array; a fixed size of 3 is the dimension `[3]`, a second one `[3]'`."""
    units = UNITS.search(branch.title)
    label = "" if _says_nothing(branch.title, branch.key) else branch.title
    dtype, shape = (leaf.form.dtype, leaf.form.shape) if isinstance(leaf.form, Number) else ("str", ())
    dims = [dim]
    for size in shape:
        dims.append(f"[{size}]" + "'" * sum(other.startswith(f"[{size}]") for other in dims))
    return Variable(leaf.name, dtype, tuple(dims), units=units.group(1) if units else "", label=label)


def _says_nothing(title: str, key: str) -> bool:
    """Whether a title is a list of leaves (`x/F:y/F`), or repeats the branch's name (`fPt[Jets_]`)."""
    if LEAF_LIST.fullmatch(title):
        return True
    stem = title.partition("[")[0]
    return stem == key or key.partition("[")[0].endswith(("/" + stem, "." + stem))


def _skeleton(tree: Tree, branches: Sequence[Branch]) -> dict[str, Any]:
    """What is needed besides values to write the tree again."""
    code = tree.tree.file.compression
    return {
        "kind": tree.kind,
        "tree": tree.name,
        "title": tree.title,
        "compression": None if code is None else [code.name, code.level],
        "branches": [_branch_json(branch) for branch in branches],
    }


def _branch_json(branch: Branch) -> dict[str, Any]:
    stored = {"key": branch.key, "form": to_json(branch.form)}
    optional = {"title": branch.title, "type": branch.type, "counter": branch.counter}
    return stored | {name: value for name, value in optional.items() if value}


def branch_from_json(stored: Mapping[str, Any]) -> Branch:
    """A branch as the skeleton keeps it."""
    return Branch(
        stored["key"],
        stored.get("title", ""),
        stored.get("type", ""),
        from_json(stored["form"]),
        stored.get("counter", ""),
    )


def list_dimensions(schema: Schema, leaf: Leaf) -> list[str]:
    """The jagged dimensions of the lists around a leaf, outermost first."""
    dims: list[str] = []
    dim = schema[leaf.name].dims[0]
    while dim in schema.counts and dim not in dims:
        dims.insert(0, dim)
        dim = schema[schema.counts[dim]].dims[0]
    return dims
