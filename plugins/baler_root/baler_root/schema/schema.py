"""Turn the branches of a tree into a schema: variables and dimensions."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace

from baler_core import Schema, Variable
from baler_root.contents.branches import Branch
from baler_root.contents.forms import Leaf, Number, leaves
from baler_root.contents.roles import role_of
from baler_root.contents.trees import Tree
from baler_root.schema.jagged import Collection
from baler_root.schema.skeleton import make_skeleton

UNITS = re.compile(r"[\[(]\s*((?:[kMGT]?eV|[munc]?m|[munp]?s|m?rad|deg)(?:\^?2|/c\^?2?)?)\s*[\])]")

LEAF_LIST = re.compile(r"[\w.]+(\[\w+\])*/[A-Za-z](:[\w.]+(\[\w+\])*(/[A-Za-z])?)*")


def build_schema(
    tree: Tree, branches: Sequence[Branch], collections: Sequence[Collection], entry: str, class_name: str
) -> Schema:
    """Return variables in the order of the branches; a made-up counts variable stands before the lists it counts."""
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
    schema = Schema(tuple(variables.values()), sizes, {c.dim: c.counts for c in collections})
    made_up = [collection.counts for collection in collections if not collection.counter]
    return replace(schema, skeleton=make_skeleton(tree, branches, schema, made_up, class_name))


def _variable(branch: Branch, leaf: Leaf, dim: str) -> Variable:
    """The variable of one flat array; a fixed size of 3 is the dimension `[3]`, a second one `[3]'`."""
    units = UNITS.search(branch.title)
    label = "" if _says_nothing(branch.title, branch.key) else branch.title
    dtype, shape = (leaf.form.dtype, leaf.form.shape) if isinstance(leaf.form, Number) else ("str", ())
    dims = [dim]
    for size in shape:
        dims.append(f"[{size}]" + "'" * sum(other.startswith(f"[{size}]") for other in dims))
    step, low, largest = branch.packing or (1.0, 0.0, math.inf)
    return Variable(
        leaf.name,
        dtype,
        tuple(dims),
        units=units.group(1) if units else "",
        label=label,
        scale=step,
        offset=low,
        limits=(0.0, largest) if branch.packing else (-math.inf, math.inf),
        **role_of(leaf.name, branch.title, dtype),
    )


def _says_nothing(title: str, key: str) -> bool:
    """Whether a title is a list of leaves (`x/F:y/F`), or repeats the branch's name (`fPt[Jets_]`)."""
    if LEAF_LIST.fullmatch(title) or (title[-2:-1] == "/" and title[:-2] == key):
        return True
    stem = title.partition("[")[0]
    return stem == key or key.partition("[")[0].endswith(("/" + stem, "." + stem))
