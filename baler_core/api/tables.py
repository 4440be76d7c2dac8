"""Convert an open file to tables of pandas, arrow or polars, and describe it as HTML for notebooks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from baler_core.api.categories import CodedColumn, coded
from baler_core.api.format_columns import ArrowColumn, built_columns, table_columns
from baler_core.api.time_columns import TimeColumn, time_column, times_of
from baler_core.builtin.objects.presenting import fills_of
from baler_core.errors import DataError
from baler_core.machine.optional import need

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from baler_core.api.stored_array import StoredArray, StoredFile
    from baler_core.plugin.reading import TableColumn

# A notebook shows so many variables.
_SHOWN = 60


def columns_of(
    file: StoredFile, names: Sequence[str], start: int | None, stop: int | None, *, every: bool = False
) -> dict[str, Any]:
    """Return variables as columns of one table, in their order: numbers and text flat, lists by offsets, fixed sizes as rows.

    What lists the categories of another column is no column itself.

    Parameters
    ----------
    names
        Of variables, and of columns of the original's format that are called otherwise.
    every
        Whether these are all that a table is made of, so that columns of nothing but nulls come along.

    Returns
    -------
    By name: an array of as many rows as the table (categories as `CodedColumn`, dates of Python objects as `TimeColumn`, what the
    reader makes as `ArrowColumn`), or `(offsets, array)` for lists; masked where
    there are nulls.

    Raises
    ------
    DataError
        If they do not lie along one dimension.
    """
    listed = {file.categories[name].entries for name in names if name in file.categories}
    names = [name for name in names if name not in listed]
    special = _special(file, names, every)
    covered = {name for column in special for name in column.variables}
    lying = [name for name in (*names, *covered) if name in file] or _rows(file)
    leading = {file[name].leading_dim for name in lying}
    if len(leading) != 1 or None in leading:
        dims = ", ".join(sorted(str(dim) for dim in leading)) or "none"
        raise DataError(
            f"{file.path}: a table needs variables along one dimension, and these lie along {dims}: name some that do, as in "
            "open_file(...).to_pandas(names)"
        )
    (dim,) = leading
    length = file.sizes[str(dim)]
    low, high, _ = slice(start, stop).indices(length)
    high = max(low, high)
    made: dict[str, Any] = dict(built_columns(file, special, str(dim), low, high)) if special else {}
    plain = [name for name in names if name in file and name not in covered]
    made |= {name: _column(file, file[name], low, high) for name in plain}
    times = {name: time_column(made[name], kind) for name, kind in times_of(file).items() if _is_flat(made.get(name))}
    made |= {name: column for name, column in times.items() if column is not None}
    places = {name: place for place, name in enumerate(names)}
    first, last = dict(places), 0
    users = Counter(name for column in special for name in column.variables)
    for column in special:
        made_of = [v for v in (column.name, *column.variables) if v in places]
        # lengths of lists that another column has as well tell nothing of the place of this one
        own = [places[v] for v in made_of if users[v] < 2] or [places[v] for v in made_of]
        first[column.name] = last = min(own, default=last)
    return {name: made[name] for name in sorted(made, key=first.__getitem__)}


def _is_flat(values: Any) -> bool:
    return isinstance(values, np.ndarray) and values.ndim == 1


def _special(file: StoredFile, names: Sequence[str], every: bool) -> list[TableColumn]:
    """Return the columns that the original's format shows of variables that were asked for, or that were asked for themselves."""
    asked, variables = {*names}, [name for name in names if name in file]
    whole = table_columns(file, file.schema.names) if asked.difference(file) else ()
    found = {column.name: column for column in whole if column.name in asked}
    for column in table_columns(file, variables):
        if every or asked.intersection(column.variables):
            found.setdefault(column.name, column)
    return list(found.values())


def _rows(file: StoredFile) -> list[str]:
    """Return the variables of which a table of all columns is made."""
    listed = {found.entries for found in file.categories.values()}
    return [name for name in file if name not in listed]


def _column(file: StoredFile, array: StoredArray, start: int, stop: int) -> Any:
    stored = array.rows(start, stop)
    values: Any = with_nulls(array, stored)
    missing = file.missing_in_tables(array.variable, np.ma.getdata(stored))
    if missing is not None and missing.any():
        values = np.ma.MaskedArray(np.asarray(values), np.ma.getmaskarray(values) | missing)
    if array.name in file.categories:
        values = coded(file, array, values, start)
    if array.dims[0] == array.leading_dim:
        return values
    counts = file[file.counts[array.dims[0]]]
    if counts.dims[0] != array.leading_dim:
        raise DataError(f"{file.path}: {array.name!r} holds lists of lists, which these tables have no column for")
    offsets = np.zeros(stop - start + 1, np.int64)
    np.cumsum(counts.rows(start, stop), out=offsets[1:])
    return offsets, values


def with_nulls(array: StoredArray, values: np.ndarray) -> np.ndarray:
    """Return values as readers show them: unpacked, and masked where they are null; plain if none are.

    Null is what is masked already, and where integers, packed or not, are a fill value.
    """
    variable = array.variable
    null = np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else np.zeros(values.shape, bool)
    plain = np.asarray(values)
    if variable.fill and (values.dtype.kind in "iu" or variable.is_packed):
        null = null | np.isin(plain, fills_of(variable))
    if variable.is_packed and plain.dtype.kind in "iuf":
        plain = plain.astype(np.float64) * variable.scale + variable.offset
    return np.ma.MaskedArray(plain, null) if null.any() else plain


def series_of(values: np.ndarray) -> Any:
    """Return a column of pandas: where values are masked NaN, or of integers and booleans NA in a nullable dtype."""
    import pandas as pd

    plain = np.asarray(values)
    native = plain if plain.dtype.isnative else plain.astype(plain.dtype.newbyteorder("="))
    if not isinstance(values, np.ma.MaskedArray):
        return pd.Series(native)
    null = np.ma.getmaskarray(values)
    if native.dtype.kind in "iu":
        return pd.Series(pd.arrays.IntegerArray(native.copy(), null.copy()))
    if native.dtype.kind == "b":
        return pd.Series(pd.arrays.BooleanArray(native.copy(), null.copy()))
    if native.dtype == np.float16:
        native = native.astype(np.float32)
    nothing = np.nan if native.dtype.kind in "fc" else None
    native = native.copy() if native.dtype.kind in "fcO" else native.astype(object)
    native[null] = nothing
    return pd.Series(native)


def to_arrow(columns: Mapping[str, Any]) -> pa.Table:
    """Return columns as a table of arrow; lists and fixed sizes as lists."""
    need("a table of arrow", "pyarrow")
    import pyarrow as pa

    arrays = {}
    for name, values in columns.items():
        try:
            arrays[name] = _arrow_column(pa, values)
        except (pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
            raise DataError(
                f"{name!r} is of a type that arrow does not have ({error}): name other columns, or use to_pandas"
            ) from error
    return pa.table(arrays)


def _arrow_column(pa: Any, values: Any) -> Any:
    if isinstance(values, tuple):
        offsets, inner = values
        return pa.LargeListArray.from_arrays(pa.array(offsets), _arrow_column(pa, inner))
    if isinstance(values, CodedColumn):
        return _arrow_categories(pa, values)
    if isinstance(values, ArrowColumn):
        return values.array
    if isinstance(values, TimeColumn):
        return values.array()
    if values.ndim > 1:
        row = values.reshape(-1) if values.ndim == 2 else values.reshape(-1, *values.shape[2:])
        return pa.FixedSizeListArray.from_arrays(_arrow_column(pa, row), values.shape[1])
    native = (
        values if values.dtype.isnative or values.dtype == object else values.astype(values.dtype.newbyteorder("="))
    )
    null = np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else None
    plain = np.asarray(native)
    return pa.array(plain.tolist() if plain.dtype.kind in "SV" else plain, mask=null)


def _arrow_categories(pa: Any, values: CodedColumn) -> Any:
    if values.codes.ndim > 1:
        row = CodedColumn(values.codes.reshape(-1, *values.codes.shape[2:]), values.entries, values.ordered)
        return pa.FixedSizeListArray.from_arrays(_arrow_categories(pa, row), values.codes.shape[1])
    codes = pa.array(values.codes.astype(np.int32), mask=values.codes < 0)
    return pa.DictionaryArray.from_arrays(codes, _arrow_column(pa, values.entries), ordered=values.ordered)


def to_pandas(columns: Mapping[str, Any]) -> pd.DataFrame:
    """Return columns as a table of pandas; lists as objects."""
    import pandas as pd

    found = {}
    for name, values in columns.items():
        if isinstance(values, tuple):
            offsets, inner = values
            inner = inner.values() if isinstance(inner, CodedColumn) else inner
            cells = np.empty(len(offsets) - 1, object)
            cells[:] = [_cell(inner[a:b]) for a, b in pairwise(offsets.tolist())]
            found[name] = pd.Series(cells)
        elif isinstance(values, ArrowColumn | TimeColumn) or (
            isinstance(values, CodedColumn) and values.codes.ndim == 1
        ):
            found[name] = values.series()
        elif isinstance(values, CodedColumn):
            found[name] = pd.Series([_cell(row) for row in values.values()])
        elif values.ndim > 1:
            found[name] = pd.Series([_cell(row) for row in values])
        else:
            found[name] = series_of(values)
    return pd.DataFrame(found)


def _cell(values: np.ndarray) -> Any:
    """Return a list within a table: an array, with NaN or None where a number or anything else is null."""
    if not np.ma.is_masked(values):
        return np.asarray(values)
    cells: Any = np.array(values, values.dtype if values.dtype.kind in "fc" else object)
    cells[np.ma.getmaskarray(values)] = np.nan if values.dtype.kind in "fc" else None
    return cells


def to_polars(columns: Mapping[str, Any]) -> pl.DataFrame:
    """Return columns as a table of polars; lists and fixed sizes as lists and arrays."""
    need("a table of polars", "polars")
    import polars as pl

    table = to_arrow(columns)
    try:
        frame = pl.from_arrow(table)
    except BaseException as error:  # polars is Rust: it may panic, and its exception for that is no Exception
        if type(error).__name__ != "PanicException":
            raise
        raise DataError(
            f"polars does not take a column of this table ({error}): name other columns, or use to_arrow or to_pandas"
        ) from error
    assert isinstance(frame, pl.DataFrame)
    return frame


def html_of(file: StoredFile) -> str:
    """Return what a file holds as a table of HTML: variables, shapes, units, bounds, and the largest errors found."""
    header = file.header
    rows = []
    for (name, array), bound in zip(file.items(), header.bounds, strict=True):
        error = f"{header.errors[name].largest:.4g}" if name in header.errors else ""
        shape = " × ".join(f"{dim}: {length:,}" for dim, length in zip(array.dims, array.shape, strict=True))
        cells = (name, shape, str(array.dtype), array.variable.units, str(bound), error)
        rows.append("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in cells) + "</tr>")
    more = f"<p>... and {len(rows) - _SHOWN} more</p>" if len(rows) > _SHOWN else ""
    titles = ("variable", "shape", "dtype", "units", "bound", "largest error")
    head = "".join(f"<th>{title}</th>" for title in titles)
    return (
        f"<div><strong>baler_core.File</strong> {escape(str(file.path))}<br>{escape(_sizes(file))}"
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows[:_SHOWN])}</tbody></table>{more}</div>"
    )


def _sizes(file: StoredFile) -> str:
    stored, original = file.source_bytes, file.header.input_file_bytes or file.header.input_bytes
    ratio = f", {original / stored:.2f} times smaller than the original of {original:,} bytes" if original else ""
    return f"{file.reader}, {len(file)} variables, {stored:,} bytes{ratio}"
