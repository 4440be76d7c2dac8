"""Convert the variables of the header to JSON, and read them back with every value checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from baler_core.data.bound_syntax import NO_LIMITS
from baler_core.data.variables import TEXT_DTYPES, Json, Variable
from baler_core.format.json_columns import count_of
from baler_core.machine.records import like

# Every variable has a name, a type and dimensions.
_ALWAYS = 3


def variable_to_json(variable: Variable, dims: Sequence[str]) -> Json:
    """Return a variable as a dict without defaults."""
    extras: dict[str, Json] = {}
    if variable.label:
        extras["title"] = variable.label
    if variable.units:
        extras["units"] = variable.units
    if variable.fill:
        extras["fill"] = list(variable.fill)
    if (variable.scale, variable.offset) != (1.0, 0.0):
        extras["packing"] = [variable.scale, variable.offset]
    if variable.axes:
        extras["axes"] = dict(variable.axes)
    if variable.limits != NO_LIMITS:
        extras["limits"] = list(variable.limits)
    if variable.stated_limits != NO_LIMITS:
        extras["stated_limits"] = list(variable.stated_limits)
    if variable.flags:
        extras["flags"] = list(variable.flags)
    places = [dims.index(dim) for dim in variable.dims]
    return {"key": variable.name, "form": variable.dtype, "dims": places[0] if len(places) == 1 else places, **extras}


def variables_from_json(records: Iterable[Json], dims: Sequence[str]) -> tuple[Variable, ...]:
    """Return variables from their records; those alike but for their names are checked once: files have thousands.

    Raises
    ------
    ValueError, TypeError, KeyError, IndexError
        If one is none.
    """
    plain: dict[Any, Variable] = {}
    found = []
    for record in records:
        form, places = record["form"], record["dims"]
        key = (form, tuple(places)) if isinstance(places, list) else (form, places)
        if key not in plain:
            plain[key] = _plain(record, dims)
        further = _further(record) if len(record) > _ALWAYS else {}
        found.append(like(plain[key], name=str(record["key"]), **further))
    return tuple(found)


def _plain(record: Json, dims: Sequence[str]) -> Variable:
    """Return a variable that has nothing but a name, a type and dimensions."""
    name, dtype, places = record["key"], record["form"], record["dims"]
    if not isinstance(dtype, str) or (dtype not in TEXT_DTYPES and np.dtype(dtype).hasobject):
        raise ValueError(f"variable {name!r} cannot be of type {dtype!r}")
    listed = places if isinstance(places, list) else [places]
    return Variable(str(name), dtype, tuple([dims[count_of(place)] for place in listed]))


def _further(record: Json) -> dict[str, Any]:
    """Return what else is known of a variable."""
    found: dict[str, Any] = {}
    if "units" in record:
        found["units"] = str(record["units"])
    if "title" in record:
        found["label"] = str(record["title"])
    if "packing" in record:
        scale, offset = record["packing"]
        found |= {"scale": float(scale), "offset": float(offset)}
    if "axes" in record:
        found["axes"] = {str(dim): str(role) for dim, role in record["axes"].items()}
    for key in ("fill", "flags"):
        if key in record:
            found[key] = tuple(map(_special, record[key]))
    for key in ("limits", "stated_limits"):
        if key in record:
            low, high = record[key]
            found[key] = float(low), float(high)
    return found


def _special(value: Json) -> float:
    """A special value: a float, or an integer that no float equals."""
    return (
        value if isinstance(value, int) and -(2**63) <= value < 2**64 and int(float(value)) != value else float(value)
    )
