"""Find zero, and round numbers at which values end, as a cut or a circle makes them, so that none reaches or crosses them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import ROUND_FLOOR, Decimal

import numpy as np

from baler_core.data.angles import angle_units
from baler_core.data.bound_syntax import NO_LIMITS
from baler_core.data.error_bound import ErrorBound
from baler_core.data.variables import Schema, Variable
from baler_core.suggest.allowed import allowed_by, allowed_in, physical_values
from baler_core.suggest.kinds import has_conventional_zero
from baler_core.suggest.proposal import Proposal

# Fewer values than these do not tell an edge from a tail.
_FEWEST = 1000
# At an edge values are about as dense as behind it; in a tail of a normal distribution five times as thin.
_BESIDE, _THINNER = 0.02, 1.5
# A number of two digits is found by chance beside one edge of twenty.
_NEAR = 0.05
# Ends of the circles that angles are measured on, in degrees and radians; ends of values must be so near, by their length.
_CIRCLES = ((0.0, 360.0), (-180.0, 180.0), (0.0, 2 * math.pi), (-math.pi, math.pi))
_END = 0.02
_WHOLE = (1.0, 100.0)
# Bounds under which no value becomes 0, or only those that their own errors do not tell from it.
_KEEPING = ("{rel", "{bits", "{ulp", '{abs: "')
# It is called a direction, but goes round no circle.
_PSEUDORAPIDITY = re.compile(r"(?i)(?<!th)(?<!b)(?<!z)eta")


def with_edges(
    proposals: Mapping[str, Proposal], schema: Schema, physical: Mapping[str, np.ndarray]
) -> dict[str, Proposal]:
    """Return the proposals, with a threshold, or limits of a field, where values could cross the number at which they end.

    Of values that are all above zero none becomes zero: errors, thicknesses and concentrations are divided by, and logarithms
    taken of them.

    Parameters
    ----------
    physical
        The first values of each variable, float64, NaN where there are none.
    """
    return {
        name: _with_edges(proposal, schema[name], physical) if proposal.is_lossy and name in physical else proposal
        for name, proposal in proposals.items()
    }


def _with_edges(proposal: Proposal, variable: Variable, physical: Mapping[str, np.ndarray]) -> Proposal:
    values = physical[variable.name]
    is_field = len(variable.dims) > 1
    is_positive = (
        not proposal.bound.startswith(_KEEPING)
        and not has_conventional_zero(variable)
        and bool((values[np.isfinite(values)] > 0).all())
    )
    if not is_positive and is_field and not _may_be_shares(values):
        return proposal
    allowed = allowed_in(proposal.bound, variable, physical)
    ends = ends_of(values, allowed, is_angle=_goes_round(variable)) if not is_field or _may_be_shares(values) else {}
    if is_field:
        ends = {which: end for which, end in ends.items() if which == "max" and end in _WHOLE}
    reasons = [f"values end at {_listed(ends, ' and ')}"] if ends else []
    if is_positive and bool((values <= allowed).any()):
        ends = {"zero": 0.0, **ends}
        reasons.append("none is 0")
    if not ends:
        return proposal
    bound = f"{proposal.bound.removesuffix('}')}, {_beside(variable, ends)}}}"
    return replace(proposal, bound=bound, reason="; ".join((proposal.reason, *reasons)))


def _may_be_shares(values: np.ndarray) -> bool:
    """Whether a field may hold fractions or percentages: the crests of waves are dense at their ends, too.

    That is seen at once, while what a bound on noise allows takes a measurement of every plane.
    """
    known = values[np.isfinite(values)]
    if not known.size or float(known.min()) < 0:
        return False
    return any((1 - _NEAR) * whole <= float(known.max()) <= whole for whole in _WHOLE)


def told_of_edges(schema: Schema, bounds: Sequence[ErrorBound], values: Mapping[str, np.ndarray]) -> list[str]:
    """Return what to say of variables of tables whose restored values could cross the number at which they end.

    Parameters
    ----------
    values
        The first values of variables, in stored units; others are not looked at, and neither are bounds that follow from
        other variables, or state numbers that none is to cross.
    """
    found = []
    for variable, bound in zip(schema.variables, bounds, strict=True):
        stated = bound.formula or bound.threshold or bound.limits != NO_LIMITS
        if stated or bound.kind == "lossless" or variable.name not in values or len(variable.dims) != 1:
            continue
        physical = {variable.name: physical_values(values[variable.name], variable)}
        allowed = allowed_by(bound, variable, physical)
        ends = ends_of(physical[variable.name], allowed, is_angle=_goes_round(variable))
        if ends:
            found.append(
                f"{variable.name!r}: values end at {_listed(ends, ' and ')}, and restored ones may lie beyond by the bound "
                f"({bound}); beside it, {_beside(variable, ends)} keeps them"
            )
    return found


def _goes_round(variable: Variable) -> bool:
    return bool(angle_units(variable.name, variable.units)) and not _PSEUDORAPIDITY.search(variable.name)


def _beside(variable: Variable, ends: Mapping[str, float]) -> str:
    """Return what a bound states beside its number: exact for rows of tables, which are selected; cheap for fields."""
    if len(variable.dims) == 1:
        numbers = ", ".join(map(_number, ends.values()))
        return f"threshold: [{numbers}]" if len(ends) > 1 else f"threshold: {numbers}"
    limits = ", ".join(f"{which}: {_number(end)}" for which, end in ends.items() if which != "zero")
    return ", ".join([*(["threshold: 0"] if "zero" in ends else []), *([f"limits: {{{limits}}}"] if limits else [])])


def _listed(ends: Mapping[str, float], between: str) -> str:
    return between.join(f"{end:.6g}" for end in ends.values())


def _number(end: float) -> str:
    return repr(end).removesuffix(".0")


def ends_of(values: np.ndarray, allowed: np.ndarray, *, is_angle: bool = False) -> dict[str, float]:
    """Return the numbers, by `min` and `max`, that no value is beyond and that restored ones could cross.

    Zero is none: bounds keep signs.

    Parameters
    ----------
    values, allowed
        Physical values, and the error allowed to each; float64, one shape, NaN where there is none.
    is_angle
        Whether they may go round a circle.
    """
    known = np.isfinite(values) & np.isfinite(allowed)
    x, e = values[known], allowed[known]
    if x.size < _FEWEST or not (e > 0).any():
        return {}
    circle = _circle(x) if is_angle else None
    if circle is not None:
        return {which: end for which, end in zip(("min", "max"), circle, strict=True) if end}
    order = np.argsort(x, kind="stable")
    x, e = x[order], e[order]
    ends = {"min": _end(x, e), "max": -_end(-x[::-1], e[::-1])}
    return {which: end for which, end in ends.items() if end}


def _circle(x: np.ndarray) -> tuple[float, float] | None:
    """Return the circle that angles fill, if they come near both of its ends and none lies beyond."""
    low, high = float(x.min()), float(x.max())
    for first, last in _CIRCLES:
        near, rounding = _END * (last - first), 1e-7 * (last - first)
        if first - rounding <= low <= first + near and last - near <= high <= last + rounding:
            return first, last
    return None


def _end(x: np.ndarray, e: np.ndarray) -> float:
    """Return the number of two digits at which ascending values begin; 0 if there is none, or nothing could cross it."""
    few = max(1, int(_BESIDE * x.size))
    low, beside, behind = float(x[0]), float(x[few]), float(x[2 * few])
    if low == 0 or not np.isfinite(low):
        return 0.0
    unit = Decimal(1).scaleb(Decimal(low).adjusted() - 1)
    end = float(Decimal(low).quantize(unit, ROUND_FLOOR))
    dense = beside - end <= _THINNER * (behind - beside) or beside == low
    crossable = bool((x[: 2 * few] - e[: 2 * few] < end).any())
    return end if dense and crossable and low - end <= _NEAR * float(unit) else 0.0
