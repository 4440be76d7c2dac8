"""The elements of an array of zarr as variables, and back: native numbers, text, and one variable per field of records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# Elements of one number are not so large.
LARGEST_RECORD = 1 << 16


@dataclass(frozen=True)
class Field:
    """A variable of an array.

    Attributes
    ----------
    name
        Of the variable.
    member
        Of the record; empty for the elements as a whole.
    stored
        The dtype of zarr, little-endian; `str` and `bytes` for text of any length.
    dtype
        That of the variable, of the same size: integers for times, another sign where readers see one.
    """

    name: str
    member: str
    stored: str
    dtype: str

    def to_json(self) -> list[Any]:
        """Return it as JSON."""
        return [self.name, self.member, self.dtype]


def fields_of(name: str, dtype: np.dtype[Any], texts: str) -> list[Field]:
    """Return the variables of an array.

    Parameters
    ----------
    texts
        For dtypes of Python objects and of strings of any length: `str` or `bytes`; empty if they are something else.

    Raises
    ------
    ValueError
        If its elements cannot be kept.
    """
    if dtype.kind in "OT":
        if not texts:
            raise ValueError("its elements are Python objects")
        return [Field(name, "", texts, texts)]
    if dtype.itemsize == 0 or dtype.itemsize > LARGEST_RECORD:
        raise ValueError(f"its elements have {dtype.itemsize} bytes")
    if dtype.names is not None:
        found = []
        for member in dtype.names:
            part = dtype[member]
            if part.names is not None or part.shape:
                return [Field(name, "", f"|V{dtype.itemsize}", f"|V{dtype.itemsize}")]
            found.append(Field(f"{name}/{member}", member, _native(part), _native(part)))
        return found
    return [Field(name, "", _native(dtype), _native(dtype))]


def as_recorded(name: str, dtype: np.dtype[Any], texts: str, stated: object) -> list[Field]:
    """Return the variables of an array, as a record names them and the array itself has them; arguments as of `fields_of`.

    Raises
    ------
    ValueError
        If the record does not fit.
    """
    found = fields_of(name, dtype, texts)
    listed = [list(map(str, one)) for one in stated] if isinstance(stated, list) else []
    if [one[1:2] for one in listed] != [[field.member] for field in found]:
        raise ValueError(f"the record of the array {name!r} does not fit")
    made = []
    for field, (own, member, seen) in zip(found, listed, strict=True):
        whole = field.stored in ("str", "bytes")
        if whole != (seen in ("str", "bytes")) or (not whole and not _alike(field.stored, seen)):
            raise ValueError(f"the record of the array {name!r} does not fit")
        made.append(Field(own, member, field.stored, seen))
    return made


def _alike(stored: str, dtype: str) -> bool:
    """Whether values of one dtype are shown as those of another."""
    return not np.dtype(dtype).hasobject and np.dtype(dtype).itemsize == np.dtype(stored).itemsize


def _native(dtype: np.dtype[Any]) -> str:
    return dtype.newbyteorder("<").str if dtype.kind != "V" else f"|V{dtype.itemsize}"


def shown(values: np.ndarray, field: Field) -> np.ndarray:
    """Return the values of a variable from elements of the array."""
    if field.member:
        values = values[field.member]
    if field.stored in ("str", "bytes"):
        wanted: type = str if field.stored == "str" else bytes
        cells = np.empty(values.shape, object)
        flat = cells.reshape(-1)
        for place, cell in enumerate(values.reshape(-1).tolist()):
            # What was never written is no text.
            flat[place] = cell if isinstance(cell, wanted) else wanted()
        return cells
    values = np.ascontiguousarray(values).reshape(values.shape)
    if field.stored.startswith("|V"):  # records within records, too, which have the same name of a dtype
        return values.reshape(-1).view(field.stored).reshape(values.shape)
    stored = values.astype(field.stored, copy=False)
    return stored.view(field.dtype) if stored.ndim else stored.reshape(1).view(field.dtype).reshape(())


def stored(arrays: Mapping[str, np.ndarray], fields: Sequence[Field], dtype: np.dtype[Any]) -> np.ndarray:
    """Return elements of the array from the values of its variables.

    Raises
    ------
    ValueError, KeyError
        If they do not fit.
    """
    first = fields[0]
    if not first.member:
        values = arrays[first.name]
        if dtype.kind in "OT":
            return values if dtype.kind == "O" else values.astype(dtype)
        return _as_stored(values, first, dtype)
    records = np.zeros(arrays[first.name].shape, dtype)
    for field in fields:
        values = arrays[field.name]
        if values.shape != records.shape:
            raise ValueError(f"the variable {field.name!r} has the shape {values.shape}")
        records[field.member] = _as_stored(values, field, dtype[field.member])
    return records


def _as_stored(values: np.ndarray, field: Field, dtype: np.dtype[Any]) -> np.ndarray:
    if values.dtype != np.dtype(field.dtype):
        raise ValueError(f"the variable {field.name!r} is of type {values.dtype}")
    values = np.ascontiguousarray(values).reshape(values.shape)
    flat = values.reshape(-1).view(field.stored if dtype.names is None else dtype)
    return flat.reshape(values.shape).astype(dtype, copy=False)
