"""Tell what the names of folders say of the files of a set, `year=2020/month=01/part-0.parquet`, as columns of its tables."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from baler_core.data.patterns import matching_names

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_FOLDERS = re.compile(r"[/\\]")
_NAMED = re.compile(r"([^=]+)=(.*)", re.DOTALL)
_NUMBER = re.compile(r"-?[0-9]{1,18}")
_NULL = "__HIVE_DEFAULT_PARTITION__"


class Partition(NamedTuple):
    """A column that has one value in each file of a set.

    Attributes
    ----------
    values
        Of each file: numbers where all are, else texts; None where the folder is that of nulls.
    """

    name: str
    values: tuple[int | str | None, ...]

    @property
    def is_number(self) -> bool:
        """Whether they are whole numbers."""
        return any(isinstance(value, int) for value in self.values)


def partitions_of(inputs: Sequence[str], known: Collection[str]) -> list[Partition]:
    """Return what folders say, in their order, where those of all inputs say it and no variable has the name."""
    stated = [_stated(path) for path in inputs]
    names = [name for name in (stated[0] if stated else ()) if name not in known and all(name in one for one in stated)]
    return [Partition(name, _values([one[name] for one in stated])) for name in names]


def _stated(path: str) -> dict[str, str]:
    found = (_NAMED.fullmatch(folder) for folder in _FOLDERS.split(path)[:-1])
    return {unquote(one[1]): unquote(one[2]) for one in found if one is not None}


def _values(texts: Sequence[str]) -> tuple[int | str | None, ...]:
    there = [text for text in texts if text != _NULL]
    if there and all(map(_NUMBER.fullmatch, there)):
        return tuple(None if text == _NULL else int(text) for text in texts)
    return tuple(None if text == _NULL else text for text in texts)


def split_names(
    names: Sequence[str] | str | None, partitions: Sequence[Partition], variables: Sequence[str]
) -> tuple[list[str] | None, list[Partition]]:
    """Separate what is asked of files from what folders say: patterns of both go to both."""
    if names is None or not partitions:
        return (None if names is None else [names] if isinstance(names, str) else list(names)), list(partitions)
    patterns = [names] if isinstance(names, str) else list(names)
    known = [partition.name for partition in partitions]
    chosen = matching_names(patterns, known)
    rest = [one for one in patterns if not matching_names([one], known) or matching_names([one], variables)]
    return rest, [partition for partition in partitions if partition.name in chosen]


def ordered(names: Sequence[str] | str | None, columns: Sequence[str]) -> list[str]:
    """Return columns as they were asked for."""
    patterns = [names] if isinstance(names, str) else list(names or ())
    asked = (name for one in patterns for name in matching_names([one], columns))
    return list(dict.fromkeys([*asked, *columns]))


def with_arrow(table: pa.Table | None, partitions: Sequence[Partition], file: int, rows: int) -> pa.Table:
    """Return a table of arrow of some rows of a file with what folders say; of nothing else without a table."""
    import pyarrow as pa

    columns = {} if table is None else dict(zip(table.column_names, table.columns, strict=True))
    for one in partitions:
        kind = pa.int64() if one.is_number else pa.string()
        columns[one.name] = pa.repeat(pa.scalar(one.values[file], kind), rows)
    return pa.table(columns)


def with_pandas(frame: pd.DataFrame | None, partitions: Sequence[Partition], file: int, rows: int) -> pd.DataFrame:
    """Return a table of pandas of some rows of a file with what folders say; of nothing else without a table."""
    import pandas as pd

    found = pd.DataFrame(index=pd.RangeIndex(rows)) if frame is None else frame
    for one in partitions:
        numbers = "Int64" if None in one.values else "int64"
        kind = numbers if one.is_number else pd.Series(["text"]).dtype
        found[one.name] = pd.Series([one.values[file]] * rows, found.index, dtype=kind)
    return found
