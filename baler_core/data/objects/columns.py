"""Convert arrays of any dtype to variables that models can code, each with the form that rebuilds it."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import field
from typing import Any, TypeAlias

import numpy as np

from baler_core.data.objects import text
from baler_core.data.objects.json_values import packed, unpacked
from baler_core.data.variables import Json, Schema, Variable, select_names
from baler_core.errors import DataError
from baler_core.machine.records import dataclass

Form: TypeAlias = Json
"""How an array is made again from restored variables: the name of the one it is, or a mapping whose `as` says how."""

# Times the bytes of its fields that a row of a structured array may take.
_MOST_PADDING = 64
NOT_A_TIME = float(np.iinfo(np.int64).min)


@dataclass
class _Stored:
    dtype: str
    values: Any
    dims: tuple[str, ...] | None
    shape: tuple[int, ...]
    about: dict[str, Any]


@dataclass
class Columns:
    """The variables of an object, growing.

    Attributes
    ----------
    counts
        Jagged dimensions and the variables of their counts, as in `Schema`.
    exact
        Variables that can only be kept lossless although they are whole numbers: codes of categories.
    warnings
        What of the object is not kept, one sentence each.
    unchosen
        Its variables that were not chosen.
    """

    counts: dict[str, str] = field(default_factory=dict)
    exact: set[str] = field(default_factory=set)
    warnings: list[str] = field(default_factory=list)
    unchosen: list[str] = field(default_factory=list)
    _stored: dict[str, _Stored] = field(default_factory=dict)

    def choose(self, names: Sequence[str], patterns: Sequence[str]) -> list[str]:
        """Return the names that match patterns, as `select_names` does, and take note of the others.

        Raises
        ------
        DataError
            If a name is not there.
        """
        chosen = select_names(names, patterns, "variables")
        self.unchosen += [name for name in names if name not in set(chosen)]
        return chosen

    def add(self, name: str, values: Any, dims: Sequence[str] | None = None, **about: Any) -> Form:
        """Add an array under `name` (made unique), and return the form that rebuilds it.

        Parameters
        ----------
        values
            A numpy array, masked or not, or anything with a dtype, a shape and slices (a dask array).
        dims
            Its dimensions; without them, arrays of one shape share theirs.
        about
            What `Variable` has beside name, dtype and dimensions: `units`, `label`, `fill`, `role`, ...

        Raises
        ------
        DataError
            If it holds Python objects other than text.
        """
        if isinstance(values, np.ma.MaskedArray) and values.dtype.names is None:
            return self._masked(name, values, dims, about)
        dtype = values.dtype
        if dtype.kind == "O":
            return self._objects(name, np.asarray(values), dims, about)
        if dtype.kind == "T":
            return self._strings(name, values, dims, about)
        if dtype.names is not None and values.ndim:
            return self._fields(name, values, dims, about)
        if dtype.itemsize == 0:
            raise DataError(f"the variable {name!r} is of type {dtype.str}, which has no bytes: leave it out")
        if dtype.kind in "mM":
            return self._times(name, values, dims, about)
        if dtype.names is not None:
            plain = np.asarray(values).view(f"V{dtype.itemsize}")
            return {"as": "record", "of": self._put(name, plain, dims, about), "fields": _description(name, dtype)}
        return self._put(name, values, dims, about)

    def _put(self, name: str, values: Any, dims: Sequence[str] | None, about: dict[str, Any], dtype: str = "") -> str:
        name = text.checked(name, "a variable's name")
        while name in self._stored:
            name += "_"
        given = None if dims is None else tuple(dims)
        self._stored[name] = _Stored(dtype or values.dtype.str, values, given, tuple(values.shape), about)
        return name

    def _masked(self, name: str, values: Any, dims: Sequence[str] | None, about: dict[str, Any]) -> Form:
        """The values, with something harmless where they are hidden, and the mask."""
        mask = np.ma.getmaskarray(values)
        form = {"as": "masked", "of": self.add(name, _covered(values.data, mask), dims, **about)}
        if np.ma.getmask(values) is not np.ma.nomask:
            form["mask"] = self._put(f"{name}/mask", mask, dims, {"role": "mask", "reason": "the mask of the array"})
        if values.dtype.kind != "O" and not _same(values.fill_value, np.ma.default_fill_value(values.dtype)):
            form["fill"] = packed(np.asarray(values.fill_value, values.dtype)[()], f"the fill value of {name!r}")
        if values.hardmask:
            form["hard"] = True
        return form

    def _times(self, name: str, values: Any, dims: Sequence[str] | None, about: dict[str, Any]) -> Form:
        """Dates and durations as their whole numbers, whose smallest stands for no time."""
        whole = np.dtype("i8").newbyteorder(values.dtype.byteorder)
        unit = np.datetime_data(values.dtype)[0]
        properties = {"role": "time", "reason": f"of type {values.dtype}", "fill": (NOT_A_TIME,), "units": unit} | about
        return {"as": values.dtype.str, "of": self._put(name, _Viewed(values, whole), dims, properties)}

    def _fields(self, name: str, values: Any, dims: Sequence[str] | None, about: dict[str, Any]) -> Form:
        """A structured array, one variable per field."""
        parts = []
        for part in values.dtype.names:
            own = values[part]
            inner = None
            if dims is not None:
                inner = [*dims, *(f"{name}/{part}:{axis}" for axis in range(own.ndim - values.ndim))]
            parts.append(self.add(f"{name}/{part}", own, inner, **about))
        form = {"as": "fields", "of": parts, "fields": _description(name, values.dtype), "shape": list(values.shape)}
        if isinstance(values, np.ma.MaskedArray):
            form["masked"] = True
        return form

    def _strings(self, name: str, values: Any, dims: Sequence[str] | None, about: dict[str, Any]) -> Form:
        if hasattr(values.dtype, "na_object"):
            raise DataError(f"the variable {name!r} is of type {values.dtype}, whose missing texts cannot be stored")
        return {"as": "strings", "of": self._objects(name, np.asarray(values).astype(object), dims, about)}

    def _objects(self, name: str, values: np.ndarray, dims: Sequence[str] | None, about: dict[str, Any]) -> Form:
        """Text, with what is missing in it, or calendar dates; refuses other objects."""
        found = text.sorted_out(values, name)
        if found.calendar is not None:
            properties = {"role": "time", "reason": "calendar dates"} | about
            return {"as": "calendar", "of": self._put(name, found.values, dims, properties), **found.calendar}
        form = self._put(name, found.values, dims, about, found.dtype)
        if found.missing is None:
            return form
        mask = self._put(f"{name}/mask", found.missing, dims, {"role": "mask", "reason": "tells missing texts"})
        return {"as": "missing", "of": form, "mask": mask, "is": found.missing_is}

    def schema(self, skeleton: Mapping[str, Json]) -> Schema:
        """Return the schema of all that was added."""
        unnamed = [stored.shape for stored in self._stored.values() if stored.dims is None]
        dims_of = dimension_names(unnamed, self._stored)
        variables: list[Variable] = []
        sizes: dict[str, int] = {}
        for name, stored in self._stored.items():
            dims = dims_of(stored.shape) if stored.dims is None else stored.dims
            for dim, length in zip(dims, stored.shape, strict=True):
                if sizes.setdefault(dim, length) != length:
                    raise DataError(f"the dimension {dim!r} is of {sizes[dim]} and of {length} in {name!r}")
            variables.append(Variable(name, stored.dtype, dims, **stored.about))
        # Lists of nothing have counts, but no rows that anything would lie along.
        counts = {dim: name for dim, name in self.counts.items() if dim in sizes}
        return Schema(tuple(variables), sizes, counts, skeleton)

    @property
    def arrays(self) -> dict[str, Any]:
        """The values, by variable."""
        return {name: stored.values for name, stored in self._stored.items()}


class _Viewed:
    """Slices of an array of dates as whole numbers."""

    def __init__(self, values: Any, dtype: np.dtype[Any]) -> None:
        self._values, self.dtype, self.shape = values, dtype, values.shape

    def __getitem__(self, rows: Any) -> np.ndarray:
        return np.ascontiguousarray(self._values[rows]).view(self.dtype)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        # Of rank 0, which ascontiguousarray would make a row of.
        return np.array(self._values).view(self.dtype)


def dimension_names(
    shapes: Sequence[tuple[int, ...]], taken: Mapping[str, Any]
) -> Callable[[tuple[int, ...]], tuple[str, ...]]:
    """Names for the dimensions of arrays that have none: arrays of one shape share theirs, and so form a group."""
    lengths: dict[int, set[int]] = {}
    for shape in shapes:
        for axis, length in enumerate(shape):
            lengths.setdefault(axis, set()).add(length)
    prefix = "dim"
    while any(name.startswith(prefix) for name in taken):
        prefix += "_"

    def named(shape: tuple[int, ...]) -> tuple[str, ...]:
        return tuple(
            f"{prefix}{axis}" if len(lengths[axis]) == 1 else f"{prefix}{axis}_{length}"
            for axis, length in enumerate(shape)
        )

    return named


def _description(name: str, dtype: np.dtype[Any]) -> Json:
    try:
        described = np.lib.format.dtype_to_descr(dtype)
        if np.lib.format.descr_to_dtype(described) != dtype:
            raise ValueError("its offsets cannot be described")
    except ValueError as error:
        raise DataError(f"the variable {name!r} is of type {dtype}, which cannot be stored: {error}") from error
    return described


def _covered(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The values, each hidden one replaced by the last that is not: what is hidden influences nothing."""
    if not mask.any():
        return values
    flat, hidden = values.reshape(-1).copy(), mask.reshape(-1)
    places = np.flatnonzero(~hidden)
    if not places.size:
        return np.zeros(values.shape, values.dtype) if values.dtype.kind != "O" else np.full(values.shape, "", object)
    source = np.where(hidden, places[0], np.arange(flat.size))
    covered: np.ndarray = flat[np.maximum.accumulate(source)]
    return covered.reshape(values.shape)


def _same(one: Any, other: Any) -> bool:
    return bool(np.asarray(one).dtype == np.asarray(one).dtype and (one == other or (one != one and other != other)))


def rebuild(form: Form, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """Rebuild the array of a form from restored variables.

    Raises
    ------
    KeyError, TypeError, ValueError
        If the form was damaged.
    """
    if isinstance(form, str):
        return arrays[form]
    how = form["as"]
    if how == "fields":
        return _rebuilt_fields(form, arrays)
    values = rebuild(form["of"], arrays)
    if how == "masked":
        return _rebuilt_mask(form, values, arrays)
    if how == "missing":
        return text.with_missing(values, arrays[form["mask"]], form["is"])
    if how == "strings":
        return values.astype(np.dtypes.StringDType())
    if how == "calendar":
        return text.calendar_dates(values, form)
    if how == "record":
        return values.view(_plain_dtype(form["fields"]))
    dtype = np.dtype(str(how))
    if dtype.kind not in "mM":
        raise ValueError(f"an array is stored as {how!r}")
    return values.view(dtype)


def _rebuilt_mask(form: Form, values: np.ndarray, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    mask = arrays[form["mask"]] if "mask" in form else np.ma.nomask
    fill = unpacked(form["fill"]) if "fill" in form else None
    return np.ma.MaskedArray(values, mask=mask, fill_value=fill, hard_mask=bool(form.get("hard")))


def _rebuilt_fields(form: Form, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    parts = [rebuild(part, arrays) for part in form["of"]]
    dtype = _plain_dtype(form["fields"])
    shape = tuple(map(int, form["shape"]))
    if not parts or any(part.shape[: len(shape)] != shape for part in parts):
        raise ValueError("the fields of an array differ in shape")
    if dtype.itemsize > _MOST_PADDING * (1 + sum(part.nbytes for part in parts) // max(1, math.prod(shape))):
        raise ValueError("an array is claimed to be padding above all")
    array: Any = np.zeros(shape, dtype)
    if form.get("masked"):
        array = np.ma.MaskedArray(array, mask=False)
    for name, part in zip(dtype.names or (), parts, strict=True):
        array[name] = part
    return array


def _plain_dtype(described: Json) -> np.dtype[Any]:
    """A dtype from its description, with the tuples that JSON turned into lists."""

    def part(stored: Json, index: int) -> Any:
        if index == 1:
            return whole(stored)
        return tuple(stored) if isinstance(stored, list) else stored

    def whole(stored: Json) -> Any:
        return stored if isinstance(stored, str) else [tuple(part(p, i) for i, p in enumerate(f)) for f in stored]

    dtype = np.lib.format.descr_to_dtype(whole(described))
    if dtype.hasobject:
        raise ValueError("an array is described as Python objects")
    return dtype


def unique_texts(names: Sequence[Hashable], called: Mapping[Hashable, str] | None = None) -> dict[Hashable, str]:
    """Return a unique text for each name; `called` lists the names that differ."""
    found: dict[Hashable, str] = {}
    taken: set[str] = set()
    for name in names:
        text_of = (called or {}).get(name) or str(name)
        while text_of in taken:
            text_of += "_"
        taken.add(text_of)
        found[name] = text_of
    return found
