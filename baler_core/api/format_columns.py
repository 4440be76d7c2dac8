"""Make columns of a table as the libraries of the original's format show them, where its reader knows how."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from baler_core.errors import FormatError, PluginError
from baler_core.machine.records import dataclass
from baler_core.pipeline.decode import not_believed

if TYPE_CHECKING:
    import pandas as pd

    from baler_core.api.stored_array import StoredFile
    from baler_core.plugin.reading import TableColumn


@dataclass(frozen=True)
class ArrowColumn:
    """An array of pyarrow that is a column as it stands."""

    array: Any

    def series(self) -> pd.Series[Any]:
        """Return it as pandas reads such columns, but integers and booleans that are null as NA of a nullable dtype."""
        import pandas as pd
        import pyarrow as pa

        array, types = self.array, pa.types
        if (types.is_integer(array.type) or types.is_boolean(array.type)) and array.null_count:
            null = np.asarray(array.is_null())
            plain = array.fill_null(False if types.is_boolean(array.type) else 0).to_numpy(zero_copy_only=False)
            kind = pd.arrays.BooleanArray if types.is_boolean(array.type) else pd.arrays.IntegerArray
            return pd.Series(kind(plain.copy(), null))
        if _holds_null_integers(array):
            cells = np.empty(len(array), object)
            cells[:] = [None if row is None else np.array(row, object) for row in array.to_pylist()]
            return pd.Series(cells)
        return pd.Series(array.to_pandas())


def _holds_null_integers(array: Any) -> bool:
    """Return whether items of lists would become floats for some of them are null."""
    import pyarrow as pa

    types = pa.types
    if not (types.is_list(array.type) or types.is_large_list(array.type) or types.is_fixed_size_list(array.type)):
        return False
    items = array.flatten()
    return bool(items.null_count and (types.is_integer(items.type) or types.is_boolean(items.type)))


def table_columns(file: StoredFile, names: Collection[str]) -> Sequence[TableColumn]:
    """Return the columns that stand for some of the variables that were asked for.

    Raises
    ------
    FormatError
        If what the file keeps of the original is damaged.
    PluginError
        If they are made of variables that the file does not have.
    """
    if not file.has_reader:
        return ()
    found = file.columns_of_format(names)
    for column in found:
        if wrong := [name for name in column.variables if name not in file]:
            raise PluginError(
                f"the reader {file.reader!r} makes the column {column.name!r} of {wrong[0]!r}, which the file does not have"
            )
    return found


def named_columns(file: StoredFile, patterns: Sequence[str]) -> list[str]:
    """Return columns that have other names than variables, where a pattern may mean one: of parts, or of nulls alone."""
    names = file.schema.names
    if all(pattern in names for pattern in patterns):
        return []
    return [column.name for column in table_columns(file, names) if column.name not in names]


def built_columns(
    file: StoredFile, columns: Sequence[TableColumn], dim: str, start: int, stop: int
) -> dict[str, ArrowColumn]:
    """Return columns of some rows of a dimension, by name.

    Raises
    ------
    FormatError
        If what the file keeps of the original is damaged.
    """
    names = list(dict.fromkeys(name for column in columns for name in column.variables))
    rows = file.rows(start, stop, names=names, dim=dim) if names else {}
    stored = {name: np.ma.getdata(values) for name, values in rows.items()}
    found = {}
    with not_believed(file.path, file.header.reader.package):
        for column in columns:
            array = column.build({name: stored[name] for name in column.variables}, stop - start)
            if len(array) != stop - start:
                raise FormatError(f"{file.path}: is damaged: the column {column.name!r} has {len(array)} rows")
            found[column.name] = ArrowColumn(array)
    return found
