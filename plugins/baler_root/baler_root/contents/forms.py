"""Describe the content of a branch (numbers, text, lists, records) as a plain record, also as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from awkward.forms import Form as AwkwardForm


@dataclass(frozen=True)
class Number:
    """One number per row, or a fixed-size array of them; `dtype` as numpy writes it, native (`<f4`, `|b1`)."""

    dtype: str
    shape: tuple[int, ...] = ()


@dataclass(frozen=True)
class Text:
    """One string per row."""


@dataclass(frozen=True)
class List:
    """Any number of `content` per row."""

    content: Form


@dataclass(frozen=True)
class Record:
    """Named fields, side by side."""

    fields: tuple[tuple[str, Form], ...]


Form: TypeAlias = Number | Text | List | Record


class Unsupported(Exception):
    """A branch that does not consist of numbers, text, lists and records; the message is the reason."""


@dataclass(frozen=True)
class Leaf:
    """One flat array inside a branch.

    Attributes
    ----------
    name
        The variable's name: the branch, and the record fields on the way (`Jet.pt`).
    lists
        The lists on the way, outermost first, by their place in the branch (`Jet[]`, `Jet[].hits[]`).
    form
        What it holds per row of the innermost list.
    """

    name: str
    lists: tuple[str, ...]
    form: Number | Text


def leaves(form: Form, name: str, place: str = "", lists: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """Yield the flat arrays that the branch `name` consists of, in order."""
    place = place or name
    if isinstance(form, List):
        place += "[]"
        yield from leaves(form.content, name, place, (*lists, place))
    elif isinstance(form, Record):
        for field, content in form.fields:
            yield from leaves(content, f"{name}.{field}", f"{place}.{field}", lists)
    else:
        yield Leaf(name, lists, form)


def fields_inside(form: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Return the fields inside a form by their paths, each with the form reduced to what leads to it."""
    if isinstance(form, List):
        yield from ((path, replace(form, content=inner)) for path, inner in fields_inside(form.content))
    elif isinstance(form, Record):
        for name, content in form.fields:
            yield (name,), replace(form, fields=((name, content),))
            yield from (
                ((name, *path), replace(form, fields=((name, inner),))) for path, inner in fields_inside(content)
            )


def pruned(form: Form, name: str, keep: set[str]) -> Form | None:
    """Return the form without the leaves that are not in `keep`; None if nothing is left."""
    if isinstance(form, List):
        content = pruned(form.content, name, keep)
        return List(content) if content else None
    if isinstance(form, Record):
        fields = [(field, pruned(content, f"{name}.{field}", keep)) for field, content in form.fields]
        left = tuple((field, content) for field, content in fields if content is not None)
        return Record(left) if left else None
    return form if name in keep else None


def from_awkward(form: AwkwardForm) -> Form:
    """Return the description of an awkward form.

    Raises
    ------
    Unsupported
        For optional values, unions, sets, maps, dates, and records without fields.
    """
    import awkward.forms as ak

    special = form.parameter("__array__")
    if special == "string":
        return Text()
    if special is not None:
        raise Unsupported(f"a {special} is not supported")
    if isinstance(form, ak.NumpyForm):
        return Number(_native(form.primitive), tuple(form.inner_shape))
    if isinstance(form, ak.RegularForm):
        content = from_awkward(form.content)
        if not isinstance(content, Number):
            raise Unsupported("fixed-size arrays of anything but numbers are not supported")
        return Number(content.dtype, (form.size, *content.shape))
    if isinstance(form, ak.ListOffsetForm | ak.ListForm):
        return List(from_awkward(form.content))
    if isinstance(form, ak.RecordForm):
        if not form.fields:
            raise Unsupported("it holds no values")
        return Record(tuple((field, from_awkward(form.content(field))) for field in form.fields))
    raise Unsupported(f"values of the kind {type(form).__name__.removesuffix('Form')} are not supported")


def _native(primitive: str) -> str:
    """numpy dtype string, in this machine's byte order, of an awkward primitive."""
    dtype = np.dtype(primitive)
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise Unsupported(f"numbers of type {primitive} are not supported")
    return dtype.str


def to_json(form: Form) -> Any:
    """Return the form as JSON: `"<f4"`, `["<f4", 3]`, `"str"`, `{"list": ...}`, `{"record": {field: ...}}`."""
    if isinstance(form, Number):
        return [form.dtype, *form.shape] if form.shape else form.dtype
    if isinstance(form, Text):
        return "str"
    if isinstance(form, List):
        return {"list": to_json(form.content)}
    return {"record": {field: to_json(content) for field, content in form.fields}}


def from_json(stored: Any) -> Form:
    """Return the form that `to_json` wrote."""
    if stored == "str":
        return Text()
    if isinstance(stored, str):
        return Number(stored)
    if isinstance(stored, list):
        return Number(stored[0], tuple(stored[1:]))
    if "list" in stored:
        return List(from_json(stored["list"]))
    return Record(tuple((field, from_json(content)) for field, content in stored["record"].items()))
