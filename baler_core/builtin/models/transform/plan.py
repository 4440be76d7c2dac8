"""Chooses which variables are transformed together, and along which axes, by bytes of a sample."""

from __future__ import annotations

from collections.abc import Sequence

from baler_core.builtin.models.families import Family, Prepared
from baler_core.builtin.models.field_layout import Arrangement, arrangements_of, time_blocks
from baler_core.builtin.models.transform.family import Field, chunk_of
from baler_core.builtin.models.transform.search import Trials, choose_recipe


def plan_families(members: Sequence[Prepared]) -> list[Family]:
    """Families of all `members`: all in one, or each by itself."""
    fields = [member.field for member in members]
    choices = arrangements_of([member.variable for member in members], fields[0].values.shape)
    alone = [_best([field], choices) for field in fields]
    if len(fields) > 1:
        common = max(alone, key=lambda found: found[0])[1]
        if _bytes(fields, common) < sum(size for size, _ in alone):
            return [Family(tuple(members), common)]
    return [Family((member,), choice) for member, (_, choice) in zip(members, alone, strict=True)]


def _best(fields: Sequence[Field], choices: Sequence[Arrangement]) -> tuple[float, Arrangement]:
    if len(choices) == 1:
        return _bytes(fields, choices[0]), choices[0]
    sized = [(_bytes(fields, choice), choice) for choice in choices]
    return min(sized, key=lambda pair: pair[0])


def _bytes(fields: Sequence[Field], arrangement: Arrangement) -> float:
    """Estimated bytes of all values, from one block of frames."""
    blocks = time_blocks(arrangement.shape(fields[0].values.shape)[0])
    trials = Trials(chunk_of(fields, arrangement, blocks[len(blocks) // 2]), "fast")
    choose_recipe(trials, "fast")
    return min(trials.sizes.values()) * len(blocks)
