"""Restored arrays → an xarray.Dataset or a pandas.DataFrame for people who want one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from baler_core.data.block import make_block
from baler_core.data.objects.columns import dimension_names
from baler_core.data.variables import Variable
from baler_core.errors import DataError

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

# Times the values of the largest variable that a table of all places may have rows: bounds of cells take 2 per axis.
_MOST_PLACES = 16

Named = Mapping[str, tuple[Sequence[str] | None, Any]]


def dataset_of(variables: Named, attributes: Mapping[str, Mapping[str, Any]] | None = None) -> xr.Dataset:
    """Return a dataset of arrays by name with their dimensions; those without share some by shape.

    Dates come as xarray holds them (the nearest of s, ms, us and ns), those it cannot hold as whole numbers with their
    dtype as an attribute, masked values as NaN or NaT, whole numbers among
    them as float64, as xarray has it; where that is not exact, as the fill value, which the attribute `_FillValue` tells.
    """
    named = dimension_names([values.shape for dims, values in variables.values() if dims is None], variables)
    plain: dict[str, tuple[Sequence[str], np.ndarray]] = {}
    filled: dict[str, Any] = {}
    odd: dict[str, str] = {}
    for name, (dims, values) in variables.items():
        if isinstance(values, np.ma.MaskedArray):
            values, fill = _unmasked(values)
            filled |= {} if fill is None else {name: fill}
        held = _held(values)
        plain[name] = (named(values.shape) if dims is None else dims, held)
        odd |= {name: values.dtype.str} if held.dtype.kind != values.dtype.kind else {}
    dataset = make_block(plain).to_xarray()
    for name, dtype in odd.items():
        dataset[name].attrs["dtype"] = dtype
    for name, properties in (attributes or {}).items():
        dataset[name].attrs.update(properties)
    for name, fill in filled.items():
        dataset[name].attrs["_FillValue"] = fill
    return dataset


def _held(values: np.ndarray) -> np.ndarray:
    """Dates and durations that xarray would change or refuse, as whole numbers; other values as they are."""
    if values.dtype.kind not in "mM":
        return values
    unit = np.datetime_data(values.dtype)[0]
    calendar = values.dtype.kind == "m" and unit in ("Y", "M")
    if unit != "generic" and not calendar:
        target = "ns" if unit in ("ns", "ps", "fs", "as") else unit if unit in ("us", "ms") else "s"
        nearest = values.astype(f"{values.dtype.kind}8[{target}]")
        if ((nearest.astype(values.dtype) == values) | np.isnat(values)).all():
            return nearest
    return values.view(np.dtype("i8").newbyteorder(values.dtype.byteorder))


def _unmasked(values: np.ma.MaskedArray[Any, Any]) -> tuple[np.ndarray, Any]:
    """The values with something else in place of the mask, and that if it may be mistaken for a value."""
    kind = values.dtype.kind
    if kind in "mM":
        plain = np.array(values.data)
        plain[np.ma.getmaskarray(values)] = "NaT"
        return plain, None
    numbers: Any = values
    if kind in "biu" and bool(np.all(np.abs(values.compressed().astype(np.float64)) <= 2.0**53)):
        numbers = values.astype(np.float64)
    if numbers.dtype.kind in "fc":
        return numbers.filled(np.nan), None
    return numbers.filled(), values.fill_value


def array_variables(arrays: Mapping[str, np.ndarray]) -> Named:
    """Return arrays by name for `dataset_of`, structured ones field by field, no two names the same."""
    found: dict[str, tuple[Sequence[str] | None, Any]] = {}
    for name, array in _plain_parts(arrays):
        while name in found:
            name += "_"
        found[name] = (None, array)
    return found


def _plain_parts(arrays: Mapping[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    for name, array in arrays.items():
        plain = array.view(np.ndarray) if isinstance(array, np.recarray) else array
        if plain.dtype.names is None or not plain.ndim:
            yield name, plain
        else:
            yield from _plain_parts({f"{name}/{part}": plain[part] for part in plain.dtype.names})


def variable_attributes(variable: Variable) -> dict[str, Any]:
    """Return the attributes of a variable by their CF names; values are as stored."""
    properties: dict[str, Any] = {"units": variable.units, "long_name": variable.label}
    properties = {name: text for name, text in properties.items() if text}
    if (variable.scale, variable.offset) != (1.0, 0.0):
        properties |= {"scale_factor": variable.scale, "add_offset": variable.offset}
    if variable.fill and variable.numpy_dtype.kind in "iuf":
        fills = fills_of(variable)
        properties["_FillValue"] = fills[0]
        if len(fills) > 1:
            properties["missing_value"] = np.array(fills)
    return properties


def fills_of(variable: Variable) -> list[Any]:
    """Return the values that stand for missing ones, in the dtype of the values."""
    with np.errstate(all="ignore"):
        return [np.asarray(fill).astype(variable.numpy_dtype)[()] for fill in variable.fill]


def decoded(dataset: xr.Dataset) -> xr.Dataset:
    """Return a dataset as `xarray.open_dataset` shows it: unpacked, NaN where values are missing, and times as dates.

    Where their calendar or units are none that xarray knows, times stay numbers.
    """
    import xarray as xr

    try:
        return xr.decode_cf(dataset)
    except (ValueError, TypeError, OverflowError, ImportError):
        return xr.decode_cf(dataset, decode_times=False)


def frame_of(dataset: xr.Dataset) -> pd.DataFrame:
    """Return the variables as columns; they must lie along one dimension.

    Raises
    ------
    DataError
        If they do not.
    """
    import pandas as pd

    dims = {v.dims for v in dataset.variables.values()}
    if len(dims) > 1 or any(len(d) != 1 for d in dims):
        shapes = ", ".join(sorted({" x ".join(map(str, d)) or "none" for d in dims}))
        raise DataError(f"a table needs variables along one dimension, and these lie along {shapes}")
    columns = {name: pd.Series(_native(v.values)) for name, v in dataset.variables.items()}
    return pd.DataFrame(columns)


def grid_frame_of(dataset: xr.Dataset) -> pd.DataFrame:
    """Return variables along several dimensions as `Dataset.to_dataframe` does: a row for each place, a level for each dimension.

    Raises
    ------
    DataError
        If there are no dimensions, or far more places than any variable has values: the dimensions do not go together.
    """
    import xarray as xr

    places = math.prod(dataset.sizes.values())
    largest = max((variable.size for variable in dataset.variables.values()), default=0)
    if not dataset.sizes or places > _MOST_PLACES * largest:
        shapes = ", ".join(sorted({" x ".join(map(str, v.dims)) or "none" for v in dataset.variables.values()}))
        raise DataError(
            f"a table needs variables along one dimension or on one grid, and these lie along {shapes}: choose some, as in "
            "open(...)[names].to_dataframe() or open_file(...).to_pandas(names)"
        )
    named = {name: variable for name, variable in dataset.variables.items() if name in dataset.sizes}
    rest = {name: variable for name, variable in dataset.variables.items() if name not in named}
    native = [{n: (v.dims, _native(v.values)) for n, v in part.items()} for part in (rest, named)]
    return xr.Dataset(*native).to_dataframe()


def _native(values: np.ndarray) -> np.ndarray:
    """In the byte order of this machine, the only one of pandas."""
    return values if values.dtype.isnative else values.astype(values.dtype.newbyteorder("="))
