"""One column of pandas (numbers with missing ones, categories, times of a zone, texts) → variables, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from baler_core.data.objects import Columns, rebuild
from baler_core.data.objects.advice import advice_for
from baler_core.data.variables import Json
from baler_core.errors import DataError

if TYPE_CHECKING:
    import pandas as pd


def add_column(name: str, values: Any, dim: str, columns: Columns, **about: Any) -> Json:
    """Add the values of a Series, an Index or an extension array.

    Raises
    ------
    DataError
        Naming the column and its type, if that cannot be stored.
    """
    import pandas as pd

    dtype = values.dtype
    array = values if isinstance(values, pd.api.extensions.ExtensionArray) else values.array
    if isinstance(dtype, np.dtype):
        plain = np.asarray(values)
        return columns.add(name, plain, (dim,), **about)
    if isinstance(dtype, pd.CategoricalDtype):
        return _categories(name, array, dim, columns)
    if isinstance(dtype, pd.DatetimeTZDtype):
        return _zoned(name, array, dim, columns, about)
    if isinstance(dtype, pd.StringDtype):
        return _strings(name, array, dim, columns, about)
    if isinstance(array, pd.arrays.IntegerArray | pd.arrays.FloatingArray | pd.arrays.BooleanArray):
        masked = np.ma.MaskedArray(array.to_numpy(array.dtype.numpy_dtype, na_value=0), np.asarray(array.isna()))
        return {"nullable": str(dtype), "of": columns.add(name, masked, (dim,), **about)}
    advice = advice_for(str(dtype), "convert it to numbers or text")
    raise DataError(f"the variable {name!r} is of the pandas type {dtype}, which cannot be stored: {advice}")


def _categories(name: str, array: Any, dim: str, columns: Columns) -> Json:
    codes = np.asarray(array.codes)
    properties = {"role": "flag", "reason": "categories"}
    form = columns.add(name, codes, (dim,), **properties)
    columns.exact.add(form)
    texts = add_column(f"{name}/categories", array.categories, f"{name}/categories", columns, **properties)
    stored = {"codes": form, "categories": texts, "ordered": bool(array.ordered)}
    frequency = frequency_of(array.categories, f"the categories of {name!r}", columns)
    return stored if frequency is None else {**stored, "freq": frequency}


def _zoned(name: str, array: Any, dim: str, columns: Columns, about: dict[str, Any]) -> Json:
    import pandas as pd

    dtype, zone = array.dtype, str(array.dtype.tz)
    try:
        same = pd.DatetimeTZDtype(dtype.unit, zone) == dtype
    except (ValueError, KeyError, TypeError):
        same = False
    if not same:
        raise DataError(
            f"the variable {name!r} has times of the zone {zone!r}, which its name does not identify: convert it"
        )
    plain = array.tz_convert("UTC").tz_localize(None).to_numpy()
    return {"zone": zone, "unit": dtype.unit, "of": columns.add(name, np.asarray(plain), (dim,), **about)}


def _strings(name: str, array: Any, dim: str, columns: Columns, about: dict[str, Any]) -> Json:
    import pandas as pd

    texts = np.asarray(array.to_numpy(dtype=object, na_value=None), dtype=object)
    form = columns.add(name, texts, (dim,), **about)
    return {"texts": "NA" if array.dtype.na_value is pd.NA else "nan", "of": form}


def rebuild_column(form: Json, arrays: Mapping[str, np.ndarray]) -> Any:
    """Return the values that `add_column` took: a numpy array or an extension array of pandas."""
    import pandas as pd

    if isinstance(form, str) or "as" in form:
        return _native(rebuild(form, arrays))
    if "codes" in form:
        categories = with_frequency(pd.Index(rebuild_column(form["categories"], arrays)), form.get("freq"))
        return pd.Categorical.from_codes(_native(rebuild(form["codes"], arrays)), categories, bool(form["ordered"]))
    values: Any = rebuild(form["of"], arrays)
    if "zone" in form:
        dtype = pd.DatetimeTZDtype(str(form["unit"]), str(form["zone"]))
        return pd.DatetimeIndex(_native(values)).tz_localize("UTC").tz_convert(dtype.tz).array
    if "nullable" in form:
        return _nullable(_native(np.ma.getdata(values)), np.ma.getmaskarray(values), str(form["nullable"]))
    if "texts" in form:
        return pd.array(values, dtype=pd.StringDtype(na_value=pd.NA if form["texts"] == "NA" else np.nan))
    raise ValueError(f"a column is stored as {sorted(form)}")


def _nullable(values: np.ndarray, mask: np.ndarray, dtype: str) -> Any:
    import pandas as pd

    kinds = {"b": pd.arrays.BooleanArray, "i": pd.arrays.IntegerArray, "u": pd.arrays.IntegerArray}
    array = kinds.get(values.dtype.kind, pd.arrays.FloatingArray)(values, mask.copy())
    if str(array.dtype) != dtype:
        raise ValueError(f"a column of {dtype} holds {array.dtype}")
    return array


def _native(values: np.ndarray) -> np.ndarray:
    """In the byte order of this machine, which is the only one of pandas; masked or not."""
    if values.dtype.kind == "O" or values.dtype.isnative:
        return values
    return values.astype(values.dtype.newbyteorder("="))


def index_of(values: Any, name: Any) -> pd.Index:
    """Return restored values as an index; text objects stay objects."""
    import pandas as pd

    keep = isinstance(values, np.ndarray) and values.dtype.kind == "O"
    return pd.Index(values, dtype=object, name=name) if keep else pd.Index(values, name=name)


def frequency_of(index: Any, where: str, columns: Columns) -> str | None:
    """Return the frequency of an index of times in pandas' notation; leave out one without it, with a warning."""
    frequency = getattr(index, "freq", None)
    if frequency is None or type(index).__name__ not in ("DatetimeIndex", "TimedeltaIndex"):
        return None
    try:
        if with_frequency(type(index)(index, freq=None), frequency.freqstr).freq == frequency:
            return str(frequency.freqstr)
    except ValueError:
        pass
    columns.warnings.append(f"the frequency {frequency!r} of {where} has no text form and is left out")
    return None


def with_frequency(index: Any, frequency: Any) -> pd.Index:
    """Times that follow each other regularly, knowing it."""
    import pandas as pd

    if frequency is None:
        return index
    made: type[Any] = pd.DatetimeIndex if isinstance(index, pd.DatetimeIndex) else pd.TimedeltaIndex
    return made(index, freq=str(frequency))
