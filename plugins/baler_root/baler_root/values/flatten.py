"""Take the awkward arrays of a branch apart into flat arrays and counts, and put them together again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from baler_root.contents.forms import Form, List, Number, Record, Text

if TYPE_CHECKING:
    from awkward.contents import Content

Arrays: TypeAlias = dict[str, np.ndarray]


def take_apart(layout: Content, form: Form, name: str) -> tuple[Arrays, Arrays]:
    """Return flat values and counts of one branch.

    Returns
    -------
    values
        `{leaf name: array}`, 1-D or, for fixed-size arrays, N-D; strings as object arrays.
    counts
        `{place of a list: int64 array}`, one per row of the list around it.
    """
    values: Arrays = {}
    counts: Arrays = {}
    _take(_packed(layout), form, name, name, values, counts)
    return values, counts


def _packed(layout: Content) -> Content:
    """Return a layout without gaps; of numbers and of lists of them that have none, as of most branches, the same."""
    import awkward as ak

    if layout.is_numpy:
        return layout
    if isinstance(layout, ak.contents.ListOffsetArray) and layout.content.is_numpy:
        offsets = np.asarray(layout.offsets)
        if offsets[0] == 0 and offsets[-1] == len(layout.content):
            return layout
    return ak.to_packed(layout, highlevel=False)


def _take(layout: Content, form: Form, name: str, place: str, values: Arrays, counts: Arrays) -> None:
    """One level of `take_apart`; the layout is packed."""
    import awkward as ak

    if isinstance(form, List):
        place += "[]"
        if layout.is_regular or layout.is_unknown:
            layout = layout.to_ListOffsetArray64(True)
        counts[place] = np.diff(np.asarray(layout.offsets)).astype(np.int64)
        _take(layout.content, form.content, name, place, values, counts)
    elif isinstance(form, Record):
        for field, content in form.fields:
            _take(layout[field], content, f"{name}.{field}", f"{place}.{field}", values, counts)
    elif isinstance(form, Text):
        values[name] = np.array([*ak.to_list(layout), None], object)[:-1]
    elif len(layout) == 0:
        values[name] = np.zeros((0, *form.shape), form.dtype)
    elif layout.is_numpy:
        values[name] = np.ascontiguousarray(layout.data, form.dtype)
    else:
        values[name] = np.ascontiguousarray(ak.to_numpy(layout, allow_missing=False), form.dtype)


def put_together(form: Form, name: str, values: Mapping[str, np.ndarray], counts: Mapping[str, np.ndarray]) -> Content:
    """Return the awkward layout of one branch: the inverse of `take_apart`."""
    return _put(form, name, name, values, counts)


def _put(
    form: Form, name: str, place: str, values: Mapping[str, np.ndarray], counts: Mapping[str, np.ndarray]
) -> Content:
    import awkward as ak

    if isinstance(form, List):
        place += "[]"
        content = _put(form.content, name, place, values, counts)
        return ak.contents.ListOffsetArray(ak.index.Index64(offsets_of(counts[place])), content)
    if isinstance(form, Record):
        contents = [_put(c, f"{name}.{f}", f"{place}.{f}", values, counts) for f, c in form.fields]
        return ak.contents.RecordArray(contents, [field for field, _ in form.fields])
    if isinstance(form, Text):
        return text_layout(values[name])
    return number_layout(values[name], form)


def number_layout(values: np.ndarray, form: Number) -> Content:
    """Return numbers as an awkward layout; fixed-size arrays become regular lists."""
    import awkward as ak

    layout: Content = ak.contents.NumpyArray(np.ascontiguousarray(values).reshape(-1))
    lengths = np.cumprod((len(values), *form.shape))[:-1]
    for size, length in zip(form.shape[::-1], lengths[::-1], strict=True):
        layout = ak.contents.RegularArray(layout, size, int(length))
    return layout


def text_layout(values: np.ndarray) -> Content:
    """Return strings as an awkward layout."""
    import awkward as ak

    encoded = [encode_text(value) for value in values]
    lengths = np.fromiter(map(len, encoded), np.int64, len(encoded))
    characters = ak.contents.NumpyArray(np.frombuffer(b"".join(encoded), np.uint8), parameters={"__array__": "char"})
    return ak.contents.ListOffsetArray(
        ak.index.Index64(offsets_of(lengths)), characters, parameters={"__array__": "string"}
    )


def encode_text(value: str) -> bytes:
    """Return the bytes a string was read from; uproot reads what is not UTF-8 as surrogates."""
    return value.encode("utf-8", "surrogateescape")


def offsets_of(counts: np.ndarray) -> np.ndarray:
    """Return offsets (int64, one more than counts) of lists of these lengths."""
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    return offsets
