"""Put columns of a tree together as a library has them: an array of records, a dictionary, a table, or apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

from baler_core import ConfigError, did_you_mean

Library = Literal["ak", "np", "pd"]
LIBRARIES = ("ak", "np", "pd")
_MERGED = ("inner", "outer", "left", "right")
"""How tables of pandas were merged when lists became rows: as for uproot, all mean the same today."""
_LONG_NAMES = {"awkward": "ak", "numpy": "np", "pandas": "pd"}


def library_of(library: Any) -> Library:
    """Return a library by its short name: `numpy` is `np`, and so is uproot's own object for it.

    Raises
    ------
    ConfigError
        If it is none of `ak`, `np`, `pd`; with the nearest.
    """
    library = getattr(library, "name", library)
    found = _LONG_NAMES.get(str(library), str(library))
    if found not in LIBRARIES:
        raise ConfigError(f"library={library!r}: there is no such library. {did_you_mean(str(library), LIBRARIES)}")
    return cast(Library, found)


def groups_of(library: Any) -> Any:
    """Return what puts parts of a library together as uproot does, and numbers the rows of its tables."""
    from uproot.interpretation.library import Awkward, NumPy, Pandas

    return {"ak": Awkward, "np": NumPy, "pd": Pandas}[library_of(library)]()


def series_of(columns: Mapping[str, Any], length: int, start: int) -> dict[str, Any]:
    """Return columns as those of a table of pandas, whose rows are numbered as entries are."""
    import pandas as pd

    index = pd.RangeIndex(start, start + length)
    flat = {name: list(values) if values.ndim > 1 else values for name, values in columns.items()}
    return {name: pd.Series(values, index=index, name=name) for name, values in flat.items()}


def together(columns: Mapping[str, Any], length: int, start: int, library: Library) -> Any:
    """Return columns as one object."""
    if library == "pd":
        import pandas as pd

        return pd.DataFrame(series_of(columns, length, start), index=pd.RangeIndex(start, start + length))
    import awkward as ak

    contents = [array.layout for array in columns.values()]
    return ak.Array(ak.contents.RecordArray(contents, list(columns), length=length))


def grouped(columns: Mapping[str, Any], length: int, library: Library, how: Any) -> Any:
    """Return columns as `how` says; those of pandas are series.

    Raises
    ------
    ConfigError
        If there is no such way.
    """
    if how in (tuple, list):
        return how(columns.values())
    if how is dict or (library == "np" and how is None):
        return dict(columns)
    if how == "zip" and library == "ak":
        return _zipped(columns)
    if how is not None and not (library == "pd" and how in _MERGED):
        raise ConfigError(f"arrays(how={how!r}): dict, tuple, list, None, or 'zip' for library='ak', is wanted")
    if library == "pd":
        import pandas as pd

        return pd.DataFrame(dict(columns), copy=False)
    return together(columns, length, 0, library)


def _zipped(columns: Mapping[str, Any]) -> Any:
    """Return records of which lists of equal lengths are lists of records, as uproot does it."""
    from uproot.interpretation.library import Awkward

    return Awkward().group(columns, [(name, {"is_jagged": _is_list(array)}) for name, array in columns.items()], "zip")


def _is_list(array: Any) -> bool:
    import awkward as ak

    return isinstance(array.layout, ak.contents.ListOffsetArray) and array.layout.parameter("__array__") is None
