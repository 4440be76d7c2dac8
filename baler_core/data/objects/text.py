"""Convert arrays of Python objects to text with missing cells or calendar dates, and back; refuse other objects."""

from __future__ import annotations

from typing import Any

import numpy as np

from baler_core.data.variables import Json
from baler_core.errors import DataError
from baler_core.machine.records import dataclass

_MICROSECONDS = "microseconds since 2000-01-01"


@dataclass(frozen=True)
class Texts:
    """An array of objects sorted out.

    Attributes
    ----------
    dtype
        `str` or `bytes`, or empty for calendar dates.
    missing, missing_is
        Where there is no text (bool, same shape; None if there is everywhere), and what stands there instead.
    calendar
        For dates of `cftime`: what rebuilds them.
    """

    values: np.ndarray
    dtype: str
    missing: np.ndarray | None = None
    missing_is: str = ""
    calendar: dict[str, Json] | None = None


def checked(stated: str, what: str) -> str:
    """Return a text that can be stored.

    Raises
    ------
    DataError
        If it holds halves of characters (lone surrogates).
    """
    try:
        stated.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{what} is not valid text: {stated!r}") from error
    return stated


def sorted_out(values: np.ndarray, name: str) -> Texts:
    """Return what an array of Python objects holds.

    Raises
    ------
    DataError
        Naming the variable, the place and the type of what is no text.
    """
    cells = values.reshape(-1)
    missing = [_missing(cell) for cell in cells]
    there = [cell for cell, kind in zip(cells, missing, strict=True) if not kind]
    kinds = {kind for kind in missing if kind}
    if there and len(kinds) == 0 and all(type(cell).__module__.startswith("cftime") for cell in there):
        return _calendar(values, name)
    wanted: type = bytes if there and isinstance(there[0], bytes) else str
    for place, (cell, kind) in enumerate(zip(cells, missing, strict=True)):
        if not kind and type(cell) not in (wanted, np.str_ if wanted is str else np.bytes_):
            raise DataError(
                f"the variable {name!r} holds Python objects, at {place} one of type {type(cell).__qualname__}, which "
                "cannot be stored: give it a dtype of numbers, dates or text"
            )
    if len(kinds) > 1:
        raise DataError(f"the variable {name!r} holds several kinds of missing text ({', '.join(sorted(kinds))})")
    texts = np.empty(cells.shape, object)
    for place, (cell, kind) in enumerate(zip(cells, missing, strict=True)):
        text: Any = wanted() if kind else wanted(cell)
        texts[place] = checked(text, f"a text in {name!r}") if wanted is str else text
    hidden = np.array([bool(kind) for kind in missing]).reshape(values.shape) if kinds else None
    return Texts(texts.reshape(values.shape), wanted.__name__, hidden, "".join(kinds))


def _missing(cell: Any) -> str:
    """Return the kind of a missing cell; empty if it is not missing."""
    if cell is None:
        return "None"
    if type(cell) is float and cell != cell:
        return "nan"
    return "NA" if type(cell).__qualname__ == "NAType" and type(cell).__module__.startswith("pandas") else ""


def with_missing(values: np.ndarray, mask: np.ndarray, kind: str) -> np.ndarray:
    """Return the texts, with the marks of missing ones where the mask is set."""
    stands: Any = {"None": None, "nan": float("nan")}.get(kind)
    if kind == "NA":
        import pandas as pd

        stands = pd.NA
    elif kind not in ("None", "nan"):
        raise ValueError(f"unknown kind of missing text {kind!r}")
    restored = values.copy()
    restored[mask] = stands
    return restored


def _calendar(values: np.ndarray, name: str) -> Texts:
    """Dates of other calendars as whole microseconds, which `cftime` counts exactly."""
    import cftime

    first = values.reshape(-1)[0]
    calendars = {(cell.calendar, cell.has_year_zero) for cell in values.reshape(-1)}
    if len(calendars) > 1 or not first.calendar:
        raise DataError(f"the variable {name!r} holds dates of several calendars, which cannot be stored together")
    form = {"calendar": str(first.calendar), "year_zero": bool(first.has_year_zero)}
    numbers = np.asarray(cftime.date2num(values, _MICROSECONDS, first.calendar, has_year_zero=first.has_year_zero))
    if numbers.dtype.kind != "i":
        raise DataError(f"the variable {name!r} holds dates that are not whole numbers of microseconds")
    return Texts(numbers.astype("<i8"), "", calendar=form)


def calendar_dates(values: np.ndarray, form: Json) -> np.ndarray:
    """Return the dates of `cftime` that whole microseconds stand for.

    Raises
    ------
    DataError
        If `cftime` is not installed.
    """
    try:
        import cftime
    except ImportError as error:
        raise DataError("these dates are of another calendar and need cftime: pip install cftime") from error
    year_zero = bool(form["year_zero"])
    dates = cftime.num2date(
        values, _MICROSECONDS, str(form["calendar"]), only_use_cftime_datetimes=True, has_year_zero=year_zero
    )
    return np.asarray(dates, dtype=object)
