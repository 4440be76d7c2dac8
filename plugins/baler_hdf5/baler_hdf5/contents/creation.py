"""How a dataset is stored (chunks, filters, fill value) as a JSON record and back, for restoring it the same way."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from baler_hdf5.contents.cells import PathOf, decode_text, encode_text
from baler_hdf5.contents.datatypes import Json
from baler_hdf5.contents.filters import describe_filters, set_filters
from baler_hdf5.contents.raw_datatypes import decode_bytes, encode_bytes, raw_dtype
from baler_hdf5.contents.selections import describe_sources, set_sources

if TYPE_CHECKING:
    from h5py import h5d, h5p, h5t

# A chunk cache of this size at most, so that a row of chunks is unpacked and packed once.
LARGEST_CACHE = 64 * 2**20
UNDEFINED: Json = {"undefined": True}
# The message of a datatype of whole numbers of 64 bits, and of references, which are as long.
_NUMBER, _REFERENCE = (bytes((kind, 0, 0, 0, 8, 0, 0, 0, 0, 0, 64, 0)) for kind in (0x10, 0x17))
_FILL_MESSAGE = bytes((5, 0, 16, 0, 1, 0, 0, 0, 2, 2, 2))
# As many attributes as an object header may hold, in the order in which they were made.
MOST_ATTRIBUTES = 2**16 - 1


def describe_creation(
    dataset: h5d.DatasetID, record_type: Json, path_of: PathOf, warn: Callable[[str], None]
) -> dict[str, Json]:
    """Return the record of a dataset's creation properties and of the largest shape it may grow to."""
    import h5py
    from h5py import h5d, h5s

    properties = dataset.get_create_plist()
    record: dict[str, Json] = {
        "order": properties.get_attr_creation_order(),
        "fill": _describe_fill(dataset, record_type, path_of, warn),
        "fill_time": properties.get_fill_time(),
        "layout": {h5d.COMPACT: "compact", h5d.CHUNKED: "chunked", h5d.VIRTUAL: "virtual"}.get(
            properties.get_layout(), "contiguous"
        ),
    }
    space = dataset.get_space()
    if space.get_simple_extent_type() == h5s.SIMPLE:
        record["maxshape"] = [None if n == h5s.UNLIMITED else n for n in space.get_simple_extent_dims(True)]
    if record["layout"] == "chunked":
        record["chunks"] = list(properties.get_chunk())
        record["filters"] = describe_filters(properties, warn)
    if record["layout"] == "virtual":
        record["sources"] = describe_sources(h5py.Dataset(dataset))
    comparable = raw_dtype(record_type) is not None or "text" in record_type or "vlen" in record_type
    if comparable and _is_sparse(dataset, record):
        record["sparse"] = True
    return record


def _is_sparse(dataset: h5d.DatasetID, record: Json) -> bool:
    """Whether parts of it were never written and take no room, so that readers see the fill value there."""
    from h5py import h5d

    # Where nothing is filled in, nobody knows what readers see.
    if not dataset.shape or not math.prod(dataset.shape) or record["fill_time"] == h5d.FILL_TIME_NEVER:
        return False
    if record["layout"] == "contiguous":
        return bool(dataset.get_storage_size() == 0)
    if record["layout"] != "chunked":
        return False
    places = math.prod(-(-n // c) for n, c in zip(dataset.shape, record["chunks"], strict=True))
    return bool(dataset.get_num_chunks() < places)


def _describe_fill(dataset: h5d.DatasetID, record_type: Json, path_of: PathOf, warn: Callable[[str], None]) -> Json:
    """The fill value set by whoever wrote the file: its bytes, `{"text": ...}`, `{"run": []}` or `{"to": path}`.

    None for HDF5's own. Files of its first versions say that there is none: UNDEFINED.
    """
    from h5py import h5d

    properties = dataset.get_create_plist()
    raw, defined = raw_dtype(record_type), properties.fill_value_defined()
    if defined != h5d.FILL_VALUE_USER_DEFINED:
        return UNDEFINED if defined == h5d.FILL_VALUE_UNDEFINED and raw is not None else None
    try:
        if raw is not None:
            value = np.empty((), _fixed_text_dtype(record_type) if raw.base.kind == "S" else raw.base)
            properties.get_fill_value(value)
            return encode_bytes(value)
        if "text" in record_type:
            return {"text": encode_text(_text_fill(properties, record_type))}
        if _named_type(record_type) == {"reference": "object"}:
            return {"to": path_of(_reference_fill(properties))}
        if _fills_with_nothing(dataset.get_type(), properties):
            return {"run": []} if isinstance(_named_type(record_type).get("vlen"), str) else None
    except (RuntimeError, TypeError, ValueError, OSError):
        pass
    warn("its fill value is not kept, since it is of a type whose fill values h5py cannot read")
    return None


def _reference_fill(properties: h5p.PropDCID) -> Any:
    import h5py

    value = np.empty((), h5py.ref_dtype)
    properties.get_fill_value(value)
    return value[()]


def _fills_with_nothing(tid: h5t.TypeID, properties: h5p.PropDCID) -> bool:
    """Whether elements that are never written are the same without the fill value: NetCDF states one of lists always."""
    import h5py
    from h5py import h5d, h5p, h5s, h5z

    # A single element has neither chunks nor filters.
    properties = properties.copy()
    properties.remove_filter(h5z.FILTER_ALL)
    properties.set_layout(h5d.CONTIGUOUS)
    scalar = h5s.create(h5s.SCALAR)
    with h5py.File("fill", "w", driver="core", backing_store=False) as file:
        both = (properties, h5p.create(h5p.DATASET_CREATE))
        made = [h5d.create(file.id, None, tid, scalar, one) for one in both]
        stated, default = (h5py.Dataset(one)[()] for one in made)
        return _is_same(stated, default)


def _is_same(cell: Any, other: Any) -> bool:
    """Whether two elements of any type, with lists and fields in them, are the same."""
    if isinstance(cell, np.ndarray):
        return cell.shape == other.shape and all(map(_is_same, cell.reshape(-1), other.reshape(-1)))
    if isinstance(cell, np.void) and cell.dtype.names:
        return all(_is_same(cell[name], other[name]) for name in cell.dtype.names)
    if type(cell).__module__.startswith("h5py"):  # references, which are equal only to themselves
        return type(cell) is type(other) and not cell and not other
    return bool(cell == other)


def _text_fill(properties: h5p.PropDCID, record_type: Json) -> bytes:
    value = np.empty((1,), _text_dtype(record_type))
    properties.get_fill_value(value)
    (cell,) = value.tolist()
    return cell.encode("utf-8", "surrogateescape") if isinstance(cell, str) else bytes(cell or b"")


def _named_type(record_type: Json) -> Json:
    """What a committed type is."""
    return record_type["is"] if "named" in record_type else record_type


def _plain_type(record_type: Json) -> Json:
    """What the elements are, whatever the type is called, or is an array of."""
    while "text" not in record_type:
        record_type = record_type["is"] if "named" in record_type else record_type["of"]
    return record_type


def _fixed_text_dtype(record_type: Json) -> np.dtype[Any]:
    """Text of fixed length in the encoding of the file, without which HDF5 does not convert it."""
    import h5py

    plain = _plain_type(record_type)
    return h5py.string_dtype("utf-8" if plain["utf8"] else "ascii", plain["text"])


def _text_dtype(record_type: Json) -> np.dtype[Any]:
    import h5py

    return h5py.string_dtype("utf-8" if record_type["utf8"] else "ascii")


@cache
def _empty_run(base: str) -> np.ndarray:
    """One list without elements; kept, since h5py hands HDF5 a pointer to it that must last until the dataset is made."""
    import h5py

    value = np.empty((1,), h5py.vlen_dtype(np.dtype(base)))
    value[0] = np.empty(0, base)
    return value


def _without_fill() -> h5p.PropDCID:
    """Properties that define no fill value, which h5py cannot ask for: those of a dataset in a file that says so."""
    import h5py
    from h5py import h5d, h5p, h5s, h5t

    with h5py.File("fill", "w", driver="core", backing_store=False, libver="earliest") as file:
        properties = h5p.create(h5p.DATASET_CREATE)
        properties.set_fill_value(np.array(0, "u1"))
        h5d.create(file.id, b"x", h5t.STD_U8LE, h5s.create(h5s.SCALAR), properties)
        file.flush()
        # the message of the fill value: its type, length and flags; version, times, and whether the value is defined
        image = file.id.get_file_image().replace(_FILL_MESSAGE + b"\1", _FILL_MESSAGE + b"\0")
    with h5py.File(BytesIO(image), "r") as file:
        return file["x"].id.get_create_plist().copy()


def _filled_with_reference(address: int) -> h5p.PropDCID:
    """Properties with a reference as fill value, which h5py cannot set: those of a dataset of numbers called references."""
    import h5py
    from h5py import h5d, h5p, h5s, h5t

    with h5py.File("fill", "w", driver="core", backing_store=False, libver="earliest") as file:
        properties = h5p.create(h5p.DATASET_CREATE)
        properties.set_fill_value(np.array(address, "<u8"))
        h5d.create(file.id, b"x", h5t.STD_U64LE, h5s.create(h5s.SCALAR), properties)
        file.flush()
        image = file.id.get_file_image().replace(_NUMBER, _REFERENCE)
    with h5py.File(BytesIO(image), "r") as file:
        return file["x"].id.get_create_plist().copy()


def _with_fill(record: Json, address_of: Callable[[str | None], int]) -> h5p.PropDCID:
    """Properties with the fill value of a record and nothing else."""
    from h5py import h5p

    fill, raw = record["fill"], raw_dtype(record["type"])
    if fill == UNDEFINED:
        return _without_fill()
    if isinstance(fill, dict) and "to" in fill:
        return _filled_with_reference(address_of(fill["to"]))
    properties = h5p.create(h5p.DATASET_CREATE)
    if isinstance(fill, dict) and "run" in fill:
        properties.set_fill_value(_empty_run(_named_type(record["type"])["vlen"]))
    elif isinstance(fill, dict):
        properties.set_fill_value(np.array([decode_text(fill["text"])], _text_dtype(record["type"])))
    elif fill is not None and raw is not None:
        value = decode_bytes(fill, raw.base, ())
        if raw.base.kind == "S":
            # h5py takes an array of text of fixed length for pointers, and stores where in memory it is.
            value = np.array([value.tobytes().rstrip(b"\0")], _text_dtype(_plain_type(record["type"])))
        properties.set_fill_value(value)
    return properties


def build_creation(record: Json, address_of: Callable[[str | None], int], *, with_filters: bool = True) -> h5p.PropDCID:
    """Return the creation property list of a record; a filter this HDF5 library cannot write is left off.

    Parameters
    ----------
    address_of
        Gives the address of the object at a path, for fill values that refer to it.
    """
    from h5py import h5d

    properties = _with_fill(record, address_of)
    set_attribute_order(properties, record["order"])
    layouts = {"compact": h5d.COMPACT, "chunked": h5d.CHUNKED, "contiguous": h5d.CONTIGUOUS, "virtual": h5d.VIRTUAL}
    properties.set_layout(layouts[record["layout"]])
    if record["layout"] == "virtual":
        if record["variables"] or record["maxshape"] != record["shape"]:
            raise ValueError(f"virtual dataset {record['path']!r} has values, or grows")
        set_sources(properties, record["shape"], record["sources"])
    if record["layout"] == "chunked":
        properties.set_chunk(tuple(record["chunks"]))
        set_filters(properties, record["filters"] if with_filters else [])
    properties.set_fill_time(record["fill_time"])
    return properties


def set_attribute_order(properties: h5p.PropOCID, order: int) -> None:
    """Have attributes lie in the order in which they are made, whether or not the object tracks their order.

    Without tracking, HDF5 moves more than eight to where they are sorted by hashes, and NetCDF lists them so; files of its
    first versions keep any number as they were made.
    """
    properties.set_attr_creation_order(order)
    if not order:
        properties.set_attr_phase_change(MOST_ATTRIBUTES, 0)


def access_properties(shape: Sequence[int] | None, chunks: Sequence[int] | None, itemsize: int) -> h5p.PropDAID:
    """Return an access property list whose chunk cache holds one row of chunks along the leading dimension."""
    from h5py import h5p

    access = h5p.create(h5p.DATASET_ACCESS)
    if chunks and shape:
        chunk_bytes = math.prod(chunks) * itemsize
        across = math.prod(-(-n // c) for n, c in zip(shape[1:], chunks[1:], strict=True))
        nbytes = max(min(chunk_bytes * max(1, across), LARGEST_CACHE), chunk_bytes, 2**20)
        # the table of slots is cleared whenever a dataset is opened: no more of them than its chunks can use
        present = max(1, across) * -(-shape[0] // chunks[0])
        access.set_chunk_cache(100 * min(nbytes // chunk_bytes, present, 10_000) + 1, nbytes, 1.0)
    return access
