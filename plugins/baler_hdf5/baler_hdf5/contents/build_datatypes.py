"""Build HDF5 datatypes from the JSON records that `datatypes` makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from baler_hdf5.contents.datatypes import Json

if TYPE_CHECKING:
    from h5py import h5t


def build_type(record: Json, named: Callable[[str, Json], h5t.TypeID]) -> h5t.TypeID:
    """Return the HDF5 datatype of a record.

    Parameters
    ----------
    named
        Gives the committed type of a path, given the path and the record of what it is.
    """
    from h5py import h5t

    if isinstance(record, str):
        return h5t.py_create(np.dtype(record))
    if "named" in record:
        return named(record["named"], record["is"])
    if "text" in record:
        return _build_text(record)
    if "opaque" in record:
        opaque = h5t.create(h5t.OPAQUE, record["opaque"])
        opaque.set_tag(record["tag"].encode("latin-1"))
        return opaque
    if "bits" in record:
        return _standard_bits(record["bits"])
    if "number" in record:
        return _build_number(record)
    if "complex" in record:
        dtype = np.dtype(record["complex"])
        return getattr(h5t, f"COMPLEX_IEEE_F{dtype.itemsize * 4}{'BE' if dtype.byteorder == '>' else 'LE'}")
    if "reference" in record:
        return {"object": h5t.STD_REF_OBJ, "region": h5t.STD_REF_DSETREG}[record["reference"]]
    return _build_nested(record, named)


def memory_type(tid: Any, dtype: np.dtype[Any]) -> h5t.TypeID:
    """Return the HDF5 type of elements in memory that hold parts of variable length, for writing them as `tid`.

    Text of fixed length has the type that it has in the file. h5py would have it padded by nulls, and what HDF5 converts
    to text that ends with a null loses its last character where that takes the last byte.
    """
    from h5py import h5t

    kind = tid.get_class()
    if kind == h5t.STRING and dtype.kind == "S":
        return tid
    if kind == h5t.ARRAY and dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return h5t.array_create(memory_type(tid.get_super(), base), shape)
    if kind == h5t.COMPOUND and dtype.names is not None and dtype.fields is not None:
        compound = h5t.create(h5t.COMPOUND, dtype.itemsize)
        for index, name in enumerate(dtype.names):
            member, offset = dtype.fields[name][:2]
            compound.insert(tid.get_member_name(index), offset, memory_type(tid.get_member_type(index), member))
        return compound
    return h5t.py_create(dtype)


def _build_nested(record: Json, named: Callable[[str, Json], h5t.TypeID]) -> h5t.TypeID:
    """Types made of other types."""
    from h5py import h5t

    if "enum" in record:
        enum = h5t.enum_create(build_type(record["enum"], named))
        for name, value in record["members"]:
            enum.enum_insert(name.encode("utf-8"), value)
        return enum
    if "array" in record:
        return h5t.array_create(build_type(record["of"], named), tuple(record["array"]))
    if "vlen" in record:
        return h5t.vlen_create(build_type(record["vlen"], named))
    compound = h5t.create(h5t.COMPOUND, record["size"])
    for name, offset, member in record["compound"]:
        compound.insert(name.encode("utf-8"), offset, build_type(member, named))
    return compound


def _build_text(record: Json) -> h5t.TypeID:
    from h5py import h5t

    text = h5t.C_S1.copy()
    text.set_size(h5t.VARIABLE if record["text"] is None else record["text"])
    text.set_cset(h5t.CSET_UTF8 if record["utf8"] else h5t.CSET_ASCII)
    text.set_strpad(record["pad"])
    return text


def _standard_bits(dtype: str) -> h5t.TypeID:
    from h5py import h5t

    stored = np.dtype(dtype)
    return getattr(h5t, f"STD_B{stored.itemsize * 8}{'BE' if dtype[0] == '>' else 'LE'}").copy()


def _build_number(record: Json) -> h5t.TypeID:
    """A number that numpy does not know."""
    from h5py import h5t

    order = "BE" if record["big"] else "LE"
    if record["number"] == "integer":
        number = getattr(h5t, f"STD_{'I' if record['signed'] else 'U'}64{order}").copy()
    else:
        number = getattr(h5t, f"IEEE_F64{order}").copy()
        number.set_precision(max(64, record["offset"] + record["precision"]))
        number.set_fields(*record["fields"])
    # The significant bits of a float must hold its fields at every step, even if this makes the number larger for now.
    number.set_offset(record["offset"] if record["number"] == "float" else 0)
    number.set_precision(record["precision"])
    number.set_size(record["size"])
    number.set_offset(record["offset"])
    number.set_pad(*record["pad"])
    if record["number"] == "float":
        number.set_ebias(record["bias"])
        number.set_norm(record["norm"])
        number.set_inpad(record["inpad"])
    return number
