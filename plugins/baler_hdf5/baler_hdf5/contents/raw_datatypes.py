"""The numpy dtype describing the bytes of HDF5 elements as they lie in a file, and such bytes as text."""

from __future__ import annotations

import base64
import math
from typing import Any

import numpy as np

from baler_hdf5.contents.datatypes import Json


def raw_dtype(record: Json) -> np.dtype[Any] | None:
    """Return the numpy dtype describing an element's bytes as they lie in the file; None if its length varies."""
    if isinstance(record, str):
        return np.dtype(record)
    if "named" in record:
        return raw_dtype(record["is"])
    if "text" in record:
        return None if record["text"] is None else np.dtype(f"S{record['text']}")
    if "opaque" in record:
        return np.dtype(f"V{record['opaque']}")
    if "bits" in record or "complex" in record:
        return np.dtype(record.get("bits") or record["complex"])
    if "number" in record:
        # a byte has no order, whichever is written down
        whole = record["size"] == 1 and record["number"] == "integer" and record["precision"] == 8
        return np.dtype(("i1" if record["signed"] else "u1") if whole else f"V{record['size']}")
    if "enum" in record:
        return np.dtype(bool) if is_boolean(record) else raw_dtype(record["enum"])
    if "array" in record:
        part = raw_dtype(record["of"])
        # arrays of arrays are one array: numpy tells the dimensions of the outer one only
        return None if part is None else np.dtype((part.base, tuple(record["array"]) + part.shape))
    return _raw_compound(record) if "compound" in record else None


def _raw_compound(record: Json) -> np.dtype[Any] | None:
    """The structured dtype of a compound; a complex dtype for a pair of floats called r and i."""
    parts = [raw_dtype(member) for _, _, member in record["compound"]]
    if any(part is None for part in parts):
        return None
    names = [name for name, _, _ in record["compound"]]
    offsets = [offset for _, offset, _ in record["compound"]]
    if names == ["r", "i"]:
        for part in (np.dtype("<f4"), np.dtype("<f8"), np.dtype(">f4"), np.dtype(">f8")):
            if parts == [part, part] and offsets == [0, part.itemsize] and record["size"] == 2 * part.itemsize:
                return np.dtype(f"{part.str[0]}c{record['size']}")
    return np.dtype({"names": names, "formats": parts, "offsets": offsets, "itemsize": record["size"]})


def is_boolean(record: Json) -> bool:
    """Return whether an enumeration is how h5py stores booleans."""
    members = sorted((name, value) for name, value in record["members"])
    return record["enum"] == "|i1" and members == [("FALSE", 0), ("TRUE", 1)]


def encode_bytes(values: np.ndarray) -> str:
    """Return the bytes of an array as base64 text."""
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode("ascii")


def decode_bytes(text: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> np.ndarray:
    """Return the array whose bytes `encode_bytes` stored; a dtype of arrays adds its dimensions behind `shape`."""
    raw = base64.b64decode(text)
    if len(raw) != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{len(raw)} bytes for an array of {math.prod(shape) * dtype.itemsize}")
    whole = np.zeros(shape, dtype)
    return np.frombuffer(raw, whole.dtype).reshape(whole.shape) if raw else whole
