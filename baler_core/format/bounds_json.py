"""Convert bounds and tolerances of the header to JSON, and read them back with every value checked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast, get_args

from baler_core.data.bound_syntax import HARD_KINDS, NO_LIMITS, BoundKind, Sign, numbers_of
from baler_core.data.bounds import Tolerance, ToleranceKind
from baler_core.data.error_bound import ErrorBound
from baler_core.data.scales import with_scales
from baler_core.data.tolerance import complete_tolerance
from baler_core.data.variables import Json, Schema, Variable

# What bounds state beside limits and sign: lists of numbers.
_KEPT = ("exact_at", "threshold")


def bound_to_json(bound: ErrorBound) -> Json:
    """Return a bound as a list, short where defaults hold."""
    kept: dict[str, Json] = {what: list(getattr(bound, what)) for what in _KEPT if getattr(bound, what)}
    kept |= {"most": list(bound.most)} if bound.most else {}
    kept |= {"dither": True} if bound.dither else {}
    other = [] if bound.other is None else [bound_to_json(bound.other)]
    stated = other or kept or (bound.limits, bound.sign) != (NO_LIMITS, "auto")
    sides = [list(bound.limits), bound.sign, *other] if stated else []
    return [bound.kind, bound.formula or bound.value, *sides, *([kept] if kept else [])]


def bound_from_json(record: Json) -> ErrorBound:
    """Return a bound from its record.

    Raises
    ------
    ValueError, TypeError, KeyError
        If it is none; a ConfigError where it is an impossible one.
    """
    kind, value, *sides = record
    if kind not in get_args(BoundKind):
        raise ValueError(f"{kind!r} is not a kind of bound")
    (low, high), sign, *others = sides or (NO_LIMITS, "auto")
    if sign not in get_args(Sign):
        raise ValueError(f"{sign!r} is not a rule for signs")
    kept = others.pop() if others and isinstance(others[-1], dict) else {}
    if len(others) > 1 or (others and others[0][3:]):
        raise ValueError("a bound has a single other one beside it")
    formula = value if isinstance(value, str) else ""
    if formula and kind != "abs":
        raise ValueError(f"a bound of kind {kind!r} takes no formula")
    return ErrorBound(
        kind,
        0.0 if formula else float(value),
        (float(low), float(high)),
        cast(Sign, sign),
        **{what: numbers_of(kept[what], what) for what in _KEPT if what in kept},
        most=_hard_limit(kept["most"]) if "most" in kept else None,
        dither=bool(kept.get("dither", False)),
        formula=formula,
        other=bound_from_json(others[0]) if others else None,
    )


def _gives_each(bound: ErrorBound) -> bool:
    return bool(bound.formula) or bound.kind == "noise"


def _hard_limit(record: Json) -> tuple[BoundKind, float]:
    kind, value = record
    if kind not in HARD_KINDS:
        raise ValueError(f"{kind!r} is not a limit of single errors")
    return kind, float(value)


def tolerances_to_json(tolerances: Sequence[Tolerance]) -> list[Json]:
    """Return the records of tolerances, from which variables and bounds complete them."""
    return [[one.kind, one.value, one.shift] for one in tolerances]


def tolerances_from_json(
    records: Sequence[Json], schema: Schema, bounds: Sequence[ErrorBound]
) -> tuple[Tolerance, ...]:
    """Return tolerances from their records; special values, limits, signs and scales follow from variables and bounds.

    Raises
    ------
    ValueError
        If they do not fit together.
    """
    triples = zip(records, schema.variables, bounds, strict=len(records) > 0)
    alike: dict[tuple[object, ...], Tolerance] = {}
    found = tuple([_completed(alike, stated, bound, variable) for stated, variable, bound in triples])
    scaled = [(t, b) for t, b in zip(found, bounds, strict=False) if t.kind == "each" or (_gives_each(b) and t.lossy)]
    if any(not _gives_each(bound) or tolerance.kind != "each" for tolerance, bound in scaled):
        raise ValueError("a tolerance of each value and a formula or noise belong together")
    for tolerance, variable in zip(found, schema.variables, strict=False):
        if tolerance.noise is not None and len(variable.dims) < 2:
            raise ValueError(f"{variable.name!r} has no tiles of its own noise")
    return with_scales(schema, bounds, found) if scaled else found


def bounds_from_json(records: Sequence[Json]) -> tuple[ErrorBound, ...]:
    """Return bounds from their records, the same object for those that are alike.

    Raises
    ------
    ValueError, TypeError, KeyError
        As `bound_from_json`.
    """
    known: dict[object, ErrorBound] = {}
    found = []
    for one in records:
        key = _key(one)
        if key not in known:
            known[key] = bound_from_json(one)
        found.append(known[key])
    return tuple(found)


def _key(record: Json) -> object:
    """Return what records of the same meaning have in common."""
    first, second = record[:2]
    plain = len(record) == 2 and type(second) is float
    return (first, second) if plain else repr(record)


def _completed(
    alike: dict[tuple[object, ...], Tolerance], stated: Json, bound: ErrorBound, variable: Variable
) -> Tolerance:
    """Return the tolerance of a variable, made once for all that are alike: files have thousands of these."""
    v = variable
    numbers = (v.scale, v.offset, v.limits, v.stated_limits, v.fill, v.flags)
    # Lists of hostile files, which cannot be hashed, are refused by the `TypeError` that this raises.
    key = (*stated, id(bound), v.dtype, len(v.dims), numbers)
    if key not in alike:
        alike[key] = complete_tolerance(_tolerance(*stated), bound, variable)
    return alike[key]


def _tolerance(kind: Json, value: Json, shift: Json) -> Tolerance:
    if kind not in get_args(ToleranceKind):
        raise ValueError(f"{kind!r} is not a kind of tolerance")
    tolerance = Tolerance(kind, float(value), float(shift))
    if not (0 <= tolerance.value < math.inf and math.isfinite(tolerance.shift)):
        raise ValueError(f"{value!r} and {shift!r} do not form a tolerance")
    return tolerance
