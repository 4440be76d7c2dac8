"""Give tables of pandas the index, the types and the attributes that pandas has written into the metadata of a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from baler_core import Schema
from baler_parquet.schema.layout import SCHEMA

if TYPE_CHECKING:
    import pandas as pd

_EXTENSIONS = {*(f"{sign}Int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)), "boolean", "string"}
"""Not those of floats: NaN and nothing are the same in tables."""


def as_read_by_pandas(schema: Schema, frame: pd.DataFrame, start: int | None) -> pd.DataFrame:
    """Return a table of all columns, from a row on, as `pandas.read_parquet` does; as it is where metadata make no sense."""
    import pyarrow as pa

    stored = pa.ipc.read_schema(pa.py_buffer(schema.attachments[SCHEMA])).metadata or {}
    about, attributes = (_json(stored.get(key)) for key in (b"pandas", b"PANDAS_ATTRS"))
    columns = about.get("columns")
    described = [one for one in columns if isinstance(one, dict)] if isinstance(columns, list) else []
    named = {str(one.get("field_name", one.get("name"))): one for one in described}
    for name, one in named.items():
        kind = one.get("numpy_type")
        if name in frame and kind in _EXTENSIONS and _fits(frame[name].dtype, kind):
            frame[name] = frame[name].astype(kind)
    frame = _indexed(frame, about.get("index_columns"), named, start)
    frame.attrs |= attributes
    return frame


def _fits(dtype: Any, kind: str) -> bool:
    """Return whether a column is of the type that is stated, whether it has room for nothing or not."""
    import pandas as pd

    same = {"boolean": ("bool", "boolean"), "string": ()}.get(kind, (kind.lower(),))
    return str(dtype).lower() in same or (kind == "string" and pd.api.types.is_string_dtype(dtype))


def _indexed(frame: pd.DataFrame, stated: Any, named: Mapping[str, Any], start: int | None) -> pd.DataFrame:
    """Return a table with the index that is stated: columns of its own, or a range."""
    import pandas as pd

    if not isinstance(stated, list) or not stated:
        return frame
    if all(isinstance(one, str) and one in frame for one in stated) and len(set(stated)) == len(stated):
        found = frame.set_index(stated)
        found.index.names = [named[one].get("name") if one in named else one for one in stated]
        return found
    one = stated[0]
    if len(stated) == 1 and isinstance(one, dict) and one.get("kind") == "range":
        bounds = [one.get(key) for key in ("start", "stop", "step")]
        if all(type(number) is int for number in bounds) and bounds[2]:
            whole = pd.RangeIndex(*bounds, name=one.get("name"))
            rows = whole[slice(start, None)][: len(frame)]
            if len(rows) == len(frame) and (bounds[0], bounds[2], whole.name) != (0, 1, None):
                frame.index = rows
    return frame


def _json(stored: bytes | None) -> dict[str, Any]:
    try:
        found = json.loads(stored or b"{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
