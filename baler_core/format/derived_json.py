"""Convert the derived quantities of a header to JSON, and read them back with every value checked."""

from __future__ import annotations

import math
from collections.abc import Sequence

from baler_core.data.derived import BOUNDS
from baler_core.data.error_bound import ErrorBound
from baler_core.data.variables import Json
from baler_core.format.header import DerivedRecord, UnheldRecord
from baler_core.format.json_columns import count_of

_MOST = 1000
_LONGEST = 1000


def derived_to_json(record: DerivedRecord) -> Json:
    """Return a derived quantity as a list."""
    stated = [record.bound.kind, record.bound.value]
    found = [record.cells, record.exact, record.largest, record.share]
    return [record.name, record.formula, stated, found, record.units]


def derived_from_json(records: Json, before: Json = None) -> tuple[DerivedRecord, ...]:
    """Return the derived quantities; formulas are text that nothing here evaluates.

    Parameters
    ----------
    before
        What they were before corrections, as `unheld_to_json` writes it; None in files that do not say.

    Raises
    ------
    ValueError
        If anything in it is not as this version writes it.
    """
    if not isinstance(records, Sequence) or len(records) > _MOST:
        raise ValueError("the derived quantities are not listed")
    found = tuple(_record(record) for record in records)
    if len({record.name for record in found}) != len(found):
        raise ValueError("two derived quantities have the same name")
    return found if before is None else _with_unheld(found, before)


def unheld_to_json(records: Sequence[DerivedRecord]) -> Json:
    """Return what quantities were before corrections, in their order: beside them, so that older versions read a file."""
    return [_numbers(record.unheld) if record.unheld is not None else [] for record in records]


def _numbers(found: UnheldRecord) -> list[Json]:
    """Errors to three digits."""
    errors = [float(f"{error:.3g}") for error in (found.largest, found.share, *(found.stated or ()))]
    return [found.cells, found.nbytes, *errors]


def _with_unheld(records: Sequence[DerivedRecord], listed: Json) -> tuple[DerivedRecord, ...]:
    if not isinstance(listed, Sequence) or len(listed) != len(records):
        raise ValueError("not every derived quantity has its errors before corrections")
    return tuple(
        one._replace(unheld=_unheld(found) if found else None) for one, found in zip(records, listed, strict=True)
    )


def _unheld(numbers: Json) -> UnheldRecord:
    cells, nbytes, *errors = numbers
    found = [float(error) for error in errors]
    if len(found) not in (2, 4) or not all(math.isfinite(error) and error >= 0 for error in found):
        raise ValueError(f"{errors!r} are no errors before corrections")
    stated = (found[2], found[3]) if len(found) == 4 else None
    return UnheldRecord(count_of(cells), found[0], found[1], count_of(nbytes), stated)


def _record(record: Json) -> DerivedRecord:
    name, formula, (kind, value), (cells, exact, largest, share), units = record
    for text in (name, formula, units):
        if not isinstance(text, str) or len(text) > _LONGEST or not text.isprintable():
            raise ValueError(f"{text!r} is no text of a derived quantity")
    if kind not in BOUNDS:
        raise ValueError(f"{kind!r} is not a kind of bound for a derived quantity")
    worst = float(largest), float(share)
    if not all(math.isfinite(number) and number >= 0 for number in worst):
        raise ValueError(f"{largest!r} and {share!r} are no errors")
    if not (0 < float(value) < math.inf) or (kind == "rel" and float(value) >= 1):
        raise ValueError(f"{value!r} is no bound of a derived quantity")
    bound = ErrorBound(kind, float(value))
    return DerivedRecord(name, formula, bound, count_of(cells), count_of(exact), *worst, units=units)
