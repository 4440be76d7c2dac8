"""astropy's Table, QTable and Quantity in memory → columns with units, masks and meta, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from baler_core import Columns, DataError, ObjectKind, packed, rebuild, unpacked

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

Json = Any
TABLES = ("astropy.table.table.Table", "astropy.table.table.QTable")
QUANTITY = "astropy.units.quantity.Quantity"
# What astropy's own way of storing times, coordinates and the like writes into the meta of a table.
SERIALIZED = "__serialized_columns__"


class AstropyTables(ObjectKind):
    """Tables with units, masks, texts, columns of many dimensions, times and coordinates; single quantities."""

    name = "astropy"
    summary = "astropy's Table, QTable and Quantity"
    types = (*TABLES, QUANTITY)

    def take_apart(self, value: Any, columns: Columns, variables: Sequence[str] | None) -> Json:
        if _is_quantity(value):
            units = _unit(value.unit, "data")
            return {"quantity": columns.add("data", np.asarray(value.value), units=units), "unit": units}
        if variables is not None:
            value = value[columns.choose(list(value.colnames), variables)]
        plain, extra = _serialized(value)
        indices = [[list(index.id), bool(index.data.unique)] for index in value.indices]
        stored = {
            "table": type(value).__name__,
            "columns": [_column_apart(plain[name], value, columns) for name in plain.colnames],
            "meta": packed(dict(value.meta), "the meta of the table"),
            "rows": len(value),
            "masked": bool(value.masked),
        }
        return stored | ({"mixins": extra} if extra else {}) | ({"indices": indices} if indices else {})

    def put_together(self, stored: Json, arrays: Mapping[str, np.ndarray]) -> Any:
        from astropy import units
        from astropy.table import QTable, Table

        if "quantity" in stored:
            return units.Quantity(rebuild(stored["quantity"], arrays), units.Unit(str(stored["unit"])), copy=False)
        table = Table(masked=bool(stored["masked"]))
        for record in stored["columns"]:
            column = _column_together(record, arrays)
            if len(column) != int(stored["rows"]):
                raise ValueError(f"the column {column.name!r} has {len(column)} rows, not {stored['rows']}")
            table.add_column(column)
        if "mixins" in stored:
            table = _constructed(table, str(stored["mixins"]))
        made = (QTable if stored["table"] == "QTable" else Table)(table, copy=False, masked=bool(stored["masked"]))
        made.meta.update(unpacked(stored["meta"]))
        for names, unique in stored.get("indices", []):
            made.add_index([str(name) for name in names], unique=bool(unique))
        return made

    def dataset(self, value: Any) -> xr.Dataset | None:
        import xarray as xr

        if _is_quantity(value):
            dims = [f"dim{axis}" for axis in range(value.ndim)]
            return xr.Dataset({"data": (dims, value.value, {"units": value.unit.to_string()})})
        return None

    def frame(self, value: Any) -> pd.DataFrame | None:
        return None if _is_quantity(value) else value.to_pandas()


def _is_quantity(value: Any) -> bool:
    return not hasattr(value, "colnames")


def _unit(unit: Any, name: str) -> str:
    """A unit as text from which astropy makes the same unit again."""
    from astropy import units

    if unit is None:
        return ""
    text = str(unit.to_string())
    try:
        same = units.Unit(text) == unit
    except (ValueError, TypeError):
        same = False
    if not same:
        raise DataError(f"the unit {text!r} of {name!r} is not known to astropy by that name: convert the column")
    return text


def _serialized(table: Any) -> tuple[Any, str]:
    """The table with plain columns alone, and as YAML what makes times, coordinates and quantities of them again."""
    from astropy.io.misc import yaml
    from astropy.table import serialize

    try:
        plain = serialize.represent_mixins_as_columns(table)
        extra = plain.meta.get(SERIALIZED)
        return plain, str(yaml.dump(extra)) if extra else ""
    except (TypeError, ValueError, AttributeError, NotImplementedError, yaml.yaml.YAMLError) as error:
        raise DataError(f"a column of the table cannot be stored: {error}") from error


def _constructed(table: Any, extra: str) -> Any:
    """The table with its times, coordinates and quantities, made by astropy, which knows the classes that may be."""
    from astropy.io.misc import yaml
    from astropy.table import serialize

    try:
        table.meta[SERIALIZED] = yaml.load(extra)
    except yaml.yaml.YAMLError as error:
        raise ValueError(f"the record of the columns cannot be read: {error}") from error
    return serialize._construct_mixins_from_columns(table)


def _column_apart(column: Any, table: Any, columns: Columns) -> Json:
    info = column.info
    about: dict[str, Any] = {}
    if info.name not in table.colnames:
        # A part of a time, a coordinate or the like, which losses would ruin.
        about = {"role": "time" if ".jd" in info.name else "position", "reason": "a part of an object of astropy"}
    values = column.data if isinstance(column.data, np.ma.MaskedArray) else np.asarray(column)
    units = _unit(info.unit, info.name)
    dims = ["row", *(f"{info.name}:{axis}" for axis in range(1, values.ndim))]
    label = info.description if isinstance(info.description, str) else ""
    record = {
        "name": str(info.name),
        "form": columns.add(str(info.name), values, dims, units=units, label=label, **about),
        "unit": units,
        "format": packed(info.format, f"the format of {info.name!r}"),
        "description": packed(info.description, f"the description of {info.name!r}"),
        "meta": packed(dict(info.meta), f"the meta of {info.name!r}") if info.meta else None,
    }
    if isinstance(values, np.ma.MaskedArray):
        # Masked quantities have no fill value of their own.
        owner = table[info.name] if info.name in table.colnames else column
        fill = getattr(owner, "fill_value", np.ma.default_fill_value(values.dtype))
        if fill != np.ma.default_fill_value(values.dtype):
            record["fill"] = packed(np.asarray(fill)[()], f"the fill value of {info.name!r}")
    return {key: item for key, item in record.items() if item not in (None, "")}


def _column_together(record: Json, arrays: Mapping[str, np.ndarray]) -> Any:
    from astropy import units
    from astropy.table import Column, MaskedColumn

    values = rebuild(record["form"], arrays)
    masked = isinstance(values, np.ma.MaskedArray)
    more = {"fill_value": unpacked(record["fill"])} if masked and "fill" in record else {}
    return (MaskedColumn if masked else Column)(
        values,
        name=str(record["name"]),
        unit=units.Unit(str(record["unit"])) if "unit" in record else None,
        format=unpacked(record.get("format")),
        description=unpacked(record.get("description")),
        meta=unpacked(record["meta"]) if "meta" in record else None,
        **more,
    )
