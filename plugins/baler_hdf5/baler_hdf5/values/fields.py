"""The variables inside a dataset's element type: the whole element, or each member of a compound; values in and out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from baler_core import DataError
from baler_hdf5.contents.build_datatypes import build_type
from baler_hdf5.contents.cells import PathOf, ReferenceTo, decode_cells, decode_text, encode_cells, encode_text
from baler_hdf5.contents.datatypes import Json, UnsupportedTypeError
from baler_hdf5.contents.raw_datatypes import raw_dtype

TEXT = ("str", "bytes")
ROOT = "/"
Cells = Literal["plain", "text", "reference", "run", "texts", "references", "lists"]


@dataclass(frozen=True)
class Field:
    """One variable of a dataset.

    Attributes
    ----------
    members
        Names of the compound members that lead to it; empty for the whole element.
    cells
        `plain`: numbers or fixed-size bytes. `text`: variable-length strings. `reference`: references to objects, kept
        as their paths. `run`: variable-length numbers, or whatever else has a fixed size, each cell kept as its bytes.
        `texts`, `references` and `lists`: lists of text, references and lists, each cell kept as JSON.
    dtype
        dtype string of the variable in blocks (little-endian).
    shape
        DatasetDimensions that each element adds behind those of the dataset.
    base
        dtype of what is in a run; kind of a reference (`object`, `region`); record of the type of the lists in a list.
    """

    members: tuple[str, ...]
    cells: Cells
    dtype: str
    shape: tuple[int, ...] = ()
    base: Any = ""


def fields_of(record: Json) -> list[Field]:
    """Return the variables of elements of the datatype `record`, in the order of a compound's members.

    Raises
    ------
    UnsupportedTypeError
        If a part of the type cannot be restored.
    """
    return list(_fields(record, (), ()))


def _fields(record: Json, members: tuple[str, ...], shape: tuple[int, ...]) -> Iterator[Field]:
    raw = raw_dtype(record)
    if raw is not None and raw.base.names is None:
        little = raw.base.newbyteorder("<") if raw.base.kind not in "SV" else raw.base
        yield Field(members, "plain", little.str, shape + raw.shape)
    elif "named" in record:
        yield from _fields(record["is"], members, shape)
    elif "array" in record:
        yield from _fields(record["of"], members, shape + tuple(record["array"]))
    elif "compound" in record:
        for name, _, member in record["compound"]:
            yield from _fields(member, (*members, name), shape)
    elif "text" in record:
        yield Field(members, "text", "str", shape)
    elif "reference" in record:
        yield Field(members, "reference", "str", shape, record["reference"])
    else:
        yield _field_of_lists(record["vlen"], members, shape)


def _field_of_lists(inner: Json, members: tuple[str, ...], shape: tuple[int, ...]) -> Field:
    if isinstance(inner, str):
        return Field(members, "run", "bytes", shape, inner)
    while "named" in inner:
        inner = inner["is"]
    raw = raw_dtype(inner)
    if raw is not None and raw.subdtype is None and raw.kind != "b" and "number" not in inner:
        return Field(members, "run", "bytes", shape, raw)
    if "text" in inner:
        return Field(members, "texts", "str", shape)
    if "reference" in inner:
        return Field(members, "references", "str", shape, inner["reference"])
    if "vlen" in inner:
        _field_of_lists(inner["vlen"], members, shape)  # or it cannot be restored
        return Field(members, "lists", "str", shape, inner)
    raise UnsupportedTypeError("variable-length arrays of arrays, of booleans or of compounds with text")


def restrict_type(record: Json, kept: Sequence[tuple[str, ...]]) -> Json:
    """Return a compound type with the chosen members only, packed; any other type as it is."""
    if () in kept or not isinstance(record, dict):
        return record
    if "named" in record:
        return restrict_type(record["is"], kept)
    if "array" in record:
        return {"array": record["array"], "of": restrict_type(record["of"], kept)}
    chosen, position = [], 0
    for name, _, member in record["compound"]:
        below = [members[1:] for members in kept if members[0] == name]
        if below:
            part = restrict_type(member, below)
            chosen.append([name, position, part])
            position += element_size(part)
    return {"compound": chosen, "size": position}


def element_size(record: Json) -> int:
    """Return bytes of an element in a file; 16 for whatever has variable length (a pointer into a heap)."""
    return build_type(record, _unnamed).get_size()


def _unnamed(path: str, inner: Json) -> Any:
    """The type itself in place of a committed one."""
    return build_type(inner, _unnamed)


def extract(values: np.ndarray, field: Field, path_of: PathOf) -> np.ndarray:
    """Return one variable's values, little-endian and contiguous, from elements as read from the file."""
    for member in field.members:
        values = values[member]
    if field.cells == "plain":
        return np.asarray(values, field.dtype, order="C")
    cells = np.empty(values.shape, object)
    flat = cells.reshape(-1)
    for index, cell in enumerate(values.reshape(-1)):
        if field.cells == "text":
            flat[index] = cell.decode("utf-8", "surrogateescape") if isinstance(cell, bytes) else str(cell)
        elif field.cells == "reference":
            flat[index] = _shown_path(path_of(cell))
        elif field.cells == "texts":
            flat[index] = json.dumps([encode_text(text) for text in cell], ensure_ascii=False)
        elif field.cells == "lists":
            flat[index] = json.dumps(encode_cells(np.asarray(cell), field.base, path_of), ensure_ascii=False)
        elif field.cells == "references":
            flat[index] = json.dumps([path_of(reference) for reference in cell], ensure_ascii=False)
        else:
            flat[index] = np.asarray(cell).astype(np.dtype(field.base)).tobytes()
    return cells


def _shown_path(path: str | None) -> str:
    """The path of a reference as a cell: empty text for one to nothing, and the root, whose path is empty, as `/`."""
    return ROOT if path == "" else path or ""


def as_shown(values: np.ndarray, dtype: str) -> np.ndarray:
    """Return the same bits with the other sign, where readers see stored integers so (`_Unsigned`); else the values."""
    shown = values.dtype if dtype in TEXT else np.dtype(dtype)
    turned = shown != values.dtype and {shown.kind, values.dtype.kind} == {"i", "u"}
    return values.view(shown) if turned and shown.itemsize == values.dtype.itemsize else values


def fits_shown(stored: str, shown: str) -> bool:
    """Return whether `shown` is the dtype `stored`, or the same integer with the other sign."""
    return stored == shown or (stored[1:2] + shown[1:2] in ("iu", "ui") and stored[0::2] == shown[0::2])


def insert(elements: np.ndarray, field: Field, values: np.ndarray, reference_to: ReferenceTo) -> np.ndarray:
    """Put one variable's values into elements that will be written; the elements themselves for a whole one."""
    values = as_shown(values, field.dtype) if field.cells == "plain" else _packed_cells(values, field, reference_to)
    if not field.members:
        elements[...] = values
        return elements
    target = elements
    for member in field.members:
        target = target[member]
    target[...] = values
    return elements


def _packed_cells(values: np.ndarray, field: Field, reference_to: ReferenceTo) -> np.ndarray:
    """Text as UTF-8 bytes, paths as references, bytes as arrays of numbers."""
    packed = np.empty(values.shape, object)
    flat = packed.reshape(-1)
    for index, cell in enumerate(values.reshape(-1)):
        if field.cells == "text":
            flat[index] = cell.encode("utf-8", "surrogateescape")
        elif field.cells == "reference":
            flat[index] = reference_to("" if cell == ROOT else cell or None, field.base)
        elif field.cells in ("texts", "references", "lists"):
            flat[index] = _packed_list(json.loads(cell), field, reference_to)
        elif len(cell) % np.dtype(field.base).itemsize:
            raise DataError(f"a variable-length cell holds {len(cell)} bytes, no multiple of its element's size")
        else:
            flat[index] = np.frombuffer(cell, np.dtype(field.base))
    return packed


def _packed_list(stored: Json, field: Field, reference_to: ReferenceTo) -> np.ndarray:
    """The texts, references or lists of one cell."""
    import h5py

    if field.cells == "lists":
        kind = build_type(field.base, _unnamed).dtype
        return decode_cells(stored, field.base, (len(stored),), kind, reference_to)
    if field.cells == "texts":
        return np.array([decode_text(text) for text in stored], h5py.string_dtype())
    packed = np.empty(len(stored), h5py.ref_dtype if field.base == "object" else h5py.regionref_dtype)
    for index, path in enumerate(stored):
        packed[index] = reference_to(path, field.base)
    return packed
