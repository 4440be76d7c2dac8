"""Shift the steps of coarse bounds so that what most values are lies within a step, rather than at the edge of two."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from baler_core.builtin.models.fields.predictive.held import PER_TOLERANCE, SteppedField
from baler_core.builtin.models.fields.predictive.predictor import FRACTION
from baler_core.machine.threads import in_parallel
from baler_core.plugin.interfaces import Effort
from baler_core.quantise.units import Units

# Phases are looked at in turns: a few, and then those about the best ones by smaller and smaller shifts.
_FIRST = 4
_TURNS = {"fast": 0, "balanced": 1, "max": 3}
# So many are worth a closer look.
_KEPT = {"fast": 0, "balanced": 1, "max": 3}
# Steps of more bytes per value have noise in them, which leaves no edge.
_MOST_BYTES = 0.35
# How far behind all phases may be before no more are looked at.
_HOPELESS = 1.35


def shifted(field: SteppedField, phase: float) -> SteppedField:
    """Return a field in units as one of whole steps, which are shifted by a part of a step."""
    units = field.scale
    assert isinstance(units, Units)
    step = (1 << FRACTION) / PER_TOLERANCE * units.radius
    return replace(field, scale=replace(units, centre=units.centre + phase * step), whole=True)


def best_phases(
    field: SteppedField, rate: float, measure: Callable[[SteppedField], float], effort: Effort
) -> list[SteppedField]:
    """Return the field in whole steps at the best phases, the best one first; none if none may pay.

    Parameters
    ----------
    rate
        Bytes per value as the field is.
    measure
        Finds these of another field.
    """
    if not isinstance(field.scale, Units) or field.whole or rate > _MOST_BYTES:
        return []
    rates: dict[float, float] = {}
    for turn in range(_TURNS[effort]):
        phases = list(_phases(rates, turn))
        rates |= zip(phases, in_parallel(lambda phase: measure(shifted(field, phase)), phases), strict=True)
        if min(rates.values()) > _HOPELESS * rate:
            return []
    return [shifted(field, phase) for phase in sorted(rates, key=lambda phase: rates[phase])[: _KEPT[effort]]]


def _phases(known: dict[float, float], turn: int) -> Iterator[float]:
    """Yield what to look at: parts of a step, or those on both sides of the best so far."""
    if not known:
        yield from (number / _FIRST for number in range(_FIRST))
        return
    best, apart = min(known, key=lambda phase: known[phase]), 0.5**turn / _FIRST
    yield from ((best - apart) % 1, (best + apart) % 1)
