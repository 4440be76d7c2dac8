"""Looks at one chunk of planned fields: how many bytes all of them will take, and what coding that chunk needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from baler_core.builtin.models.fields.layout import Box
from baler_core.builtin.models.fields.model import Family
from baler_core.builtin.models.fields.predictive.codec import chunks_of, gather
from baler_core.builtin.models.fields.predictive.field import counted_with, encode_with
from baler_core.builtin.models.fields.predictive.stencil_fit import few_values, learn_stencils
from baler_core.plugin.interfaces import Effort

# What mixing takes of what the same stencils take without.
_MIXED_SIZE: Mapping[Effort, float] = {"balanced": 0.97, "max": 0.93}


@dataclass(frozen=True)
class Look:
    """What looking at one chunk of a family found out.

    Attributes
    ----------
    place
        Where it is.
    stencils
        What was learned of it; None if that is not thorough enough for coding.
    data
        The chunk as it will be stored, if it has been coded already; else nothing.
    """

    place: Box
    stencils: np.ndarray | None
    data: bytes = b""


def look(family: Family, effort: Effort) -> Family:
    """The family, with the bytes to expect from its middle chunk: coded with little effort, else counted."""
    fields, arrangement = [member.field for member in family.members], family.arrangement
    places = chunks_of(family, effort)
    place = places[len(places) // 2]
    integers = gather(fields, arrangement, place)
    stencils = learn_stencils(integers, "balanced" if effort == "max" else effort)
    if effort == "fast":
        found = Look(place, stencils, encode_with(integers, stencils, 0)[0])
        size = float(len(found.data))
    else:
        found = Look(place, stencils if effort == "balanced" and not few_values(integers) else None)
        size = _MIXED_SIZE[effort] * counted_with(integers, stencils)[0]
    share = len(fields) * fields[0].values.size / max(1, integers.values.size)
    return replace(family, expected=size * share, recipe=found)
