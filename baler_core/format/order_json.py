"""Convert the order that rows were sorted into to JSON, and read it back with every value checked."""

from __future__ import annotations

from collections.abc import Sequence

from baler_core.data.rows import RowOrder
from baler_core.data.variables import Json, Schema, Variable
from baler_core.format.json_columns import count_of


def order_to_json(order: RowOrder, schema: Schema) -> Json:
    """Return the places of the dimension and the columns, and how many rows are sorted together."""
    return [list(schema.sizes).index(order.dim), [schema.names.index(key) for key in order.keys], order.rows]


def order_from_json(record: Json, dims: Sequence[str], variables: Sequence[Variable]) -> RowOrder:
    """Invert `order_to_json`; a `ValueError` or the like if it cannot be such a thing."""
    place, keys, rows = record
    dim = dims[count_of(place)]
    found = tuple(variables[count_of(key)] for key in keys)
    if not found or any(key.dims != (dim,) or not key.is_numeric for key in found):
        raise ValueError("rows cannot be sorted by what is no column of numbers")
    return RowOrder(dim, tuple(key.name for key in found), count_of(rows))
