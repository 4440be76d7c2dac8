"""pandas' DataFrame and Series → columns, index and names, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from baler_core.builtin.objects.pandas_columns import (
    add_column,
    frequency_of,
    index_of,
    rebuild_column,
    with_frequency,
)
from baler_core.data.objects import Columns, packed, unpacked
from baler_core.data.variables import Json
from baler_core.errors import DataError
from baler_core.plugin.object_kind import ObjectKind, type_name

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

FRAMES = ("pandas.DataFrame", "pandas.core.frame.DataFrame")
SERIES = ("pandas.Series", "pandas.core.series.Series")


class PandasFrames(ObjectKind):
    """Tables and single columns; the dimension along which they lie is called `row`."""

    name: ClassVar[str] = "pandas"
    summary: ClassVar[str] = "pandas' DataFrame and Series"
    types: ClassVar[tuple[str, ...]] = (*FRAMES, *SERIES)

    def take_apart(self, value: Any, columns: Columns, variables: Sequence[str] | None) -> Json:
        frame = value.to_frame() if type_name(value) in SERIES else value
        places = list(range(frame.shape[1]))
        titles = _titles(frame, value)
        if variables is not None:
            kept = set(columns.choose(list(dict.fromkeys(titles)), variables))
            places = [place for place in places if titles[place] in kept]
        chosen = frame.iloc[:, places]
        stored = {
            "index": _index_apart(frame.index, columns),
            "forms": [_column(titles[place], frame.iloc[:, place], columns) for place in places],
            "names": _names(chosen.columns),
            "attrs": packed(dict(value.attrs), "the table's attrs"),
            "rows": len(frame),
        }
        if not value.flags.allows_duplicate_labels:
            stored["unique"] = True
        return stored if frame is value else {**stored, "series": packed(value.name, "the name of the Series")}

    def put_together(self, stored: Json, arrays: Mapping[str, np.ndarray]) -> Any:
        import pandas as pd

        index = _index_together(stored["index"], arrays)
        series = [_series(rebuild_column(form, arrays), index) for form in stored["forms"]]
        if any(len(one) != int(stored["rows"]) for one in series):
            raise ValueError("columns of different lengths")
        made: Any
        if "series" in stored:
            made = series[0].rename(unpacked(stored["series"]))
        else:
            made = pd.concat(series, axis=1) if series else pd.DataFrame(index=index)
            made.columns = _names_again(stored["names"])
        made.attrs = unpacked(stored["attrs"])
        return made.set_flags(allows_duplicate_labels=False) if stored.get("unique") else made

    def dataset(self, value: Any) -> xr.Dataset:
        frame = value.to_frame(value.name if value.name is not None else "data") if value.ndim == 1 else value
        return frame.to_xarray()

    def frame(self, value: Any) -> pd.DataFrame:
        return value.to_frame() if value.ndim == 1 else value


def _titles(frame: pd.DataFrame, value: Any) -> list[str]:
    """What the columns are called in bounds and reports; the levels of a name of several are joined by slashes."""
    if type_name(value) in SERIES and value.name is None:
        return ["data"]
    return ["/".join(map(str, name)) if isinstance(name, tuple) else str(name) for name in frame.columns]


def _column(title: str, series: pd.Series, columns: Columns) -> Json:
    return add_column(title, series, "row", columns)


def _series(values: Any, index: pd.Index) -> pd.Series:
    import pandas as pd

    keep = isinstance(values, np.ndarray) and values.dtype.kind == "O"
    return pd.Series(values, index=index, dtype=object) if keep else pd.Series(values, index=index)


def _index_apart(index: pd.Index, columns: Columns) -> Json:
    """An index as what rebuilds it: three numbers for a range, else its values as variables."""
    import pandas as pd

    names = packed(list(index.names), "the name of the index")
    if isinstance(index, pd.RangeIndex):
        return {"range": [index.start, index.stop, index.step], "names": names}
    levels = [index.get_level_values(place) for place in range(index.nlevels)]
    about = {"role": "identifier", "reason": "the index of the table"}
    forms = [
        add_column("index" if level.name is None else str(level.name), level, "row", columns, **about)
        for level in levels
    ]
    stored = {"levels": forms, "names": names}
    if isinstance(index, pd.MultiIndex):
        stored["multi"] = True
    elif (frequency := frequency_of(index, "the index of the table", columns)) is not None:
        stored["freq"] = frequency
    return stored


def _index_together(stored: Json, arrays: Mapping[str, np.ndarray]) -> pd.Index:
    import pandas as pd

    names = unpacked(stored["names"])
    if "range" in stored:
        start, stop, step = map(int, stored["range"])
        return pd.RangeIndex(start, stop, step, name=names[0])
    levels = [index_of(rebuild_column(form, arrays), None) for form in stored["levels"]]
    if stored.get("multi"):
        return pd.MultiIndex.from_arrays(levels, names=names)
    return with_frequency(levels[0].rename(names[0]), stored.get("freq"))


def _names(names: pd.Index) -> Json:
    """The names of the columns, which may be of any type and in several levels."""
    import pandas as pd

    levels = packed(list(names.names), "the name of the columns")
    if isinstance(names, pd.RangeIndex):
        return {"range": [names.start, names.stop, names.step], "levels": levels}
    plain = isinstance(names.dtype, np.dtype) and names.dtype != object
    if not plain and not isinstance(names.dtype, pd.StringDtype) and names.dtype != object:
        raise DataError(f"the names of the columns are of type {names.dtype}, which cannot be stored")
    values: Any = np.asarray(names) if plain else list(names)
    kind = "multi" if isinstance(names, pd.MultiIndex) else "text" if not plain and names.dtype != object else "plain"
    return {kind: packed(values, "a name of a column"), "levels": levels}


def _names_again(stored: Json) -> pd.Index:
    import pandas as pd

    levels = unpacked(stored["levels"])
    if "range" in stored:
        return pd.RangeIndex(*map(int, stored["range"]), name=levels[0])
    if "multi" in stored:
        return pd.MultiIndex.from_tuples(unpacked(stored["multi"]), names=levels)
    if "text" in stored:
        return pd.Index(unpacked(stored["text"]), dtype="str", name=levels[0])
    values = unpacked(stored["plain"])
    return pd.Index(values, name=levels[0], dtype=object if isinstance(values, list) else None)
