"""Chooses which variables are predicted together, and along which axes, by bytes of a sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from baler_core.builtin.models.families import Family, Prepared
from baler_core.builtin.models.field_layout import Arrangement, arrangements_of
from baler_core.builtin.models.predictive.family import Field, gather
from baler_core.builtin.models.predictive.field import encode_integers

_SAMPLE = 1 << 17
_FRAMES = 8


def plan_families(members: Sequence[Prepared]) -> list[Family]:
    """Families of all `members`: all in one, or each by itself; variables in the order given."""
    fields = [member.field for member in members]
    choices = arrangements_of([member.variable for member in members], fields[0].steps.shape)
    alone = [
        min(((_rate([field], choice), choice) for choice in choices), key=lambda pair: pair[0]) for field in fields
    ]
    if len(fields) > 1 and len({field.closed for field in fields}) == 1:
        common = max(alone, key=lambda pair: pair[0])[1]
        if _rate(fields, common) * len(fields) < sum(rate for rate, _ in alone):
            return [Family(tuple(members), common)]
    return [Family((member,), choice) for member, (_, choice) in zip(members, alone, strict=True)]


def _rate(fields: Sequence[Field], arrangement: Arrangement) -> float:
    """Bytes per value of a sample."""
    shape = arrangement.shape(fields[0].steps.shape)
    sample = gather(fields, arrangement, _middle(shape, len(fields)))
    if sample.holes is not None and sample.holes.all():
        sample = replace(sample, holes=None)
    return len(encode_integers(sample, passes=1)) / max(1, sample.values.size)


def _middle(shape: tuple[int, int, int, int], count: int) -> tuple[slice, ...]:
    """A part of a few frames from the middle of an array."""
    lengths = [min(shape[0], _FRAMES), *shape[1:]]
    while count * int(np.prod(lengths)) > _SAMPLE and max(lengths[1:]) > 16:
        axis = 1 + lengths[1:].index(max(lengths[1:]))
        lengths[axis] = max(16, lengths[axis] // 2)
    return tuple(slice((n - m) // 2, (n - m) // 2 + m) for n, m in zip(shape, lengths, strict=True))
