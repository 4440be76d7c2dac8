"""A column's type as a tree of nodes: values, structs, lists, dictionaries; each with a place and a name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from baler_core import DataError
from baler_parquet.contents.numbers import dtype_of

if TYPE_CHECKING:
    import pyarrow as pa

Kind: TypeAlias = Literal["values", "nothing", "struct", "list", "dictionary"]
# A hostile schema may nest deeper than Python's stack.
DEEPEST = 64
# Texts about columns are read up to this length.
LONGEST_TEXT = 1 << 20


class Unkept(DataError):
    """A type that has no form as variables."""


@dataclass(frozen=True)
class Node:
    """A type within a column.

    Attributes
    ----------
    type
        Of pyarrow, without what extension types put around their storage.
    place
        Where it stands: positions among the children, from the column on (`3.0.1`).
    name
        What users call the values below it (`Jet.pt`), unique among those of the same kind.
    shape
        Of values: lengths of the lists of fixed size around each.
    position
        Among the children of its parent in the file.
    hollow
        Whether values may be missing here (`nullable`).
    """

    kind: Kind
    type: pa.DataType
    place: str
    name: str
    children: tuple[Node, ...] = ()
    shape: tuple[int, ...] = ()
    position: int = 0
    hollow: bool = True

    @property
    def dtype(self) -> str:
        """The dtype of its variable."""
        return "<i4" if self.kind == "dictionary" else dtype_of(innermost(self.type, len(self.shape)))


@dataclass
class Naming:
    """Names of variables that are given so far."""

    taken: set[str] = field(default_factory=set)

    def unique(self, wanted: str) -> str:
        """Return `wanted`, or with underscores appended until nobody has it; remembered as taken."""
        while wanted in self.taken:
            wanted += "_"
        self.taken.add(wanted)
        return wanted


def innermost(kind: pa.DataType, depth: int) -> pa.DataType:
    """Return the type of items that lie in so many lists of fixed size."""
    for _ in range(depth):
        kind = storage_of(kind.value_type)
    return storage_of(kind)


def storage_of(kind: pa.DataType) -> pa.DataType:
    """Return what extension types, runs and views of lists hold, as `plain` makes it; other types as they are."""
    import pyarrow as pa

    if isinstance(kind, pa.BaseExtensionType):
        return storage_of(kind.storage_type)
    if pa.types.is_run_end_encoded(kind):
        return storage_of(kind.value_type)
    if pa.types.is_list_view(kind):
        return pa.list_(kind.value_field)
    return pa.large_list(kind.value_field) if pa.types.is_large_list_view(kind) else kind


def node_of(schema_field: pa.Field, position: int, naming: Naming) -> Node:
    """Return the tree of one column.

    Raises
    ------
    Unkept
        If there is a type in it that cannot be kept, such as a union.
    """
    return _node(schema_field, str(position), checked_text(schema_field.name), naming, position)


def checked_text(name: str) -> str:
    """Return a name that can be stored."""
    return name.encode("utf-8", "replace").decode()


def _node(one: pa.Field, place: str, name: str, naming: Naming, position: int) -> Node:
    import pyarrow as pa

    if place.count(".") > DEEPEST:
        raise Unkept("its type is nested more deeply than 64 levels")
    kind = storage_of(one.type)
    types = pa.types
    made = Node("values", kind, place, name, (), (), position, one.nullable)
    if types.is_dictionary(kind):
        entries = _node(pa.field("", kind.value_type), place, name, Naming(), 0)
        if any(part.kind == "dictionary" for part in nodes_of(entries)):
            raise Unkept(f"its dictionary holds dictionaries: its type is {_short(one.type)}")
        return replace(made, kind="dictionary", name=naming.unique(name))
    if types.is_struct(kind):
        parts = [kind.field(n) for n in range(kind.num_fields)]
        below = tuple(
            _node(part, f"{place}.{n}", f"{name}.{checked_text(part.name)}", naming, n) for n, part in enumerate(parts)
        )
        return replace(made, kind="struct", children=below)
    if types.is_fixed_size_list(kind) and (shape := _shape(kind)) is not None:
        return replace(made, name=naming.unique(name), shape=shape)
    if types.is_map(kind):
        entries = pa.field("entries", pa.struct([kind.key_field, kind.item_field]), nullable=False)
        return replace(made, kind="list", children=(_node(entries, f"{place}.0", name, naming, 0),))
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return replace(made, kind="list", children=(_node(kind.value_field, f"{place}.0", name, naming, 0),))
    if types.is_null(kind) or (types.is_fixed_size_binary(kind) and kind.byte_width == 0):
        return replace(made, kind="nothing")
    if not dtype_of(kind):
        raise Unkept(f"its type is {_short(one.type)}")
    return replace(made, name=naming.unique(name))


def _short(kind: pa.DataType) -> str:
    return " ".join(str(kind).split())[:80]


def _shape(kind: pa.DataType) -> tuple[int, ...] | None:
    """The lengths of lists of fixed size within each other, if there are numbers in them."""
    import pyarrow as pa

    shape: tuple[int, ...] = ()
    while pa.types.is_fixed_size_list(kind):
        if kind.list_size == 0 or isinstance(kind.value_type, pa.BaseExtensionType):
            return None
        shape, kind = (*shape, kind.list_size), kind.value_type
    dtype = "" if pa.types.is_dictionary(kind) else dtype_of(kind)
    return shape if dtype not in ("", "str", "bytes") and len(shape) < 8 else None


def nodes_of(node: Node) -> Iterator[Node]:
    """Yield a node and all below it, parents first."""
    yield node
    for child in node.children:
        yield from nodes_of(child)


def pruned(node: Node, keep: Iterable[str]) -> Node | None:
    """Return the part of a column that holds the named variables; None if it holds none of them."""
    import pyarrow as pa

    kept = set(keep)
    if node.kind in ("values", "dictionary"):
        return node if node.name in kept else None
    below = [part for child in node.children if (part := pruned(child, kept)) is not None]
    if not below:
        return None
    if len(below) == len(node.children) and all(a is b for a, b in zip(below, node.children, strict=True)):
        return node
    if node.kind == "struct":
        whole = set(map(id, node.children))
        fields = [node.type.field(part.position) for part in below]
        fields = [
            one if id(part) in whole else one.with_type(part.type) for one, part in zip(fields, below, strict=True)
        ]
        return replace(node, children=tuple(below), type=pa.struct(fields))
    if pa.types.is_map(node.type):
        # A map without its keys or its values is none.
        return node
    item = node.type.value_field.with_type(below[0].type)
    made = pa.large_list(item) if pa.types.is_large_list(node.type) else pa.list_(item)
    if pa.types.is_fixed_size_list(node.type):
        made = pa.list_(item, node.type.list_size)
    return replace(node, children=tuple(below), type=made)


def text_of(metadata: dict[bytes, bytes] | None, *keys: str) -> str:
    """Return the first of some entries of a field's metadata that is there, as text."""
    for key in keys:
        found = (metadata or {}).get(key.encode())
        if found is not None:
            return found.decode("utf-8", "replace").strip()
    return ""


def astropy_columns(metadata: dict[bytes, bytes] | None) -> dict[str, dict[str, str]]:
    """Return units and descriptions of columns by name, as tables of astropy state them in a text of their own."""
    import yaml

    text = (metadata or {}).get(b"table_meta_yaml", b"")
    if not text or len(text) > LONGEST_TEXT:
        return {}
    try:
        stated = yaml.safe_load(text)
        columns = [dict(one) for one in dict(stated)["datatype"]]
    except (yaml.YAMLError, ValueError, TypeError, KeyError, RecursionError, UnicodeDecodeError):
        return {}
    kept = {"unit": "units", "description": "label"}
    return {
        str(one.get("name")): {kept[key]: value for key, value in one.items() if key in kept and isinstance(value, str)}
        for one in columns
    }


def index_columns(metadata: dict[bytes, bytes] | None) -> list[str]:
    """Return the names of the columns that pandas takes for the index of its table."""
    try:
        stated: Any = json.loads((metadata or {}).get(b"pandas", b"{}"))
        return [str(name) for name in stated.get("index_columns", ()) if isinstance(name, str)]
    except (ValueError, AttributeError, TypeError):
        return []
