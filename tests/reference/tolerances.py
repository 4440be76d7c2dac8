"""What a decoder must know of each variable: dtype, tolerance, special values, limits (file_format.md: header, settled values)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from reference.container import unrun
from reference.reading import Damaged

MOST_SPECIALS = 100
ON_AVERAGE = ("mean_abs", "mean_rel", "rms")


@dataclass(frozen=True)
class Tolerance:
    """Kind, value and shift in stored units, and what settled values follow from.

    Beside these, for those whose tolerances follow from this one: the bound of single errors as it was stated, the one
    that holds where the formula gives nothing, scale and offset of physical values, and values that mark missing ones.
    """

    kind: str
    value: float
    shift: float
    specials: tuple[float, ...] = ()
    lower: tuple[float, ...] = ()
    upper: tuple[float, ...] = ()
    signed: bool = False
    zero: float = 0.0
    thresholds: tuple[float, ...] = ()
    average: str = ""
    bound: tuple[str, Any] | None = None
    other: tuple[str, Any] | None = None
    formula: str = ""
    scale: float = 1.0
    offset: float = 0.0
    marks: tuple[float, ...] = ()


@dataclass(frozen=True)
class Variable:
    name: str
    form: str
    dims: tuple[str, ...]
    tolerance: Tolerance

    @property
    def is_text(self) -> bool:
        return self.form in ("str", "bytes")

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(object if self.is_text else self.form)


def variables(header: Any) -> list[Variable]:
    stated, dims = header["variables"], [str(dim) for dim in header["dims"][0]]
    bounds, tolerances = unrun(header["bounds"], len(stated)), unrun(header["tolerances"], len(stated))
    found = []
    for record, bound, tolerance in zip(stated, bounds, tolerances, strict=True):
        form = record["form"]
        if form not in ("str", "bytes") and (np.dtype(form).hasobject or not np.dtype(form).itemsize):
            raise Damaged(f"a variable of type {form!r}")
        places = record["dims"] if isinstance(record["dims"], list) else [record["dims"]]
        if any(type(place) is not int or place < 0 for place in places):
            raise Damaged("a variable has impossible dimensions")
        own = tuple(dims[place] for place in places)
        found.append(Variable(str(record["key"]), form, own, complete(tolerance, bound, record)))
    return found


def complete(stated: Any, bound: Any, record: Any) -> Tolerance:
    kind, value, shift = stated
    if kind == "exact" or record["form"] in ("str", "bytes") or np.dtype(record["form"]).kind not in "biuf":
        return _known_to_others(Tolerance("exact", 0.0, 0.0), bound, record)
    if kind not in ("abs", "rel", "bits", "each", "free") or not (0 <= value < math.inf and math.isfinite(shift)):
        raise Damaged(f"this decoder knows no tolerance {stated!r}")
    dtype, (scale, offset) = np.dtype(record["form"]), record.get("packing", (1.0, 0.0))
    limits, sign, *others = bound[2:] or [[-math.inf, math.inf], "auto"]
    more = others[-1] if others and isinstance(others[-1], dict) else {}
    exact_at = stored_numbers(more.get("exact_at", []), scale, offset, dtype)
    thresholds = stored_numbers(more.get("threshold", []), scale, offset, dtype)
    specials = tuple(dict.fromkeys([*record.get("fill", []), *record.get("flags", []), *exact_at, *thresholds]))
    sides = [record.get("limits", []), record.get("stated_limits", []), innermost(limits, scale, offset, dtype)]
    average = bound[0] if bound[0] in ON_AVERAGE else ""
    free = sign == "free" or (kind == "free" and not average and sign != "keep")
    found = Tolerance(
        kind, float(value), float(shift), specials,
        tuple(dict.fromkeys(side[0] for side in sides if side and math.isfinite(side[0]))),
        tuple(dict.fromkeys(side[1] for side in sides if side and math.isfinite(side[1]))),
        not free, -offset / scale, thresholds, average,
    )  # fmt: skip
    return _known_to_others(found, bound, record)


def _known_to_others(tolerance: Tolerance, bound: Any, record: Any) -> Tolerance:
    """A tolerance with what the tolerances of other variables follow from."""
    kind, value, *more = bound
    (scale, offset), other = record.get("packing", (1.0, 0.0)), next((m for m in more[2:] if isinstance(m, list)), None)
    most = next((m.get("most") for m in more if isinstance(m, dict)), None)
    hard = (kind, value) if kind not in ON_AVERAGE else None if most is None else tuple(most)
    form = record["form"]
    dtype = np.dtype(object if form in ("str", "bytes") else form)
    stored = [*record.get("fill", []), *record.get("flags", [])] if dtype.kind in "iuf" else []
    marks = tuple(number for number in stored if dtype.kind == "f" or float(number).is_integer())
    return replace(
        tolerance, bound=hard, other=None if other is None else tuple(other), scale=float(scale), offset=float(offset),
        formula=value if isinstance(value, str) else "", marks=marks,
    )  # fmt: skip


def whole_if_nearly(number: float, dtype: np.dtype[Any]) -> float:
    near = dtype.kind in "iu" and abs(number - round(number)) <= 1e-9 * max(1.0, abs(number))
    return float(round(number)) if near else number


def stored_numbers(physical: Any, scale: float, offset: float, dtype: np.dtype[Any]) -> tuple[float, ...]:
    if (scale, offset) == (1.0, 0.0) and dtype.kind in "iu":
        return tuple(n if isinstance(n, int) and float(n) != n else whole_if_nearly(float(n), dtype) for n in physical)
    found = ((number - offset) / scale for number in physical)
    return tuple(whole_if_nearly(number, dtype) for number in found if math.isfinite(number))


def innermost(limits: Any, scale: float, offset: float, dtype: np.dtype[Any]) -> list[float]:
    """The limits of a bound in stored units, each so that its physical value lies within."""
    found = [-math.inf, math.inf]
    for limit, largest in zip(limits, (False, True), strict=True):
        if not math.isfinite(limit):
            continue
        upper, stored = largest != (scale < 0), (limit - offset) / scale
        if (scale, offset) != (1.0, 0.0) and math.isfinite(stored):
            stored = whole_if_nearly(stored, dtype)
            stored = float(math.floor(stored) if upper else math.ceil(stored)) if dtype.kind in "iu" else stored
            step = dtype.type if dtype.kind == "f" else None
            stored = float(step(stored)) if step else stored
            for _ in range(4):
                shown = stored * scale + offset
                if shown <= limit if largest else shown >= limit:
                    break
                inwards = -math.inf if upper else math.inf
                stored = (
                    float(np.nextafter(step(stored), step(inwards))) if step else stored + math.copysign(1, inwards)
                )
        found[upper] = stored
    return found
