"""HDF5 datatypes as JSON records.

A record is a numpy dtype string (`"<f4"`) for plain numbers, else a dictionary with one key that tells the class:
`text`, `opaque`, `bits`, `number`, `enum`, `compound`, `array`, `vlen`, `reference`, `complex` or `named`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from h5py import h5t

Json: TypeAlias = Any
# A compound may hold compounds; nobody nests deeper, and a hostile file must not exhaust the stack.
DEEPEST = 32


class UnsupportedTypeError(ValueError):
    """A datatype that cannot be restored; the dataset or attribute is left out with a warning."""


def describe_type(tid: h5t.TypeID, named: Mapping[int, str], depth: int = 0) -> Json:
    """Return the record of an HDF5 datatype.

    Parameters
    ----------
    named
        Paths of the file's committed types by address.

    Raises
    ------
    UnsupportedTypeError
        For times and anything newer than this module.
    """
    from h5py import h5o, h5t

    if depth > DEEPEST:
        raise UnsupportedTypeError(f"a type nested more than {DEEPEST} levels deep")
    if tid.committed():
        path = named.get(h5o.get_info(tid).addr)
        if path is not None:
            return {"named": path, "is": _describe(tid, named, depth)}
    if isinstance(tid, h5t.TypeTimeID):
        raise UnsupportedTypeError("the HDF5 type time")
    return _describe(tid, named, depth)


def _describe(tid: h5t.TypeID, named: Mapping[int, str], depth: int) -> Json:
    """The record of a type, its being committed aside."""
    from h5py import h5t

    def inner(part: h5t.TypeID) -> Json:
        return describe_type(part, named, depth + 1)

    describers: dict[int, Callable[[Any], Json]] = {
        h5t.INTEGER: _describe_number,
        h5t.FLOAT: _describe_number,
        h5t.BITFIELD: _describe_bits,
        h5t.STRING: _describe_text,
        h5t.OPAQUE: lambda t: {"opaque": t.get_size(), "tag": t.get_tag().decode("latin-1")},
        h5t.ENUM: lambda t: {"enum": inner(t.get_super()), "members": _members(t)},
        h5t.ARRAY: lambda t: {"array": list(t.get_array_dims()), "of": inner(t.get_super())},
        h5t.VLEN: lambda t: {"vlen": _as_h5py_writes(_without_regions(inner(t.get_super())))},
        h5t.REFERENCE: _describe_reference,
        h5t.COMPOUND: lambda t: {
            "compound": [
                [_text(t.get_member_name(i)), t.get_member_offset(i), inner(t.get_member_type(i))]
                for i in range(t.get_nmembers())
            ],
            "size": t.get_size(),
        },
    }
    if hasattr(h5t, "COMPLEX"):
        describers[h5t.COMPLEX] = lambda t: {"complex": t.dtype.str}
    if tid.get_class() not in describers:
        raise UnsupportedTypeError(f"the HDF5 type class {tid.get_class()}")
    return describers[tid.get_class()](tid)


def _describe_number(tid: Any) -> Json:
    """A numpy dtype string; numbers numpy does not know (bfloat16, 12-bit integers) by their encoded form."""
    from h5py import h5t

    if tid.get_order() not in (h5t.ORDER_LE, h5t.ORDER_BE, h5t.ORDER_NONE):
        raise UnsupportedTypeError("numbers in the byte order of VAX")
    try:
        dtype = tid.dtype
        if h5t.py_create(dtype).equal(tid):
            return dtype.str
    except (TypeError, ValueError):
        pass
    fields: dict[str, Json] = {
        "size": tid.get_size(),
        "big": tid.get_order() == h5t.ORDER_BE,
        "precision": tid.get_precision(),
        "offset": tid.get_offset(),
        "pad": list(tid.get_pad()),
    }
    if tid.get_class() == h5t.INTEGER:
        return {"number": "integer", "signed": tid.get_sign() == h5t.SGN_2, **fields}
    float_fields = {"fields": list(tid.get_fields()), "bias": tid.get_ebias(), "norm": tid.get_norm()}
    return {"number": "float", **float_fields, "inpad": tid.get_inpad(), **fields}


def _describe_bits(tid: Any) -> Json:
    from h5py import h5t

    if tid.get_size() not in (1, 2, 4, 8):
        raise UnsupportedTypeError(f"bit fields of {tid.get_size()} bytes")
    return {"bits": f"{'>' if tid.get_order() == h5t.ORDER_BE else '<'}u{tid.get_size()}"}


def _describe_text(tid: Any) -> Json:
    from h5py import h5t

    length = None if tid.is_variable_str() else tid.get_size()
    return {"text": length, "utf8": tid.get_cset() == h5t.CSET_UTF8, "pad": tid.get_strpad()}


def _describe_reference(tid: Any) -> Json:
    from h5py import h5t

    if tid.equal(h5t.STD_REF_OBJ):
        return {"reference": "object"}
    if tid.equal(h5t.STD_REF_DSETREG):
        return {"reference": "region"}
    raise UnsupportedTypeError("references of a kind newer than h5py reads")


def _without_regions(record: Json) -> Json:
    """Elements of variable-length arrays, none of which may hold references to regions: h5py spoils memory with these."""
    if isinstance(record, dict):
        if record.get("reference") == "region":
            raise UnsupportedTypeError("lists of references to regions, which h5py cannot read")
        for part in _parts(record):
            _without_regions(part)
    return record


def _parts(record: Json) -> list[Json]:
    """The types that a type is made of."""
    if "compound" in record:
        return [member for _, _, member in record["compound"]]
    return [record[key] for key in ("is", "of", "vlen") if key in record]


def _as_h5py_writes(record: Json) -> Json:
    """Elements of variable-length arrays: plain numbers in the machine's own order, text of fixed length padded by nulls.

    Text that ends with a null would lose its last character on the way, and all of it where it has one, as the names of
    fields have in MATLAB's files.
    """
    if isinstance(record, str):
        return np.dtype(record).newbyteorder("<").str
    return _as_h5py_pads(record)


def _as_h5py_pads(record: Json) -> Json:
    """The same of text within compounds and arrays, whose numbers keep their order."""
    from h5py import h5t

    if not isinstance(record, dict):
        return record
    if record.get("text") is not None and record["pad"] == h5t.STR_NULLTERM:
        return {**record, "pad": h5t.STR_NULLPAD}
    if "array" in record:
        return {**record, "of": _as_h5py_pads(record["of"])}
    if "compound" in record:
        members = [[name, offset, _as_h5py_pads(member)] for name, offset, member in record["compound"]]
        return {**record, "compound": members}
    return record


def _members(tid: Any) -> list[Json]:
    """Names and values of an enumeration."""
    return [[_text(tid.get_member_name(i)), int(tid.get_member_value(i))] for i in range(tid.get_nmembers())]


def _text(name: bytes) -> str:
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnsupportedTypeError(f"a member whose name {name!r} is not UTF-8") from error
