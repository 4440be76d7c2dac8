"""How a Parquet file stores its columns: compression, encodings, statistics, filters, versions; and how two files differ."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from baler_parquet.contents.files import ParquetFile

Facts: TypeAlias = "dict[str, Any]"
DELTAS = ("DELTA_BINARY_PACKED", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY", "BYTE_STREAM_SPLIT")
WHAT = ("compression", "encoding", "statistics", "Bloom filters")
# Whether a type is also told in the way of older versions, which means the same.
HOW_OLD = re.compile(r",? (?:is_from_converted_type|force_set_converted_type)=\w+")
# First bytes of the header of a data page of the second version (Thrift: field 1, value 3).
SECOND_PAGES = b"\x15\x06"


def facts_of(meta: Any) -> Facts:
    """Return the facts of a file from its metadata (`pyarrow.parquet.FileMetaData`), as JSON."""
    kinds: list[list[Any]] = []
    groups: list[list[int]] = []
    for number in range(meta.num_row_groups):
        group = meta.row_group(number)
        row = []
        # Of row groups without rows nothing is asked: see `ParquetFile._probe`.
        for place in range(group.num_columns if group.num_rows else 0):
            kind = _column(group.column(place))
            if kind not in kinds:
                kinds.append(kind)
            row.append(kinds.index(kind))
        # Most row groups are stored like those before them.
        groups.append(row if row != next(filter(None, groups), []) else [])
    sorting = [
        [[one.column_index, one.descending, one.nulls_first] for one in meta.row_group(n).sorting_columns]
        for n in range(meta.num_row_groups)
    ]
    filled = [n for n in range(meta.num_row_groups) if meta.row_group(n).num_rows]
    first = meta.row_group(filled[0]) if filled and meta.num_columns else None
    indexed = first is not None and any(first.column(n).has_offset_index for n in range(first.num_columns))
    return {
        "version": "1.0" if meta.format_version == "1.0" else "2.6",
        "kinds": kinds,
        "groups": groups,
        "sorting": sorting[0] if sorting else [],
        "sorting_differs": any(one != sorting[0] for one in sorting),
        "index": indexed,
    }


def _column(column: Any) -> list[Any]:
    found = set(column.encodings)
    dictionary = column.has_dictionary_page or any("DICTIONARY" in name for name in found)
    encoding = "dictionary" if dictionary else next((name for name in DELTAS if name in found), "PLAIN")
    if not dictionary and found == {"RLE"}:
        encoding = "RLE"
    return [column.compression, encoding, bool(column.is_stats_set), int(column.bloom_filter_length or 0)]


def columns_of(facts: Facts, group: int = 0) -> list[list[Any]]:
    """Return codec, encoding, statistics and filter of each column of a row group.

    Raises
    ------
    ValueError, TypeError, IndexError, KeyError
        If the facts are damaged.
    """
    groups = facts["groups"]
    usual: list[int] = next((row for row in groups if row), [])
    row = groups[group] if group < len(groups) and groups[group] else usual
    return [list(facts["kinds"][int(one)]) for one in row]


def differences(before: Facts, after: Facts, names: Sequence[str]) -> Iterator[str]:
    """Yield how a restored file is stored otherwise than its original, one sentence each."""
    if before["version"] != after["version"]:
        yield f"the restored file is of version {after['version']} of Parquet, not of {before['version']}"
    if before["sorting"] != after["sorting"] or before["sorting_differs"]:
        yield "the restored file states its sorting otherwise than the original"
    if len(before["groups"]) != len(after["groups"]):
        yield f"the restored file has {len(after['groups'])} row groups, not {len(before['groups'])}"
    changed: dict[int, dict[str, tuple[Any, Any]]] = {}
    for group in range(min(len(before["groups"]), len(after["groups"]))):
        pairs = zip(columns_of(before, group), columns_of(after, group), strict=False)
        for place, (one, other) in enumerate(pairs):
            for what in range(len(WHAT)):
                if one[what] != other[what] and not (what == 3 and one[3] and other[3]):
                    name = names[place] if place < len(names) else str(place)
                    changed.setdefault(what, {}).setdefault(name, (one[what], other[what]))
    for what, columns in changed.items():
        listed = ", ".join(f"{name} ({_said(b)} instead of {_said(a)})" for name, (a, b) in list(columns.items())[:3])
        more = f" and {len(columns) - 3} more" if len(columns) > 3 else ""
        yield f"the {WHAT[what]} of columns differ from the original's: {listed}{more}"


def _said(value: Any) -> str:
    return {True: "some", False: "none"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def has_second_pages(file: ParquetFile) -> bool:
    """Return whether the first data page of a file is of the second version."""
    meta = file.file.metadata
    filled = [n for n, rows in enumerate(file.rows) if rows]
    if not filled or not meta.num_columns:
        return False
    with file.path.open("rb") as raw:
        raw.seek(max(0, int(meta.row_group(filled[0]).column(0).data_page_offset)))
        return raw.read(2) == SECOND_PAGES


def candidates(facts: Mapping[str, Any], physical: set[str]) -> Iterator[dict[str, Any]]:
    """Yield ways of writing a file that may give the same schema in Parquet, the likeliest first."""
    versions = ["1.0"] if facts["version"] == "1.0" else ["2.6", "2.4"]
    integers = [False, True] if physical & {"INT32", "INT64"} else [False]
    for version, compliant, whole, old in itertools.product(
        versions, (True, False), integers, [True, False] if "INT96" in physical else [False]
    ):
        yield {"version": version, "compliant": compliant, "integers": whole, "int96": old}


def form_of(schema: Any) -> list[tuple[Any, ...]]:
    """Return what a schema of Parquet says of each of its columns, to be compared."""
    columns = (schema.column(n) for n in range(len(schema)))
    return [
        (
            c.path,
            c.physical_type,
            HOW_OLD.sub("", str(c.logical_type)),
            c.max_definition_level,
            c.max_repetition_level,
            c.length,
        )
        for c in columns
    ]
