"""Name the C++ type of a branch, or of a field of an RNTuple, by its form, as uproot names it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from baler_root.contents.forms import List, Number, Record, Text

_NAMES = {"b1": "bool", "i1": "int8_t", "u1": "uint8_t", "i2": "int16_t", "u2": "uint16_t", "i4": "int32_t"}
_NAMES |= {"u4": "uint32_t", "i8": "int64_t", "u8": "uint64_t", "f4": "float", "f8": "double"}


def branch_type(form: Any) -> str:
    """Return what the form of a branch is in C++."""
    if isinstance(form, Number):
        return _NAMES.get(np.dtype(form.dtype).str[1:], form.dtype) + "".join(f"[{size}]" for size in form.shape)
    if isinstance(form, List):
        return f"{branch_type(form.content)}[]"
    if isinstance(form, Text):
        return "char*"
    return "struct" if isinstance(form, Record) else ""


def field_type(form: Any, inner: Sequence[str]) -> str:
    """Return what a field of an RNTuple is in C++; nothing of records, whose classes have no name here.

    Parameters
    ----------
    form
        Of the field at the top.
    inner
        The names that lead to the field inside it.
    """
    for name in inner:
        while isinstance(form, List):
            form = form.content
        form = dict(form.fields)[name]
    return _type_of(form)


def _type_of(form: Any) -> str:
    if isinstance(form, Number):
        name = _NAMES.get(np.dtype(form.dtype).str[1:], form.dtype)
        name = f"std::{name}" if name.endswith("_t") else name
        for size in reversed(form.shape):
            name = f"std::array<{name},{size}>"
        return name
    if isinstance(form, List):
        content = _type_of(form.content)
        return f"std::vector<{content}>" if content else ""
    return "std::string" if isinstance(form, Text) else ""
