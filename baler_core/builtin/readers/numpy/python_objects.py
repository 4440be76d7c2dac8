"""Write data compressed from Python objects as an archive of arrays, readable without baler."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from baler_core.builtin.objects.numpy_arrays import ALONE, NumpyArrays
from baler_core.builtin.readers.numpy.npy_array import ArrayForm, joined, split_fields
from baler_core.builtin.readers.numpy.sinks import NpzSink
from baler_core.data.block import Block, make_block, values_of
from baler_core.data.variables import Json, Schema
from baler_core.errors import DataError
from baler_core.plugin.reading import Categories, Cut, Reader, Sink, Source

PARTS = "a part"
# How much larger texts may become that are all as long as the longest.
_LONGEST_ARCHIVE = 64


class PythonReader(Reader):
    """Stands for `baler_core.compress(object)`: such a `.bal` file restores to one array per variable."""

    name: ClassVar[str] = "python"
    summary: ClassVar[str] = "Python objects given to baler_core.compress; restored as .npz, or by baler_core.open"
    suffixes: ClassVar[tuple[str, ...]] = ()
    written: ClassVar[tuple[str, ...]] = (".npz",)

    def open(self, path: Path, variables: Sequence[str] | None = None) -> Source:
        """Refuse: there is no file format of this name."""
        raise DataError(f"{path}: the reader 'python' takes objects in memory (baler_core.compress), not files")

    def create(self, path: Path, schema: Schema) -> Sink:
        """Start an archive of the variables."""
        return _ObjectSink(path, schema)

    def cut(self, schema: Schema, whole: Schema) -> Cut:
        """Describe an archive of the arrays that are left, without the object that they were."""
        names = {v.name: {"as": dtype.str, "of": v.name} for v in schema.variables for dtype in _dates(whole, v.name)}
        return Cut(replace(schema, skeleton={"kind": PARTS, "object": names}, attachments={}))

    def categories(self, schema: Schema) -> Mapping[str, Categories]:
        """Return what columns of categories are codes of: those of pandas, and what other kinds store alike."""
        return dict(_coded(schema.skeleton.get("object")))

    def nulls(self, schema: Schema) -> Mapping[str, Sequence[str]]:
        """Return the masks of masked arrays, of columns with missing values, and of texts some of which are missing."""
        return dict(_masks(schema.skeleton.get("object")))


class _ObjectSink(Sink):
    """An archive of the arrays; what came from memory fits into it again, so it is gathered and written at the end."""

    def __init__(self, path: Path, schema: Schema) -> None:
        self._path, self._schema = path, schema
        self._pieces: dict[str, list[np.ndarray]] = {name: [] for name in schema.names}

    def write(self, block: Block) -> None:
        for name in map(str, block.variables):
            self._pieces[name].append(values_of(block, name))

    def close(self) -> None:
        arrays = {v.name: joined(self._pieces[v.name], v) for v in self._schema.variables}
        skeleton = self._schema.skeleton
        if skeleton["kind"] == NumpyArrays.name:
            whole = NumpyArrays().put_together(skeleton["object"], arrays)
            arrays = _unmasked(whole if isinstance(whole, dict) else {ALONE: whole})
        else:
            times = dict(_times(skeleton))
            arrays = {name: values.view(times.get(name, values.dtype)) for name, values in arrays.items()}
            self.warnings = (
                []
                if skeleton["kind"] == PARTS
                else [
                    f"the file holds the arrays of an object of {skeleton['kind']} and nothing else: baler_core.open gives the object back"
                ]
            )
        _write_archive(self._path, {name: _fixed(values) for name, values in arrays.items()})


def _coded(stored: Json) -> Iterator[tuple[str, Categories]]:
    """Variables of codes and what they are codes of, from the forms in a skeleton."""
    if isinstance(stored, dict) and "codes" in stored and "categories" in stored:
        codes, entries = _plain_name(stored["codes"]), _plain_name(stored["categories"])
        if codes:
            yield codes, Categories(entries, bool(stored.get("ordered")))
    for part in stored.values() if isinstance(stored, dict) else stored if isinstance(stored, list) else ():
        yield from _coded(part)


def _masks(stored: Json) -> Iterator[tuple[str, Sequence[str]]]:
    """Variables that have masks, and these, from the forms in a skeleton."""
    if isinstance(stored, dict) and isinstance(stored.get("mask"), str) and (name := _plain_name(stored.get("of"))):
        yield name, [stored["mask"]]
    for part in stored.values() if isinstance(stored, dict) else stored if isinstance(stored, list) else ():
        yield from _masks(part)


def _plain_name(form: Json) -> str:
    """The variable that a form says an array is made from; empty if there is none, or several."""
    while isinstance(form, dict):
        form = form.get("of")
    return form if isinstance(form, str) else ""


def _dates(schema: Schema, name: str) -> list[np.dtype[Any]]:
    return [dtype for of, dtype in _times(schema.skeleton) if of == name][:1]


def _times(stored: Json) -> Iterator[tuple[str, np.dtype[Any]]]:
    """Variables that hold dates and durations, and their dtypes, from the forms in a skeleton."""
    if isinstance(stored, dict) and isinstance(stored.get("of"), str) and "8[" in str(stored.get("as")):
        yield stored["of"], np.dtype(str(stored["as"]))
    for part in stored.values() if isinstance(stored, dict) else stored if isinstance(stored, list) else ():
        yield from _times(part)


def _unmasked(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Masked arrays, and texts with missing ones, as two: the values, harmless where there is none, and the mask."""
    found: dict[str, np.ndarray] = {}
    for name, values in arrays.items():
        found[name] = values
        if isinstance(values, np.ma.MaskedArray):
            found[name] = values.filled()
            found[f"{name}/mask"] = np.ma.getmaskarray(values)
        elif values.dtype.kind == "O":
            missing = np.array([not isinstance(cell, str | bytes) for cell in values.flat], bool).reshape(values.shape)
            if missing.any():
                found[name] = np.where(missing, "", values)
                found[f"{name}/mask"] = missing
    return found


def _fixed(values: np.ndarray) -> np.ndarray:
    """Texts of any length as an array of the dtype of the longest, which needs no pickle."""
    if values.dtype.kind not in "OT":
        return values
    texts = values.astype(object)
    lengths = [len(cell) for cell in texts.flat]
    if max(lengths, default=0) * len(lengths) > _LONGEST_ARCHIVE * (1 + sum(lengths)) + (1 << 26):
        raise DataError(
            "a NumPy archive stores every text with the length of the longest, which takes too much memory: use baler_core.open"
        )
    fixed = texts.astype("S" if texts.size and isinstance(texts.flat[0], bytes) else "U")
    return fixed if fixed.itemsize else fixed.astype(f"{fixed.dtype.kind}1")


def _write_archive(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    forms = [ArrayForm(name, values.dtype, values.shape) for name, values in arrays.items()]
    skeleton = {"arrays": [form.to_json() for form in forms], "compressed": False}
    sink = NpzSink(path, Schema((), {}, skeleton=skeleton))
    try:
        for form in forms:
            sink.write(make_block(_leaves(form, arrays[form.name])))
        sink.close()
    except BaseException:
        sink.abort()
        raise


def _leaves(form: ArrayForm, values: np.ndarray) -> dict[str, tuple[list[str], np.ndarray]]:
    parts = split_fields(values, form)
    return {name: ([f"{name}:{axis}" for axis in range(part.ndim)], part) for name, part in parts.items()}
