"""Warn of bounds that allow more than all values of a variable differ, as by a mistake in units, and of those that lose nothing."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np

from baler_core.data.block import Block, values_of
from baler_core.data.bounds import Tolerance, usable
from baler_core.data.error_bound import ErrorBound
from baler_core.data.tolerance import make_tolerance, rounded_down
from baler_core.data.variables import Schema, Variable

logger = logging.getLogger(__name__)
# So many variables are spoken of one by one.
_TOLD = 3
Span = tuple[float, float]
"""Smallest and largest value."""


def spans_of(block: Block, variables: Sequence[Variable], tolerances: Mapping[str, Tolerance]) -> dict[str, Span]:
    """Return the spans of those variables of a block that have one absolute or relative bound, in stored units."""
    return _spans({v.name: values_of(block, v.name) for v in variables if v.is_numeric}, tolerances)


def _spans(values: Mapping[str, np.ndarray], tolerances: Mapping[str, Tolerance]) -> dict[str, Span]:
    found: dict[str, Span] = {}
    for name, some in values.items():
        tolerance = tolerances[name]
        if tolerance.kind not in ("abs", "rel"):
            continue
        known = some[usable(some, tolerance.fill)]
        if known.size:
            found[name] = float(known.min()), float(known.max())
    return found


def _allowed(tolerance: Tolerance, low: float, high: float) -> float:
    """Return the error that all values between two may have."""
    if tolerance.kind == "abs":
        return tolerance.value
    low, high = low + tolerance.shift, high + tolerance.shift
    return tolerance.value * min(abs(low), abs(high)) if low * high > 0 else 0.0


def joined_spans(one: Span, other: Span) -> Span:
    """Return the span of both."""
    return min(one[0], other[0]), max(one[1], other[1])


def warn_of_wide(
    spans: Mapping[str, Span], tolerances: Mapping[str, Tolerance], about: Mapping[str, tuple[Variable, ErrorBound]]
) -> None:
    """Warn of variables that may come back as a single value."""
    for sentence in _in_short(_told(spans, tolerances, about, "all its values")):
        logger.warning("%s", sentence)


def warn_of_unused(
    spans: Mapping[str, Span], largest: Mapping[str, float], about: Mapping[str, tuple[Variable, ErrorBound]]
) -> None:
    """Warn of whole numbers, packed ones too, in which nothing is lost, as steps are wider than what their bounds allow.

    Parameters
    ----------
    largest
        The largest errors, by variable.
    """
    exact = [
        f"{name!r} ({bound}, {_reason(variable, high)})"
        for name, (low, high) in spans.items()
        for variable, bound in [about[name]]
        if variable.numpy_dtype.kind in "iu" and low < high and not largest.get(name, 1.0)
    ]
    if exact:
        more = f", and {len(exact) - _TOLD} more" if len(exact) > _TOLD else ""
        logger.warning(
            "nothing is lost, whatever the bound, in %s%s",
            *(", ".join(exact[:_TOLD]), more),
        )


def _reason(variable: Variable, high: float) -> str:
    """Return why integers are exact."""
    if high >= 2.0**62:
        return "too large to be rounded"
    return f"in steps of {abs(variable.scale):.6g} {variable.units}".rstrip()


def _in_short(told: Mapping[str, str]) -> list[str]:
    """Return the first sentences, and which variables the others are of."""
    names = list(told)[_TOLD:]
    others = f"the same holds of {len(names)} more variables: {', '.join(map(repr, names))}"
    return [*list(told.values())[:_TOLD], *([others] if names else [])]


def told_of_wide(schema: Schema, values: Mapping[str, np.ndarray], bounds: Sequence[ErrorBound]) -> list[str]:
    """Return the same as sentences, as the first values of a file tell it; formulas and shares of ranges are left out.

    Parameters
    ----------
    values
        The first values of variables, in stored units.
    """
    about = {v.name: (v, bound) for v, bound in zip(schema.variables, bounds, strict=True) if v.name in values}
    about = {name: (v, bound) for name, (v, bound) in about.items() if v.is_numeric and not bound.formula}
    tolerances = {name: make_tolerance(bound, variable) for name, (variable, bound) in about.items()}
    spans = _spans({name: values[name] for name in about}, tolerances)
    shares = [
        f"{name!r}: the bound ({bound}) is {bound.value:g} times the range of its values: they may all come back as one"
        for name, (_, bound) in about.items()
        if bound.kind == "range" and bound.value >= 1
    ]
    return [*_told(spans, tolerances, about, "its first values").values(), *shares]


def _told(
    spans: Mapping[str, Span],
    tolerances: Mapping[str, Tolerance],
    about: Mapping[str, tuple[Variable, ErrorBound]],
    what: str,
) -> dict[str, str]:
    found = {}
    for name, (low, high) in spans.items():
        if not 0 < high - low <= _allowed(tolerances[name], low, high):
            continue
        variable, bound = about[name]
        ends = np.sort([end * variable.scale + variable.offset for end in (low, high)])
        units = f" {variable.units}".rstrip()
        found[name] = (
            f"{name!r}: the bound ({bound}) is wider than {what} differ, which are from {ends[0]:.6g} to {ends[1]:.6g}{units}: "
            f"they may all come back as one. {_remedy(variable, bound, ends[1] - ends[0])}"
        )
    return found


def _remedy(variable: Variable, bound: ErrorBound, width: float) -> str:
    """Return what to do: of values far from zero, a share means little."""
    if bound.kind != "rel":
        return "Is it in other units?"
    return f"Name it with an absolute bound, as {variable.name!r}: {{abs: {rounded_down(width / 1000):.2g}}}"
