"""Shorten JSON records: lists of similar dicts as columns, which compress far better; numbers as ranges."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from baler_core.data.variables import Json

_COLUMNS = "\x00columns"
_ABSENT = "\x00absent"


def to_columns(record: Json) -> Json:
    """Return the record with every list of two or more dicts turned into columns, at any depth.

    A dict that lacks a key holds a mark in its place. Lists whose dicts order their keys differently stay as they are.
    """
    if isinstance(record, dict):
        return {key: to_columns(value) for key, value in record.items()}
    if not isinstance(record, list):
        return record
    keys = _common_order(record)
    if keys is None:
        return [to_columns(item) for item in record]
    return {_COLUMNS: {key: to_columns([item.get(key, _ABSENT) for item in record]) for key in keys}}


def from_columns(text: str | bytes) -> Json:
    """Read JSON text, columns in it as the records that `to_columns` made them of.

    Raises
    ------
    ValueError, TypeError, AttributeError, RecursionError
        If it is no JSON, or holds columns that are none.
    """
    return json.loads(text, object_hook=_records)


def _records(found: dict[str, Json]) -> Json:
    """Return the records of columns; any other object as it is."""
    if len(found) != 1 or _COLUMNS not in found:
        return found
    keys, columns = list(found[_COLUMNS]), list(found[_COLUMNS].values())
    rows = zip(*columns, strict=True)
    if any(_ABSENT in column for column in columns):
        return [{key: value for key, value in zip(keys, row, strict=True) if value != _ABSENT} for row in rows]
    return [dict(zip(keys, row, strict=True)) for row in rows]


def _is_absent(value: Json) -> bool:
    return isinstance(value, str) and value == _ABSENT


def _common_order(record: list[Json]) -> list[str] | None:
    """Keys of all dicts in an order that agrees with each; None if the list is no list of similar dicts."""
    if len(record) < 2 or not all(isinstance(item, dict) and item and _COLUMNS not in item for item in record):
        return None
    keys: dict[str, None] = {}
    for item in record:
        keys.update(dict.fromkeys(item))
    if len(keys) > 64:
        return None
    order = {key: place for place, key in enumerate(keys)}
    for item in record:
        places = [order[key] for key in item]
        if places != sorted(places) or any(_is_absent(value) for value in item.values()):
            return None
    return list(keys)


def ranges_of(numbers: Sequence[int]) -> list[list[int]]:
    """Return numbers as [first, count] pairs of runs."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and sum(ranges[-1]) == number:
            ranges[-1][1] += 1
        else:
            ranges.append([number, 1])
    return ranges


def unranged(ranges: Json, count: int) -> tuple[int, ...]:
    """Invert `ranges_of`, for numbers below `count`."""
    if sum(count_of(length) for _, length in ranges) > count:
        raise ValueError("more variables are named than the file has")
    numbers = tuple(number for first, length in ranges for number in range(first, first + length))
    if numbers and (min(numbers) < 0 or max(numbers) >= count):
        raise ValueError("a variable outside the file is named")
    return numbers


def count_of(value: Any) -> int:
    """Return a whole number from 0 on, or a `ValueError`."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**62:
        raise ValueError(f"{value!r} is no count")
    return value
