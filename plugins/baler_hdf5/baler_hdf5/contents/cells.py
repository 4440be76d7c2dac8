"""Small arrays of any HDF5 datatype (attribute values, fill values) as JSON and back, exactly."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from baler_hdf5.contents.datatypes import Json, UnsupportedTypeError
from baler_hdf5.contents.raw_datatypes import decode_bytes, encode_bytes, raw_dtype

# From a reference to the path of what it refers to (for regions, path and region as text), and back, given the kind of
# reference; None where there is no such object.
PathOf = Callable[[Any], str | None]
ReferenceTo = Callable[[str | None, str], Any]

MOST_LISTED = 64


def encode_cells(values: np.ndarray, record: Json, path_of: PathOf) -> Json:
    """Return the JSON form of an array whose elements have the datatype `record`.

    Text, references and small integers become lists, other fixed-size elements base64 of their bytes; compounds with
    members of variable length one entry per member.
    """
    raw = raw_dtype(record)
    if raw is not None:
        return _encode_fixed(values, raw)
    if "named" in record:
        return encode_cells(values, record["is"], path_of)
    if "compound" in record:
        return [encode_cells(values[name], member, path_of) for name, _, member in record["compound"]]
    if "array" in record:
        return encode_cells(values, record["of"], path_of)
    cells = values.reshape(-1)
    if "text" in record:
        return [encode_text(cell) for cell in cells]
    if "reference" in record:
        return [path_of(cell) for cell in cells]
    if "vlen" in record:
        return [[len(cell), encode_cells(np.asarray(cell), record["vlen"], path_of)] for cell in cells]
    raise UnsupportedTypeError(f"the type {record}")


def decode_cells(
    stored: Json, record: Json, shape: tuple[int, ...], dtype: np.dtype[Any], reference_to: ReferenceTo
) -> np.ndarray:
    """Return the array that `encode_cells` stored, with the h5py dtype `dtype`."""
    raw = raw_dtype(record)
    if raw is not None:
        return _decode_fixed(stored, raw, shape)
    if "named" in record:
        return decode_cells(stored, record["is"], shape, dtype, reference_to)
    if "array" in record:
        return decode_cells(stored, record["of"], shape + tuple(record["array"]), dtype.base, reference_to)
    if "compound" not in record and len(stored) != math.prod(shape):
        raise ValueError(f"{len(stored)} cells for an array of {math.prod(shape)}")
    values = np.empty(shape, dtype)
    if "compound" in record:
        for entry, (name, _, member) in zip(stored, record["compound"], strict=True):
            values[name] = decode_cells(entry, member, shape, dtype[name], reference_to)
        return values
    flat = values.reshape(-1)
    for index, entry in enumerate(stored):
        if "text" in record:
            flat[index] = decode_text(entry)
        elif "reference" in record:
            flat[index] = reference_to(entry, record["reference"])
        else:
            flat[index] = _decode_run(entry, record["vlen"], dtype, reference_to)
    return values


def _encode_fixed(values: np.ndarray, raw: np.dtype[Any]) -> Json:
    """Numbers a reader of JSON can read where they are few and whole, text where it is UTF-8; else base64."""
    if raw.subdtype is None and raw.kind in "iuS" and values.size <= MOST_LISTED:
        cells = np.frombuffer(np.ascontiguousarray(values).tobytes(), raw).tolist()
        try:
            return [cell.decode("utf-8") for cell in cells] if raw.kind == "S" else cells
        except UnicodeDecodeError:
            pass
    return encode_bytes(values)


def _decode_fixed(stored: Json, raw: np.dtype[Any], shape: tuple[int, ...]) -> np.ndarray:
    if not isinstance(stored, list):
        return decode_bytes(stored, raw, shape)
    cells = [cell.encode("utf-8") for cell in stored] if raw.kind == "S" else stored
    return np.array(cells, raw).reshape(shape)


def _decode_run(entry: Json, base: Json, dtype: np.dtype[Any], reference_to: ReferenceTo) -> np.ndarray:
    """One element of a variable-length type."""
    import h5py

    length, stored = entry
    return decode_cells(stored, base, (length,), h5py.check_vlen_dtype(dtype), reference_to)


def encode_text(cell: bytes | str) -> Json:
    """Return text as JSON; bytes that are not UTF-8 as `{"base64": ...}`."""
    raw = cell.encode("utf-8", "surrogateescape") if isinstance(cell, str) else cell
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(raw).decode("ascii")}


def decode_text(stored: Json) -> bytes:
    """Return the bytes that `encode_text` stored."""
    return stored.encode("utf-8") if isinstance(stored, str) else base64.b64decode(stored["base64"])


def shown_text(stored: Json) -> str:
    """Return what `encode_text` stored for people to read."""
    return stored if isinstance(stored, str) else decode_text(stored).decode("utf-8", "backslashreplace")
