"""numpy arrays, alone or by name, masked, structured or of text → variables, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from baler_core.builtin.objects.presenting import array_variables, dataset_of
from baler_core.data.objects import Columns, rebuild
from baler_core.data.objects.advice import advice_for
from baler_core.data.variables import Json, select_names
from baler_core.errors import DataError
from baler_core.plugin.object_kind import ObjectKind, type_name

if TYPE_CHECKING:
    import xarray as xr

ARRAYS = ("numpy.ndarray", "numpy.memmap", "numpy.rec.recarray", "numpy.recarray", "numpy.ma.MaskedArray")
ALONE = "data"
"""What the variable of an array without a name is called."""


class NumpyArrays(ObjectKind):
    """One array, whose variable is called `data`, or a mapping of names to arrays."""

    name: ClassVar[str] = "numpy"
    summary: ClassVar[str] = "numpy arrays, masked and structured ones too, alone or in a dict"
    types: ClassVar[tuple[str, ...]] = (*ARRAYS, "numpy.ma.core.MaskedArray", "dict")

    def takes(self, value: object) -> bool:
        # Numbers of numpy are arrays of rank 0; other mappings of arrays count as dicts.
        return super().takes(value) or isinstance(value, np.generic) or _is_plain_mapping(value)

    def take_apart(self, value: Any, columns: Columns, variables: Sequence[str] | None) -> Json:
        if not isinstance(value, Mapping):
            return {"alone": _added(ALONE, _fields_chosen(ALONE, _array(value), variables, columns), columns)}
        texts = [name for name in value if isinstance(name, str)]
        if len(texts) < len(value):
            other = next(name for name in value if not isinstance(name, str))
            raise DataError(f"arrays are named by text, found the name {other!r} of type {type(other).__name__}")
        arrays = {name: _checked(name, item) for name, item in value.items()}
        if variables is not None:
            arrays = _chosen(arrays, variables, columns)
        forms = {name: _added(name, array, columns) for name, array in arrays.items()}
        if all(name == form for name, form in forms.items()):
            return {}
        return {"forms": [name if name == form else [name, form] for name, form in forms.items()]}

    def put_together(self, stored: Json, arrays: Mapping[str, np.ndarray]) -> Any:
        if "alone" in stored:
            return _rebuilt(stored["alone"], arrays)
        if "forms" not in stored:
            return dict(arrays)
        pairs = [(form, form) if isinstance(form, str) else form for form in stored["forms"]]
        return {str(name): _rebuilt(form, arrays) for name, form in pairs}

    def dataset(self, value: Any) -> xr.Dataset:
        return dataset_of(array_variables(value if isinstance(value, dict) else {ALONE: value}))


def _is_plain_mapping(value: object) -> bool:
    """Whether this is a mapping of arrays (an open `.npz` file is one) and no object of a library that happens to be."""
    parts = type_name(value).split(".")
    own = parts[0] in ("collections", "mappingproxy", "types") or (parts[0], parts[-1]) == ("numpy", "NpzFile")
    return own and isinstance(value, Mapping)


def _array(value: Any) -> np.ndarray:
    return np.asarray(value) if isinstance(value, np.generic) else value


def _checked(name: str, value: Any) -> np.ndarray:
    """An array; lists and Python's own numbers become one, other objects are refused by name."""
    if type(value) in (list, tuple, int, float, complex, bool, str, bytes):
        try:
            value = np.asarray(value)
        except (ValueError, OverflowError) as error:
            raise DataError(
                f"the variable {name!r} is a {type(value).__name__} that cannot be converted to an array: {error}"
            ) from error
    if isinstance(value, np.generic):
        return np.asarray(value)
    if type_name(value) not in NumpyArrays.types or isinstance(value, dict):
        raise DataError(
            f"the variable {name!r} is of type {type_name(value)}, which cannot be stored among arrays: "
            + advice_for(type_name(value), "make it a numpy array")
        )
    return value


def _fields_chosen(name: str, array: np.ndarray, patterns: Sequence[str] | None, columns: Columns) -> np.ndarray:
    return array if patterns is None else _chosen({name: array}, patterns, columns)[name]


def _chosen(arrays: Mapping[str, np.ndarray], patterns: Sequence[str], columns: Columns) -> dict[str, np.ndarray]:
    """The arrays that match, whole or cut down to the fields that do."""
    fields = [f"{name}/{part}" for name, array in arrays.items() for part in array.dtype.names or ()]
    kept = set(select_names([*arrays, *fields], patterns, "variables"))
    chosen = {}
    for name, array in arrays.items():
        parts = [part for part in array.dtype.names or () if f"{name}/{part}" in kept]
        if name in kept:
            chosen[name] = array
            continue
        whole = [f"{name}/{part}" for part in array.dtype.names or ()] or [name]
        columns.unchosen += [part for part in whole if part not in kept]
        if parts:
            chosen[name] = array[parts].astype([(part, array.dtype[part]) for part in parts])
    return chosen


def _added(name: str, array: np.ndarray, columns: Columns) -> Json:
    form = columns.add(name, array)
    return {"recarray": form} if isinstance(array, np.recarray) else form


def _rebuilt(form: Json, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    if isinstance(form, dict) and "recarray" in form:
        return rebuild(form["recarray"], arrays).view(np.recarray)
    return rebuild(form, arrays)
