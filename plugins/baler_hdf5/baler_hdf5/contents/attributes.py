"""Attributes of HDF5 objects as JSON records and back, with their exact datatypes and shapes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from baler_hdf5.contents.build_datatypes import build_type, memory_type
from baler_hdf5.contents.cells import PathOf, ReferenceTo, decode_cells, decode_text, encode_cells, encode_text
from baler_hdf5.contents.datatypes import Json, UnsupportedTypeError, describe_type
from baler_hdf5.contents.raw_datatypes import raw_dtype

if TYPE_CHECKING:
    import h5py
    from h5py import h5t

# An attribute is a remark, not data: more than this is a damaged or hostile file.
LARGEST_ATTRIBUTE = 64 * 2**20


def read_attributes(
    item: h5py.HLObject, named: Mapping[int, str], path_of: PathOf, warn: Callable[[str], None]
) -> list[Json]:
    """Return records of all attributes of a group, dataset or named type, in its own order.

    Parameters
    ----------
    named
        Paths of committed datatypes by address.
    path_of
        Gives the path behind an object reference.
    warn
        Called with a sentence for each attribute that is left out.
    """
    records = []
    for name in _names(item):
        try:
            record = _read_attribute(item, name, named, path_of)
            if record["name"] != "REFERENCE_LIST" or record.get("shape") != [0]:
                records.append(record)
        except (UnsupportedTypeError, OSError, TypeError, ValueError, MemoryError) as error:
            warn(f"attribute {name!r} of {item.name!r} is left out: {error}")
    return records


def _names(item: h5py.HLObject) -> list[str | bytes]:
    """Names of attributes in the order of their creation, else in the order in which they lie in the file.

    Those that are not UTF-8 are bytes.
    """
    from h5py import h5, h5a

    names: list[str | bytes] = list(item.attrs)
    if not hasattr(item.id, "get_create_plist") or item.id.get_create_plist().get_attr_creation_order():
        return names
    stored: list[bytes] = []
    h5a.iterate(item.id, lambda name, *rest: stored.append(name), index_type=h5.INDEX_NAME, order=h5.ITER_NATIVE)
    place = {name: number for number, name in enumerate(stored)}
    return sorted(names, key=lambda name: place.get(_encoded(name), len(place)))


def _encoded(name: str | bytes) -> bytes:
    return name.encode("utf-8") if isinstance(name, str) else name


def _read_attribute(item: h5py.HLObject, name: str | bytes, named: Mapping[int, str], path_of: PathOf) -> Json:
    from h5py import h5a, h5s

    attribute = h5a.open(item.id, _encoded(name))
    tid = attribute.get_type()
    record: dict[str, Json] = {"name": name}
    if isinstance(name, bytes):
        record = {"name": name.decode("utf-8", "backslashreplace"), "raw_name": encode_text(name)}
    record["type"] = describe_type(tid, named)
    if attribute.get_space().get_simple_extent_type() == h5s.NULL:
        return {**record, "shape": None}
    claimed = math.prod(attribute.shape) * tid.get_size()
    if claimed > LARGEST_ATTRIBUTE:
        raise UnsupportedTypeError(f"it claims {claimed} bytes")
    fixed = raw_dtype(record["type"]) is not None
    values = np.empty(attribute.shape, f"V{tid.get_size()}" if fixed else tid.dtype)
    if values.size:
        attribute.read(values, mtype=tid if fixed else None)
    if name == "REFERENCE_LIST":
        # Kept by HDF5 itself on dimension scales; those who left the file must leave the list too.
        values = values[[path_of(row[0]) is not None for row in values]]
    if values.shape:
        record["shape"] = list(values.shape)
    return {**record, "value": encode_cells(values, record["type"], path_of)}


def write_attribute(
    item: h5py.HLObject, record: Json, named: Callable[[str, Json], h5t.TypeID], reference_to: ReferenceTo
) -> None:
    """Create one attribute from its record."""
    from h5py import h5a, h5s

    if "\0" in record["name"]:
        raise ValueError(f"an attribute called {record['name']!r}")
    tid = build_type(record["type"], named)
    shape = record.get("shape", [])
    if math.prod(shape or ()) * tid.get_size() > LARGEST_ATTRIBUTE:
        raise ValueError(f"attribute {record['name']!r} claims {math.prod(shape or ()) * tid.get_size()} bytes")
    if shape is None:
        space = h5s.create(h5s.NULL)
    else:
        space = h5s.create_simple(tuple(shape)) if shape else h5s.create(h5s.SCALAR)
    name = decode_text(record.get("raw_name", record["name"]))
    attribute = h5a.create(item.id, name, tid, space)
    if shape is None or 0 in shape:
        return
    fixed = raw_dtype(record["type"]) is not None
    # numpy knows no integers of 16 bytes, which are kept as their bytes
    dtype = np.dtype(f"V{tid.get_size()}") if fixed else tid.dtype
    values = decode_cells(record["value"], record["type"], tuple(shape), dtype, reference_to)
    if fixed:
        values = np.frombuffer(values.tobytes(), f"V{tid.get_size()}").reshape(shape)
    attribute.write(values, mtype=tid if fixed else memory_type(tid, values.dtype))


def plain_values(records: Sequence[Json], wanted: frozenset[str]) -> dict[str, Any]:
    """Return values of the simple attributes among `wanted`: text as `str`, numbers as arrays of rank 0 or 1."""
    found: dict[str, Any] = {}
    for record in records:
        shape = record.get("shape", [])
        if record["name"] not in wanted or shape is None or len(shape) > 1:
            continue
        kind = record["type"]
        if isinstance(kind, dict) and "text" in kind and kind["text"] is None:
            texts = [decode_text(cell).decode("utf-8", "replace") for cell in record["value"]]
            found[record["name"]] = texts[0] if texts else ""
            continue
        raw = raw_dtype(kind)
        if raw is None or raw.kind not in "iufSb" or raw.subdtype:
            continue
        values = decode_cells(record["value"], kind, tuple(shape), raw, lambda path, kind: None)
        found[record["name"]] = _as_text(values) if raw.kind == "S" else values
    return found


def _as_text(values: np.ndarray) -> str:
    flat = values.reshape(-1)
    return bytes(flat[0]).decode("utf-8", "replace").rstrip() if flat.size else ""


def shown_values(records: Sequence[Json], hidden: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return attributes as netCDF4 shows them: single texts as `str`, single numbers as such, several as list or array.

    Attributes that netCDF4 cannot show (references, opaque values) are not among them.
    """
    found: dict[str, Any] = {}
    for record in records:
        if record["name"] not in hidden:
            value = _shown(record)
            if value is not None:
                found[record["name"]] = value
    return found


def _shown(record: Json) -> Any:
    kind, shape = record["type"], record.get("shape", [])
    if isinstance(kind, dict) and "named" in kind:
        kind = kind["is"]
    if shape is None:
        return ""
    if isinstance(kind, dict) and "text" in kind and kind["text"] is None:
        texts = [decode_text(cell).decode("utf-8", "replace") for cell in record["value"]] if math.prod(shape) else []
        return texts[0] if len(texts) == 1 else texts
    raw = raw_dtype(kind)
    if raw is None or raw.kind not in "iufSb" or raw.subdtype:
        return None
    values = (
        decode_cells(record["value"], kind, tuple(shape), raw, lambda path, kind: None) if math.prod(shape) else None
    )
    if raw.kind == "S":
        texts = [] if values is None else [one.decode("utf-8", "replace") for one in values.reshape(-1).tolist()]
        return texts[0] if len(texts) == 1 else texts or ""
    if values is None:
        return np.empty(0, raw.newbyteorder("="))
    native = values.view("i1") if raw.kind == "b" else values.astype(raw.newbyteorder("="))
    return native.reshape(-1)[0] if native.size == 1 else native.reshape(-1)
