"""awkward arrays in memory → variables with jagged dimensions, and back with records, options and parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from baler_core import Block, Columns, DataError, ObjectKind, packed, rebuild, unpacked

Json = Any
TEXTS = {"string": "str", "bytestring": "bytes"}


class AwkwardArrays(ObjectKind):
    """Records of flat and jagged columns: `events.Jet.pt` is the variable `Jet_pt`, counted by `nJet`."""

    name = "awkward"
    summary = "arrays of awkward: records, lists of lists, missing values, texts"
    types = ("awkward.highlevel.Array",)

    def take_apart(self, value: Any, columns: Columns, variables: Sequence[str] | None) -> Json:
        import awkward as ak

        if value.layout.backend.name not in ("cpu", "numpy"):
            raise DataError(f"the awkward array lies on the backend {value.layout.backend.name!r}: use ak.to_backend")
        if variables is not None:
            value = value[columns.choose(list(ak.fields(value)), variables)]
        attrs = packed(dict(value.attrs or {}), "the attrs of the array")
        form = _Taking(columns).take(ak.to_packed(value).layout, "", "entry")
        return {"form": form, "length": len(value), "attrs": attrs}

    def put_together(self, stored: Json, arrays: Mapping[str, np.ndarray]) -> Any:
        import awkward as ak

        layout = _put(stored["form"], int(stored["length"]), arrays)
        if len(layout) != int(stored["length"]):
            raise ValueError(f"an array of {len(layout)} entries, not {stored['length']}")
        return ak.Array(layout, attrs=unpacked(stored["attrs"]) or None)

    def dataset(self, value: Any) -> Block | None:
        return None


@dataclass
class _Taking:
    """The walk through an array's layout.

    Attributes
    ----------
    shared
        Jagged dimensions by what they hang on and their counts: lists that are equally long share one.
    """

    columns: Columns
    shared: dict[tuple[str, bytes], tuple[str, str]] = field(default_factory=dict)

    def take(self, layout: Any, name: str, dim: str) -> Json:
        """Add the contents of a layout under a dimension, and return the form that rebuilds it.

        Raises
        ------
        DataError
            Naming a part that cannot be stored, and its type.
        """
        if type(layout).__name__ == "IndexedArray" and layout.parameter("__array__") != "categorical":
            layout = layout.project()
        kind = type(layout).__name__
        parameters = dict(layout.parameters)
        made = {
            "RecordArray": self._record,
            "NumpyArray": self._numbers,
            "EmptyArray": self._nothing,
            "ListOffsetArray": self._list,
            "ListArray": self._list,
            "RegularArray": self._regular,
        }.get(kind)
        if layout.is_option:
            form = self._option(layout, name, dim)
        elif made is None or parameters.get("__array__") == "categorical":
            raise DataError(
                f"the variable {name or 'data'!r} is of type {layout.form.type}, which cannot be stored: {_advice(layout)}"
            )
        else:
            form = made(layout, name, dim)
        if parameters and "text" not in form:
            form["parameters"] = packed(parameters, f"a parameter of {name or 'data'!r}")
        return form

    def _record(self, layout: Any, name: str, dim: str) -> Json:
        if not layout.fields and len(layout):
            raise DataError(f"the variable {name or 'data'!r} is a record without fields, which cannot be stored")
        parts = [self.take(layout.content(part), f"{name}_{part}" if name else part, dim) for part in layout.fields]
        return {"is": "record", "fields": None if layout.is_tuple else list(layout.fields), "of": parts}

    def _numbers(self, layout: Any, name: str, dim: str) -> Json:
        values = np.asarray(layout.data)
        dims = [dim, *(f"{name or 'data'}:{axis}" for axis in range(1, values.ndim))]
        return {"is": "numbers", "of": self.columns.add(name or "data", values, dims)}

    def _nothing(self, layout: Any, name: str, dim: str) -> Json:
        return {"is": "nothing"}

    def _list(self, layout: Any, name: str, dim: str) -> Json:
        text = TEXTS.get(str(layout.parameter("__array__")))
        if text is not None:
            import awkward as ak

            cells = np.empty(len(layout), object)
            cells[:] = ak.to_list(layout)
            return {"is": "text", "text": text, "of": self.columns.add(name or "data", cells, (dim,))}
        offset = layout.to_ListOffsetArray64(True)
        starts = np.asarray(offset.offsets.data)
        counts, inner = self._counted(np.diff(starts), name, dim)
        return {"is": "list", "counts": counts, "of": self.take(offset.content[: starts[-1]], name, inner)}

    def _counted(self, counts: np.ndarray, name: str, dim: str) -> tuple[str, str]:
        """The variable of the counts and the dimension it counts."""
        key = (dim, counts.tobytes())
        if key not in self.shared:
            small = np.dtype("<u4" if counts.size and counts.max() >= 1 << 31 else "<i4")
            title = self.columns.add(f"n{name}", counts.astype(small), (dim,), role="count", reason="lengths of lists")
            inner = f"{title}:rows"
            self.columns.counts[inner] = title
            self.shared[key] = (title, inner)
        return self.shared[key]

    def _regular(self, layout: Any, name: str, dim: str) -> Json:
        """Lists that are all equally long by type: as jagged ones, whose counts cost nothing."""
        if layout.parameter("__array__") in TEXTS:
            raise DataError(f"the variable {name or 'data'!r} is text of a fixed length, which cannot be stored")
        counts, inner = self._counted(np.full(len(layout), layout.size, np.int64), name, dim)
        content = layout.content[: len(layout) * layout.size]
        return {"is": "regular", "size": int(layout.size), "of": self.take(content, name, inner), "counts": counts}

    def _option(self, layout: Any, name: str, dim: str) -> Json:
        """Values where there are some, on a dimension of their own, and where that is."""
        there = ~np.asarray(layout.mask_as_bool(valid_when=False))
        title, inner = self._counted(there.astype(np.int64), name, dim)
        return {"is": "option", "there": title, "of": self.take(layout.project(), name, inner)}


def _put(form: Json, length: int, arrays: Mapping[str, np.ndarray]) -> Any:
    """Rebuild the layout of a form."""
    import awkward as ak

    parameters = unpacked(form["parameters"]) if "parameters" in form else None
    kind = form["is"]
    if kind == "record":
        parts = [_put(part, length, arrays) for part in form["of"]]
        return ak.contents.RecordArray(parts, form["fields"], length, parameters=parameters)
    if kind == "nothing":
        return ak.contents.EmptyArray(parameters=parameters)
    if kind == "numbers":
        return ak.contents.NumpyArray(rebuild(form["of"], arrays), parameters=parameters)
    if kind == "text":
        return _texts(rebuild(form["of"], arrays), str(form["text"]))
    if kind == "option":
        return _put_option(form, length, arrays, parameters)
    counts = arrays[form["counts"]].astype(np.int64)
    if kind == "regular":
        size = int(form["size"])
        content = _put(form["of"], length * size, arrays)
        return ak.contents.RegularArray(content, size, length, parameters=parameters)
    if kind != "list":
        raise ValueError(f"a part of an array is stored as {kind!r}")
    offsets = np.concatenate([[0], np.cumsum(counts)])
    content = _put(form["of"], int(offsets[-1]), arrays)
    return ak.contents.ListOffsetArray(ak.index.Index64(offsets), content, parameters=parameters)


def _put_option(form: Json, length: int, arrays: Mapping[str, np.ndarray], parameters: Any) -> Any:
    import awkward as ak

    there = arrays[form["there"]].astype(bool)
    index = np.where(there, np.cumsum(there) - 1, -1)
    content = _put(form["of"], int(there.sum()), arrays)
    return ak.contents.IndexedOptionArray(ak.index.Index64(index), content, parameters=parameters)


def _texts(cells: np.ndarray, kind: str) -> Any:
    """A column of text, whose bytes awkward keeps in a row."""
    import awkward as ak

    name, inner = ("string", "char") if kind == "str" else ("bytestring", "byte")
    raw = [cell.encode() if isinstance(cell, str) else bytes(cell) for cell in cells]
    offsets = np.concatenate([[0], np.cumsum([len(cell) for cell in raw], dtype=np.int64)])
    content = ak.contents.NumpyArray(np.frombuffer(b"".join(raw), np.uint8), parameters={"__array__": inner})
    return ak.contents.ListOffsetArray(ak.index.Index64(offsets), content, parameters={"__array__": name})


def _advice(layout: Any) -> str:
    """Return how to make an array of a layout that cannot be stored one that can."""
    if layout.parameter("__array__") == "categorical":
        return "convert it by ak.from_categorical"
    if layout.is_union:
        return "make it of one type, as by ak.Array([str(x) for x in array]), or store what is of each type in a field of its own"
    return "convert it by ak.to_packed, or to lists and numbers"
