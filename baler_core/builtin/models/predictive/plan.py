"""Chooses how fields are held, which are predicted together, and along which axes, by bytes of a sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from baler_core.builtin.models.families import Family, Prepared
from baler_core.builtin.models.field_layout import Arrangement, arrangements_of
from baler_core.builtin.models.predictive.family import Field, gather
from baler_core.builtin.models.predictive.field import encode_integers
from baler_core.progress import bits_per_value, shown

_SAMPLE = 3 << 16
_FRAMES = 48
_ADVANTAGE = 0.97


@dataclass(frozen=True)
class _Choice:
    """How one field is held and arranged, and bytes per value of a sample."""

    rate: float
    field: Field
    arrangement: Arrangement


def plan_families(members: Sequence[Prepared]) -> list[Family]:
    """Families of all `members`: all in one, or each by itself; variables in the order given."""
    shape = members[0].field[0].steps.shape
    choices = arrangements_of([member.variable for member in members], shape)
    # frames of a single row see fewer neighbours than the image that the rows make
    arrangements = [choice for choice in choices if choice.shape(shape)[2] > 1] or choices
    alone = [_best(member.field, arrangements) for member in members]
    if len(members) > 1 and len({choice.field.closed for choice in alone}) == 1:
        common = max(alone, key=lambda choice: choice.rate).arrangement
        fields = [choice.field for choice in alone]
        if _rate(fields, common) * len(fields) < sum(choice.rate for choice in alone):
            return [Family(_held(members, alone), common)]
    held = _held(members, alone)
    return [Family((member,), choice.arrangement) for member, choice in zip(held, alone, strict=True)]


def hold_alike(family: Family) -> Family | None:
    """A family planned for another file, its variables held as there, or else in one way; None if there is none."""
    wanted = family.known.get("closed", np.zeros(0, bool)).astype(bool).tolist()
    ways = [{field.closed: field for field in member.field} for member in family.members]
    for closed in (wanted[0] if wanted else True, True, False):
        if all(closed in way for way in ways):
            held = [replace(m, field=way[closed]) for m, way in zip(family.members, ways, strict=True)]
            return replace(family, members=tuple(held))
    return None


def _held(members: Sequence[Prepared], choices: Sequence[_Choice]) -> tuple[Prepared, ...]:
    return tuple(replace(m, field=choice.field) for m, choice in zip(members, choices, strict=True))


def _best(ways: Sequence[Field], arrangements: Sequence[Arrangement]) -> _Choice:
    """The best arrangement of the first way, then the best way."""
    # A sample is short, which favours arrangements that learn from one frame: the likeliest one has an advantage.
    with shown("choose predictive", "trial", len(arrangements) + len(ways) - 1) as step:

        def tried(field: Field, arrangement: Arrangement) -> _Choice:
            choice = _choice(field, arrangement)
            step(bits_per_value(choice.rate, 1))
            return choice

        found = [tried(ways[0], arrangement) for arrangement in arrangements]
        first = min((replace(found[0], rate=found[0].rate * _ADVANTAGE), *found[1:]), key=lambda choice: choice.rate)
        others = [tried(way, first.arrangement) for way in ways[1:]]
    return min((first, *others), key=lambda choice: choice.rate)


def _choice(field: Field, arrangement: Arrangement) -> _Choice:
    return _Choice(_rate([field], arrangement), field, arrangement)


def _rate(fields: Sequence[Field], arrangement: Arrangement) -> float:
    """Bytes per value of a sample."""
    shape = arrangement.shape(fields[0].steps.shape)
    sample = gather(fields, arrangement, _middle(shape, len(fields)))
    if sample.holes is not None and sample.holes.all():
        sample = replace(sample, holes=None)
    return len(encode_integers(sample)) / max(1, sample.values.size)


def _middle(shape: tuple[int, int, int, int], count: int) -> tuple[slice, ...]:
    """A part of a few frames from the middle of an array."""
    lengths = [min(shape[0], _FRAMES), *shape[1:]]
    while count * int(np.prod(lengths)) > _SAMPLE and max(lengths[1:]) > 16:
        axis = 1 + lengths[1:].index(max(lengths[1:]))
        lengths[axis] = max(16, lengths[axis] // 2)
    return tuple(slice((n - m) // 2, (n - m) // 2 + m) for n, m in zip(shape, lengths, strict=True))
