"""Which variables a table has, along which dimensions, from its columns and what a scan found."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from baler_core import Categories, Schema, Variable
from baler_parquet.contents.columns import trees_of
from baler_parquet.contents.nodes import Naming, Node, astropy_columns, node_of, nodes_of, text_of
from baler_parquet.contents.numbers import meaning_of
from baler_parquet.contents.roles import role_of
from baler_parquet.schema.collections import Collection, Tally, find_collections
from baler_parquet.values.take import LISTS, NULL, item_type

if TYPE_CHECKING:
    import pyarrow as pa

# The attachment that holds the schema of pyarrow.
SCHEMA = "schema"
# Rows that have no values in them cost nothing to claim.
MOST_EMPTY = 100_000_000
_MASK = re.compile(r"(?s).*/null[0-9]*_*")  # of values, neither of lists nor of structs
NULLS = {"list": "/null_list", "struct": "/null_struct"}
CODES = "codes of a dictionary"


@dataclass
class RowLayout:
    """The variables of one set of rows.

    Attributes
    ----------
    row
        The dimension along which the rows lie.
    names
        Of the variables, by place (`Taken.arrays`).
    masks
        By the name of a variable, those that tell where it or what it belongs to is null.
    """

    row: str
    nodes: Sequence[Node]
    names: dict[str, str] = field(default_factory=dict)
    variables: list[Variable] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)
    counts: dict[str, str] = field(default_factory=dict)
    # Places of lists whose lengths are a column.
    counted: dict[str, str] = field(default_factory=dict)
    masks: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Known:
    """What is known of columns beyond their types.

    Attributes
    ----------
    nulls
        Places of what is null somewhere.
    tallies, counters
        Of the lengths of lists, and of integer columns that may be such lengths.
    about
        What the file says of a column, by its name.
    """

    nulls: set[str]
    tallies: Mapping[str, Tally]
    counters: Mapping[str, Tally]
    about: Mapping[str, dict[str, Any]]


def lay_out(nodes: Sequence[Node], rows: int, row: str, naming: Naming, known: Known) -> RowLayout:
    """Return the variables of some columns."""
    naming.taken |= value_names(nodes)
    made = RowLayout(row, nodes)
    made.sizes[row] = rows
    collections = find_collections(nodes, known.tallies, known.counters, row, naming)
    entering = _Entering(made, collections, naming, known.nulls)
    for node in nodes:
        entering.enter(node, row, known.about.get(node.place, {}))
    return made


def value_names(nodes: Sequence[Node]) -> set[str]:
    """Return the names of the variables that hold values."""
    return {node.name for column in nodes for node in nodes_of(column) if node.kind in ("values", "dictionary")}


@dataclass(frozen=True)
class _Entering:
    """Enters columns, and what they consist of, into a layout."""

    made: RowLayout
    collections: Mapping[str, Collection]
    naming: Naming
    nulls: set[str]

    def enter(self, node: Node, dim: str, about: dict[str, Any], masks: tuple[str, ...] = ()) -> None:
        """Enter one that lies along `dim`; `masks` tell where what it belongs to is null."""
        made, dims = self.made, [dim]
        for level, length in enumerate(node.shape, 1):
            made.sizes[inner := f"axis{level}_{length}"] = length
            dims.append(inner)
        masks += self._masks(node, dims)
        if node.kind == "list":
            dim, masks = _count(made, node, self.collections[node.place]), ()
        elif node.kind in ("values", "dictionary"):
            made.names[node.place] = node.name
            made.variables.append(_variable(node, tuple(dims), about))
            if masks:
                made.masks[node.name] = masks
        for child in node.children:
            self.enter(child, dim, about, masks)

    def _masks(self, node: Node, dims: Sequence[str]) -> tuple[str, ...]:
        """Enter the variables that tell where it is null, and return their names."""
        found = []
        for level in range(len(node.shape) + 1):
            key = node.place + NULL + (str(level) if level else "")
            if key not in self.nulls:
                continue
            wanted = node.name + NULLS.get(node.kind, "/null") + (str(level) if level else "")
            name = self.made.names[key] = self.naming.unique(wanted)
            reason = "tells where there is a null"
            self.made.variables.append(Variable(name, "|b1", tuple(dims[: level + 1]), role="mask", reason=reason))
            found.append(name)
        return tuple(found)


def _count(made: RowLayout, node: Node, found: Collection) -> str:
    """Enter the lengths of lists, if they are no column, and return the dimension of the items."""
    made.names[node.place + LISTS] = found.counts
    if found.column:
        made.counted[node.place] = found.counts
    if found.dim not in made.sizes:
        made.sizes[found.dim] = found.rows
        made.counts[found.dim] = found.counts
        if not found.column:
            reason = "lengths of lists"
            made.variables.append(Variable(found.counts, found.dtype, (found.parent,), role="count", reason=reason))
    return found.dim


def _variable(node: Node, dims: tuple[str, ...], about: dict[str, Any]) -> Variable:
    if node.kind == "dictionary":
        stated: dict[str, Any] = {"role": "flag", "reason": CODES}
    else:
        stated = meaning_of(item_type(node))
    if "role" not in stated:
        role, reason = role_of(node.name, node.dtype)
        stated |= {"role": role, "reason": reason} if role else {}
    return Variable(node.name, node.dtype, dims, **{**about, **stated})


def stated_about(schema: pa.Schema, index: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return what the metadata of fields tell of columns, by position: units, description, whether pandas has it as index."""
    found: dict[str, dict[str, Any]] = {}
    elsewhere = astropy_columns(schema.metadata)
    for place, one in enumerate(schema):
        about: dict[str, Any] = {
            "units": text_of(one.metadata, "unit", "units", "UNIT"),
            "label": text_of(one.metadata, "description", "long_name", "comment", "title")[:200],
        }
        if one.name in index:
            about |= {"role": "identifier", "reason": "the index of the table"}
        found[str(place)] = {**elsewhere.get(one.name, {}), **{key: text for key, text in about.items() if text}}
    return found


def dictionary_nodes(nodes: Sequence[Node], naming: Naming) -> Iterator[tuple[Node, Node]]:
    """Yield each node with a dictionary, and a tree of what the dictionary holds."""
    import pyarrow as pa

    for column in nodes:
        for node in nodes_of(column):
            if node.kind == "dictionary":
                one = pa.field(f"{node.name}/categories", node.type.value_type)
                yield node, _moved(node_of(one, 0, naming), f"{node.place}#")


def _moved(node: Node, start: str) -> Node:
    """The tree of a dictionary, with places of its own."""
    children = tuple(_moved(child, start) for child in node.children)
    return replace(node, place=start + node.place, children=children)


def joined(layouts: Sequence[RowLayout], skeleton: Mapping[str, Any], attachments: Mapping[str, bytes]) -> Schema:
    """Return one schema of several layouts, in this order."""
    variables = tuple(variable for layout in layouts for variable in layout.variables)
    used = {dim for variable in variables for dim in variable.dims}
    sizes = {dim: size for layout in layouts for dim, size in layout.sizes.items() if dim in used}
    # Lists of nothing have counts, but no rows that anything would lie along.
    counts = {dim: name for layout in layouts for dim, name in layout.counts.items() if dim in used}
    return Schema(variables, sizes, counts, skeleton, attachments)


def masks_of(schema: Schema) -> dict[str, list[str]]:
    """Return for each variable with nulls the masks that tell where, from the names that the skeleton keeps."""
    stated = {str(place): str(name) for place, name in schema.skeleton["names"].items()}
    found: dict[str, list[str]] = {}
    for key, mask in stated.items():
        place, bar, level = key.partition(NULL)
        name = stated.get(place, mask.rpartition("/null")[0])
        if bar and (not level or level.isdecimal()) and _MASK.fullmatch(mask):
            found.setdefault(name, []).append(mask)
    return found


def categories_of(schema: Schema) -> dict[str, Categories]:
    """Return for each column with a dictionary what its codes mean, from what the skeleton keeps of the pieces."""
    stated = {str(place): str(name) for place, name in schema.skeleton["names"].items()}
    rows = [int(count) for count in schema.skeleton["rows"]]
    found, ordered = dict[str, Categories](), _ordered(schema)
    for place, about in schema.skeleton["dictionaries"].items():
        own = {key: name for key, name in stated.items() if key.startswith(f"{place}#") and NULL not in key}
        if not own:
            continue
        first = next(iter(own.values()))
        name = stated.get(place, first.rpartition("/categories")[0])
        starts = _starts([int(size) for size in about["sizes"]], [int(number) for number in about["of"]], rows)
        plain = len(own) == 1 and len(schema[first].dims) == 1
        alike = len({start for _, start in starts}) <= 1
        if not alike and schema[name].dims[0] in schema.counts:
            plain = False  # how many items each piece has is not known here
        moved = starts if any(start for _, start in starts) else ()
        found[name] = Categories(first if plain else "", place in ordered, moved)
    return found


def _ordered(schema: Schema) -> set[str]:
    """Return the places of dictionaries whose order has a meaning, where the types of the original are at hand."""
    import pyarrow as pa

    if SCHEMA not in schema.attachments:
        return set()
    nodes = trees_of(pa.ipc.read_schema(pa.py_buffer(schema.attachments[SCHEMA])), Naming())
    inside = (node for column in nodes for node in nodes_of(column) if node.kind == "dictionary")
    return {node.place for node in inside if node.type.ordered}


def _starts(sizes: Sequence[int], of: Sequence[int], rows: Sequence[int]) -> list[tuple[int, int]]:
    """The rows of each piece, and where its dictionary starts among the entries of all."""
    places = [sum(sizes[:number]) for number in range(len(sizes))]
    numbers = [*of, *([-1] * (len(rows) - len(of)))]
    return [(count, places[number] if number >= 0 else 0) for count, number in zip(rows, numbers, strict=False)]
