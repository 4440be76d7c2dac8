"""HDF5 datatypes as JSON records and back, and the numpy dtype that describes their bytes.

A record is a numpy dtype string (`"<f4"`) for plain numbers, else a dictionary with one key that tells the class:
`text`, `opaque`, `bits`, `number`, `enum`, `compound`, `array`, `vlen`, `reference`, `complex` or `named`.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from h5py import h5t

Json: TypeAlias = Any
# A compound may hold compounds; nobody nests deeper, and a hostile file must not exhaust the stack.
DEEPEST = 32


class UnsupportedTypeError(Exception):
    """A datatype that cannot be restored; the dataset or attribute is left out with a warning."""


def describe_type(tid: h5t.TypeID, named: Mapping[int, str], depth: int = 0) -> Json:
    """The record of an HDF5 datatype.

    Parameters
    ----------
    named
        Paths of the file's committed types by address.

    Raises
    ------
    UnsupportedTypeError
        For region references, times and anything newer than this module.
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
        h5t.BITFIELD: lambda t: {"bits": f"{'>' if t.get_order() == h5t.ORDER_BE else '<'}u{t.get_size()}"},
        h5t.STRING: _describe_text,
        h5t.OPAQUE: lambda t: {"opaque": t.get_size(), "tag": t.get_tag().decode("latin-1")},
        h5t.ENUM: lambda t: {"enum": inner(t.get_super()), "members": _members(t)},
        h5t.ARRAY: lambda t: {"array": list(t.get_array_dims()), "of": inner(t.get_super())},
        h5t.VLEN: lambda t: {"vlen": inner(t.get_super())},
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


def _describe_text(tid: Any) -> Json:
    from h5py import h5t

    length = None if tid.is_variable_str() else tid.get_size()
    return {"text": length, "utf8": tid.get_cset() == h5t.CSET_UTF8, "pad": tid.get_strpad()}


def _describe_reference(tid: Any) -> Json:
    from h5py import h5t

    if not tid.equal(h5t.STD_REF_OBJ):
        raise UnsupportedTypeError("references to regions")
    return {"reference": "object"}


def _members(tid: Any) -> list[Json]:
    """Names and values of an enumeration."""
    return [[_text(tid.get_member_name(i)), int(tid.get_member_value(i))] for i in range(tid.get_nmembers())]


def _text(name: bytes) -> str:
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UnsupportedTypeError(f"a member whose name {name!r} is not UTF-8") from error


def build_type(record: Json, named: Callable[[str, Json], h5t.TypeID]) -> h5t.TypeID:
    """The HDF5 datatype of a record.

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
        return h5t.STD_REF_OBJ
    return _build_nested(record, named)


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
        number.set_fields(*record["fields"])
    number.set_offset(0)
    number.set_precision(record["precision"])
    number.set_size(record["size"])
    number.set_offset(record["offset"])
    number.set_pad(*record["pad"])
    if record["number"] == "float":
        number.set_ebias(record["bias"])
        number.set_norm(record["norm"])
        number.set_inpad(record["inpad"])
    return number


def raw_dtype(record: Json) -> np.dtype[Any] | None:
    """The numpy dtype describing an element's bytes as they lie in the file; None if its length varies."""
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
        return np.dtype(f"V{record['size']}")
    if "enum" in record:
        return np.dtype(bool) if is_boolean(record) else raw_dtype(record["enum"])
    if "array" in record:
        base = raw_dtype(record["of"])
        return None if base is None else np.dtype((base, tuple(record["array"])))
    return _raw_compound(record) if "compound" in record else None


def _raw_compound(record: Json) -> np.dtype[Any] | None:
    """The structured dtype of a compound; a complex dtype for a pair of floats called r and i."""
    parts = [raw_dtype(member) for _, _, member in record["compound"]]
    if any(part is None for part in parts):
        return None
    names = [name for name, _, _ in record["compound"]]
    offsets = [offset for _, offset, _ in record["compound"]]
    first = parts[0]
    if names == ["r", "i"] and first is not None and first.kind == "f" and first.itemsize in (4, 8):
        if parts[1] == first and offsets == [0, first.itemsize] and record["size"] == 2 * first.itemsize:
            return np.dtype(f"c{2 * first.itemsize}").newbyteorder(first.byteorder)
    return np.dtype({"names": names, "formats": parts, "offsets": offsets, "itemsize": record["size"]})


def is_boolean(record: Json) -> bool:
    """Whether an enumeration is how h5py stores booleans."""
    members = sorted((name, value) for name, value in record["members"])
    return record["enum"] == "|i1" and members == [("FALSE", 0), ("TRUE", 1)]


def encode_bytes(values: np.ndarray) -> str:
    """The bytes of an array as base64 text."""
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode("ascii")


def decode_bytes(text: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> np.ndarray:
    """The array whose bytes `encode_bytes` stored; a dtype of arrays adds its dimensions behind `shape`."""
    whole = np.zeros(shape, dtype)
    raw = base64.b64decode(text)
    return np.frombuffer(raw, whole.dtype).reshape(whole.shape) if raw else whole
