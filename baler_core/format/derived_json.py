"""Convert the derived quantities of a header to JSON, and read them back with every value checked."""

from __future__ import annotations

import math
from collections.abc import Sequence

from baler_core.data.derived import BOUNDS
from baler_core.data.error_bound import ErrorBound
from baler_core.data.variables import Json
from baler_core.format.header import DerivedRecord
from baler_core.format.json_columns import count_of

_MOST = 1000
_LONGEST = 1000


def derived_to_json(record: DerivedRecord) -> Json:
    """Return a derived quantity as a list."""
    stated = [record.bound.kind, record.bound.value]
    found = [record.cells, record.exact, record.largest, record.share]
    return [record.name, record.formula, stated, found, record.units]


def derived_from_json(records: Json) -> tuple[DerivedRecord, ...]:
    """Return the derived quantities; formulas are text that nothing here evaluates.

    Raises
    ------
    ValueError
        If anything in it is not as `derived_to_json` writes it.
    """
    if not isinstance(records, Sequence) or len(records) > _MOST:
        raise ValueError("the derived quantities are not listed")
    found = tuple(_record(record) for record in records)
    if len({record.name for record in found}) != len(found):
        raise ValueError("two derived quantities have the same name")
    return found


def _record(record: Json) -> DerivedRecord:
    name, formula, (kind, value), (cells, exact, largest, share), units = record
    for text in (name, formula, units):
        if not isinstance(text, str) or len(text) > _LONGEST or not text.isprintable():
            raise ValueError(f"{text!r} is no text of a derived quantity")
    if kind not in BOUNDS:
        raise ValueError(f"{kind!r} is not a kind of bound for a derived quantity")
    worst = {"largest": float(largest), "share": float(share)}
    if not all(math.isfinite(number) and number >= 0 for number in worst.values()):
        raise ValueError(f"{largest!r} and {share!r} are no errors")
    if not (0 < float(value) < math.inf) or (kind == "rel" and float(value) >= 1):
        raise ValueError(f"{value!r} is no bound of a derived quantity")
    bound = ErrorBound(kind, float(value))
    return DerivedRecord(name, formula, bound, count_of(cells), count_of(exact), **worst, units=units)
