"""xarray's Dataset and DataArray → variables, dimensions, attributes and encoding, and back."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from baler_core.builtin.objects.conventions import told_by_attributes
from baler_core.builtin.objects.pandas_columns import add_column, frequency_of, rebuild_column, with_frequency
from baler_core.data.objects import Columns, packed, unpacked
from baler_core.data.objects.advice import advice_for
from baler_core.data.objects.columns import unique_texts
from baler_core.data.variables import Json, select_names
from baler_core.errors import DataError, FormatError
from baler_core.plugin.object_kind import ObjectKind, type_name

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

SETS = ("xarray.core.dataset.Dataset", "xarray.Dataset")
ARRAYS = ("xarray.core.dataarray.DataArray", "xarray.DataArray")


class XarraySets(ObjectKind):
    """Datasets and labelled arrays, with coordinates of every kind."""

    name: ClassVar[str] = "xarray"
    summary: ClassVar[str] = "xarray's Dataset and DataArray"
    types: ClassVar[tuple[str, ...]] = (*SETS, *ARRAYS)

    def take_apart(self, value: Any, columns: Columns, variables: Sequence[str] | None) -> Json:
        if type_name(value) in SETS:
            return _set_apart(value, columns, variables)
        dataset = _as_dataset(value)
        title = "data" if value.name is None else str(value.name)
        if variables is not None:
            select_names([title], variables, "variables")
        stored = _set_apart(dataset, columns, None, title)
        return {**stored, "array": packed(value.name, "the array's name")}

    def put_together(self, stored: Json, arrays: Mapping[str, np.ndarray]) -> Any:
        dataset = _set_together(stored, arrays)
        if "array" not in stored:
            return dataset
        array = dataset[_ARRAY]
        array.name = unpacked(stored["array"])
        return array

    def dataset(self, value: Any) -> xr.Dataset:
        return value if type_name(value) in SETS else value.to_dataset(name=value.name or "data")

    def frame(self, value: Any) -> pd.DataFrame:
        return self.dataset(value).to_dataframe()


_ARRAY = "<this array>"
"""What the values of a DataArray are called meanwhile: a name that no coordinate has."""


def _as_dataset(array: xr.DataArray) -> xr.Dataset:
    import xarray as xr

    if _ARRAY in array.coords:
        raise DataError(f"a coordinate is called {_ARRAY!r}: rename it")
    return xr.Dataset({_ARRAY: array.variable}, coords=array.coords)


def _set_apart(dataset: xr.Dataset, columns: Columns, patterns: Sequence[str] | None, title: str = "") -> Json:
    if patterns is not None:
        texts = {str(name): name for name in dataset.variables}
        chosen = {texts[text] for text in columns.choose(list(texts), patterns)}
        dataset = dataset[[name for name in dataset.variables if name in chosen]]
        # coordinates come along
        columns.unchosen = [text for text in columns.unchosen if texts[text] not in dataset.variables]
    indexes = _indexes(dataset)
    order = [name for name in dataset.variables if name not in indexes["made"]]
    dims = unique_texts(list(dataset.dims))
    titles = unique_texts(order, {_ARRAY: title})
    records = [
        _variable_apart(name, titles[name], dataset.variables[name], dims, columns, coordinate=name in dataset.coords)
        for name in order
    ]
    return _without_empty(
        {
            "variables": records,
            "dims": _renamed(dims),
            "coords": [index for index, name in enumerate(order) if name in dataset.coords],
            "multi": indexes["multi"],
            "frequencies": _frequencies(dataset, order, columns),
            "bare": [index for index, name in enumerate(order) if name in dataset.dims and name in indexes["bare"]],
            "indexed": [index for index, name in enumerate(order) if name in indexes["extra"]],
            "attrs": _packed_all(dataset.attrs, "attribute", "the dataset"),
            "encoding": _encoding(dataset.encoding, "the dataset", columns),
        }
    )


def _frequencies(dataset: xr.Dataset, order: Sequence[Hashable], columns: Columns) -> list[Json]:
    """Places and frequencies of the coordinates whose indexes know that their times follow each other regularly."""
    found = []
    for place, name in enumerate(order):
        if name in dataset.dims and name in dataset.xindexes:
            frequency = frequency_of(dataset.indexes[name], f"the coordinate {name!r}", columns)
            found += [] if frequency is None else [[place, frequency]]
    return found


def _renamed(dims: Mapping[Hashable, str]) -> list[Json]:
    """Dimensions whose names are no text, as (text, name)."""
    return [[text, packed(dim, f"the dimension {dim!r}")] for dim, text in dims.items() if text != dim]


def _indexes(dataset: xr.Dataset) -> dict[str, Any]:
    """How the indexes of a dataset differ from the plain ones that its dimension coordinates have.

    Returns
    -------
    `multi`: dimension and levels of each pandas MultiIndex; `made`: coordinates of tuples that follow from them; `bare`:
    dimension coordinates without an index; `extra`: other coordinates with one.
    """
    import xarray as xr

    found: dict[str, Any] = {"multi": [], "made": set(), "extra": set()}
    for index, coordinates in dataset.xindexes.group_by_index():
        if isinstance(index, xr.indexes.PandasMultiIndex):
            levels = [name for name in coordinates if name != index.dim]
            found["multi"].append([packed(name, "the name of an index") for name in (index.dim, *levels)])
            found["made"].add(index.dim)
        elif type(index).__name__ not in ("PandasIndex", "CFTimeIndex") or len(coordinates) > 1:
            names = ", ".join(map(repr, coordinates))
            raise DataError(f"the index of {names} is a {type_name(index)}, which cannot be stored: use drop_indexes")
        elif next(iter(coordinates)) not in dataset.dims:
            found["extra"] |= set(coordinates)
    found["bare"] = {name for name in dataset.coords if name in dataset.dims and name not in dataset.xindexes}
    return found


def _variable_apart(
    name: Hashable, title: str, variable: Any, dims: Mapping[Hashable, str], columns: Columns, *, coordinate: bool
) -> Json:
    """One variable as [title, form, what else], the last only where there is something."""
    where = f"variable {title!r}"
    data = variable.data
    about = told_by_attributes(variable.attrs, variable.encoding, data.dtype)
    if coordinate:
        about |= {"role": "axis" if name in dims else "position", "reason": "a coordinate of the dataset"}
    own_dims = [dims[dim] for dim in variable.dims]
    kind = type_name(data)
    if kind.startswith("pandas."):
        form: Json = {"pandas": add_column(title, data, own_dims[0], columns)}
    elif type(data) is np.ndarray or kind.startswith("dask."):
        form = columns.add(title, data, own_dims, **about)
    else:
        advice = advice_for(kind, "make it a numpy array")
        raise DataError(f"the {where} holds an array of type {kind}, which cannot be stored: {advice}")
    more = {
        "name": packed(name, f"the name of the {where}") if name != title else None,
        "dims": own_dims,
        "attrs": _packed_all(variable.attrs, "attribute", where),
        "encoding": _encoding(variable.encoding, where, columns),
    }
    return [title, "" if form == title else form, _without_empty(more)]


def _without_empty(record: dict[str, Json]) -> dict[str, Json]:
    return {key: value for key, value in record.items() if value is not None and (value or value in (0, False))}


def _packed_all(attributes: Mapping[Any, Any], kind: str, where: str) -> list[Json]:
    return [
        [packed(key, f"a name of an {kind}"), packed(value, f"the {kind} {key!r} of {where}")]
        for key, value in attributes.items()
    ]


def _encoding(encoding: Mapping[Any, Any], where: str, columns: Columns) -> list[Json]:
    """Return the encoding as far as it can be kept; warn about the rest."""
    kept = []
    for key, value in encoding.items():
        try:
            kept.append([str(key), packed(value, f"the encoding {key!r} of {where}")])
        except DataError:
            _warn(columns, f"the encoding {key!r} of type {type_name(value)} is left out: ", where)
    return kept


def _warn(columns: Columns, sentence: str, where: str) -> None:
    """Add a warning, or a place to the one that says the same of others."""
    for number, known in enumerate(columns.warnings):
        if known.startswith(sentence):
            columns.warnings[number] = f"{known}, of {where}"
            return
    columns.warnings.append(f"{sentence}of {where}")


def _set_together(stored: Json, arrays: Mapping[str, np.ndarray]) -> xr.Dataset:
    import xarray as xr

    renamed = {text: unpacked(name) for text, name in stored.get("dims", [])}
    names: list[Any] = []
    variables: dict[Any, xr.Variable] = {}
    for record in stored["variables"]:
        name, variable = _variable_together(record, arrays, renamed)
        names.append(name)
        variables[name] = variable
    coords = {names[int(index)]: variables[names[int(index)]] for index in stored.get("coords", [])}
    data = {name: variable for name, variable in variables.items() if name not in coords}
    bare = xr.Dataset(data, coords=xr.Coordinates(coords, indexes={}))
    dataset = _with_indexes(bare, stored, names)
    dataset.attrs = {unpacked(key): unpacked(value) for key, value in stored.get("attrs", [])}
    dataset.encoding = {str(key): unpacked(value) for key, value in stored.get("encoding", [])}
    return dataset


def _with_indexes(dataset: xr.Dataset, stored: Json, names: Sequence[Any]) -> xr.Dataset:
    import xarray as xr

    without = {names[int(index)] for index in stored.get("bare", [])}
    for name in _plain_indexes(dataset, stored, names, without):
        dataset = dataset.set_xindex(name)
    for place, frequency in stored.get("frequencies", []):
        dataset = _with_frequency(dataset, names[int(place)], frequency)
    for dim, *levels in stored.get("multi", []):
        name, parts = unpacked(dim), [unpacked(level) for level in levels]
        if not parts or any(dataset[part].ndim != 1 for part in parts):
            raise FormatError("the levels of an index are damaged")
        import pandas as pd

        values = [dataset[part].to_index() for part in parts]
        attributes = {part: dataset[part].variable for part in parts}
        made = xr.Coordinates.from_pandas_multiindex(pd.MultiIndex.from_arrays(values, names=parts), name)
        dataset = dataset.drop_vars(parts).assign_coords(made)
        for part, before in attributes.items():
            dataset[part].attrs, dataset[part].encoding = before.attrs, before.encoding
    return dataset


def _with_frequency(dataset: xr.Dataset, name: Hashable, frequency: Json) -> xr.Dataset:
    import xarray as xr

    variables = dict(dataset.variables)
    index = xr.indexes.PandasIndex(with_frequency(dataset.indexes[name], frequency), name)
    variables |= index.create_variables({name: dataset.variables[name]})
    # all of them anew: coordinates that are assigned go behind the others
    coords = {n: variables[n] for n in dataset.coords}
    return xr.Dataset(
        {n: variables[n] for n in dataset.data_vars},
        coords=xr.Coordinates(coords, indexes={**dataset.xindexes, name: index}),
    )


def _plain_indexes(dataset: xr.Dataset, stored: Json, names: Sequence[Any], without: set[Any]) -> Iterator[Any]:
    """Coordinates that an index of pandas belongs to."""
    for name in dataset.coords:
        if name in dataset.dims and dataset[name].dims == (name,) and name not in without:
            yield name
    yield from (names[int(index)] for index in stored.get("indexed", []))


def _variable_together(
    record: Json, arrays: Mapping[str, np.ndarray], renamed: Mapping[str, Any]
) -> tuple[Any, xr.Variable]:
    import xarray as xr

    from baler_core.data.objects import rebuild

    title, form, more = record
    name = unpacked(more["name"]) if "name" in more else title
    dims = tuple(renamed.get(dim, dim) for dim in more.get("dims", []))
    pandas_form = isinstance(form, dict) and "pandas" in form
    values: Any = rebuild_column(form["pandas"], arrays) if pandas_form else rebuild(form or title, arrays)
    if not pandas_form and values.ndim != len(dims):
        raise ValueError(f"the variable {title!r} has {values.ndim} dimensions, not {len(dims)}")
    attrs = {unpacked(key): unpacked(value) for key, value in more.get("attrs", [])}
    encoding = {str(key): unpacked(value) for key, value in more.get("encoding", [])}
    return name, xr.Variable(dims, values, attrs, encoding)
