"""Describe the columns of tables that are made of restored variables: types, nulls, lists and structs of the original."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from baler_core import Schema, TableColumn
from baler_parquet.contents.columns import trees_of
from baler_parquet.contents.nodes import Naming, Node, nodes_of, pruned
from baler_parquet.schema.layout import SCHEMA, value_names
from baler_parquet.values.build import Building

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


def table_columns(schema: Schema, names: Collection[str]) -> list[TableColumn]:
    """Return the columns with values among `names`; those with dictionaries, which are categories in tables, are left out.

    Columns that hold nothing but nulls have no name among variables: they come where all are asked for.
    """
    import pyarrow as pa

    stated = pa.ipc.read_schema(pa.py_buffer(schema.attachments[SCHEMA]))
    beside = {str(place): str(name) for place, name in schema.skeleton["names"].items() if "#" not in str(place)}
    nodes = trees_of(stated, Naming())
    whole = value_names(nodes) <= set(names)
    found, naming = [], Naming()
    for node, one in zip(nodes, stated, strict=True):
        if any(part.kind == "dictionary" for part in nodes_of(node)):
            continue
        own = value_names([node])
        # parts that hold nothing but nulls come with all others
        kept = (node if own or whole else None) if own <= set(names) else pruned(node, names)
        if kept is None:
            continue
        kind = one.type if kept is node else kept.type
        variables = _variables(kept, beside)
        found.append(
            TableColumn(naming.unique(one.name), tuple(variables.values()), _ColumnBuilder(kept, kind, variables))
        )
    return found


def _variables(column: Node, beside: Mapping[str, str]) -> dict[str, str]:
    """Return the names of a column's variables by place: values, masks and lengths of lists."""
    found = {}
    for node in nodes_of(column):
        if node.kind == "values":
            found[node.place] = beside.get(node.place, node.name)
        found |= {
            place: name for place, name in beside.items() if place.partition("|")[0] == node.place and "|" in place
        }
    return found


@dataclass(frozen=True)
class _ColumnBuilder:
    """Makes the array of a column.

    Attributes
    ----------
    variables
        By place, as `Building` knows them.
    """

    column: Node
    kind: pa.DataType
    variables: Mapping[str, str]

    def __call__(self, values: Mapping[str, np.ndarray], rows: int) -> pa.Array:
        """Return the array of some rows."""
        arrays = {place: values[name] for place, name in self.variables.items()}
        made = Building(arrays, _no_dictionary).build(self.column, self.kind, rows)
        made.validate(full=True)
        return made


def _no_dictionary(node: Node) -> Any:
    raise ValueError(f"{node.name!r} has a dictionary")
