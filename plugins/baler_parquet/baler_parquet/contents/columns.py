"""Choose the columns of a file that become variables, and parts of nested ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from baler_core import DataError, select_names
from baler_parquet.contents.nodes import Naming, Node, Unkept, node_of, nodes_of, pruned, storage_of

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Chosen:
    """The columns that are kept.

    Attributes
    ----------
    schema
        Of the restored file.
    places
        Of each of its columns, the position in the file.
    nodes
        Their trees.
    warnings
        What is left out, one sentence each.
    unchosen
        Variables that were not asked for.
    """

    schema: pa.Schema
    places: list[int]
    nodes: list[Node]
    warnings: list[str]
    unchosen: list[str]


def trees_of(schema: pa.Schema, naming: Naming) -> list[Node]:
    """Return the trees of all columns of a schema.

    Raises
    ------
    Unkept
        If there is a type in it that cannot be kept.
    """
    return [node_of(one, place, naming) for place, one in enumerate(schema)]


def choose_columns(schema: pa.Schema, patterns: Sequence[str] | None, where: str) -> Chosen:
    """Return the columns, and parts of structs, whose variables match one of the patterns (all for None).

    Raises
    ------
    DataError
        If a pattern without wildcards matches nothing, or none of the columns can be kept.
    """
    import pyarrow as pa

    naming, trees, warnings, unchosen = Naming(), {}, [], []
    for place, one in enumerate(schema):
        try:
            trees[place] = node_of(one, place, naming)
        except Unkept as reason:
            warnings.append(f"{where}: the column {one.name!r} is left out of the restored file, since {reason}")
    if len(schema) and not trees:
        raise DataError(f"{where}: none of its columns can be kept: {warnings[0]}")
    if patterns is not None:
        names = [
            node.name for tree in trees.values() for node in nodes_of(tree) if node.kind in ("values", "dictionary")
        ]
        keep = select_names(names, patterns, where)
        unchosen = [name for name in names if name not in set(keep)]
        found = {place: pruned(tree, keep) for place, tree in trees.items()}
        trees, warnings = {place: tree for place, tree in found.items() if tree is not None}, []
    fields = [_typed(schema.field(place), tree) for place, tree in trees.items()]
    kept = pa.schema(fields, metadata=schema.metadata)
    nodes = [_aligned(new, old) for new, old in zip(trees_of(kept, Naming()), trees.values(), strict=True)]
    return Chosen(kept, list(trees), nodes, warnings, unchosen)


def _typed(one: pa.Field, tree: Node) -> pa.Field:
    """The field, with the type of what is left of it."""
    return one if storage_of(one.type) == tree.type else one.with_type(tree.type)


def _aligned(new: Node, old: Node) -> Node:
    """The tree of a column with the positions of what is taken in the file."""
    below = tuple(_aligned(a, b) for a, b in zip(new.children, old.children, strict=True))
    return replace(new, position=old.position, children=below)
