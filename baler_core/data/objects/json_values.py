"""Convert attributes, names and encodings to JSON that keeps their types, and back."""

from __future__ import annotations

import base64
import datetime
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from baler_core.data.variables import Json, decode_array, encode_array
from baler_core.errors import DataError

# Kinds of numpy values that have no Python objects in them.
_PLAIN = "biufcSUmMV"


def packed(value: Any, where: str) -> Json:
    """Convert a value to JSON; other types become a mapping of one entry whose key names the type.

    Parameters
    ----------
    where
        What the value is, for messages: `attribute 'units' of variable 'T'`.

    Raises
    ------
    DataError
        If there are Python objects in it that have no such form.
    """
    if isinstance(value, np.generic):
        return _packed_numpy(np.asarray(value), "scalar", where)
    if type(value) is np.ndarray:
        return _packed_numpy(value, "array", where)
    if type(value) is float and not math.isfinite(value):
        return {"float": repr(value)}
    if value is None or type(value) in (bool, int, float, str):
        return _checked_text(value, where) if isinstance(value, str) else value
    if type(value) is list:
        return [packed(item, where) for item in value]
    if type(value) is tuple:
        return {"tuple": [packed(item, where) for item in value]}
    if type(value) in (set, frozenset):
        return {"set": [packed(item, where) for item in sorted(value, key=repr)]}
    if isinstance(value, Mapping):
        return {"dict": [[packed(key, where), packed(item, where)] for key, item in value.items()]}
    return _packed_other(value, where)


def _packed_other(value: Any, where: str) -> Json:
    if type(value) is bytes:
        return {"bytes": base64.b64encode(value).decode("ascii")}
    if type(value) in (datetime.datetime, datetime.date) and getattr(value, "tzinfo", None) is None:
        return {type(value).__name__: value.isoformat()}
    if type(value) is complex:
        return {"complex": [repr(value.real), repr(value.imag)]}
    if isinstance(value, np.dtype) and not value.hasobject and value.names is None:
        return {"dtype": value.str}
    kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    raise DataError(f"{where} is of type {kind}, which cannot be kept: make it text or numbers, or remove it")


def _checked_text(text: str, where: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{where} is not valid text ({error})") from error
    return text


def _packed_numpy(values: np.ndarray, key: str, where: str) -> Json:
    if values.dtype.hasobject or values.dtype.kind not in _PLAIN or values.dtype.names is not None:
        if values.dtype.hasobject:
            return {"objects": packed(values.tolist(), where)}
        raise DataError(f"{where} is an array of type {values.dtype}, which cannot be kept")
    return {key: encode_array(values)}


def unpacked(stored: Json) -> Any:
    """Return the value that `packed` stored.

    Raises
    ------
    ValueError, TypeError, KeyError
        If it was damaged on the way.
    """
    if isinstance(stored, list):
        return [unpacked(item) for item in stored]
    if not isinstance(stored, dict):
        return stored
    if len(stored) != 1:
        raise ValueError(f"a stored value has the keys {sorted(stored)}")
    key, content = next(iter(stored.items()))
    if key in ("array", "scalar"):
        return decode_array(content) if key == "array" else decode_array(content)[()]
    if key == "tuple":
        return tuple(unpacked(item) for item in content)
    if key == "set":
        return {unpacked(item) for item in content}
    if key == "dict":
        return {unpacked(name): unpacked(item) for name, item in content}
    if key == "objects":
        return np.array(unpacked(content), dtype=object)
    return _unpacked_other(key, content)


def _unpacked_other(key: str, content: Json) -> Any:
    if key == "float":
        return float(content)
    if key == "complex":
        return complex(*map(float, content))
    if key == "bytes":
        return base64.b64decode(content)
    if key == "dtype":
        return np.dtype(str(content))
    if key == "datetime":
        return datetime.datetime.fromisoformat(content)
    if key == "date":
        return datetime.date.fromisoformat(content)
    raise ValueError(f"a stored value is of the unknown type {key!r}")
