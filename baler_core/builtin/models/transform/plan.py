"""Chooses which variables are transformed together, and along which axes, by bytes of a sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from baler_core.builtin.models.transform.family import Field, chunk_of
from baler_core.builtin.models.transform.layout import Arrangement, arrangements, time_blocks
from baler_core.builtin.models.transform.search import Effort, Trials, choose_recipe


@dataclass(frozen=True)
class Family:
    """Names of variables coded together, and how their arrays are arranged."""

    names: tuple[str, ...]
    arrangement: Arrangement


def plan_families(
    fields: Mapping[str, Field], dims: tuple[str, ...], axes: Mapping[str, str], effort: Effort
) -> list[Family]:
    """Families of all `fields`: all in one, or each by itself."""
    names = tuple(fields)
    if not names:
        return []
    shape = fields[names[0]].values.shape
    choices = arrangements(shape, dims, axes)
    alone = {name: _best([fields[name]], choices, effort) for name in names}
    if len(names) > 1:
        common = min((alone[name] for name in names), key=lambda found: found[0])[1]
        together = _bytes([fields[name] for name in names], common, effort)
        if together < sum(size for size, _ in alone.values()):
            return [Family(names, common)]
    return [Family((name,), alone[name][1]) for name in names]


def _best(fields: Sequence[Field], choices: Sequence[Arrangement], effort: Effort) -> tuple[float, Arrangement]:
    sized = [(_bytes(fields, choice, effort), choice) for choice in choices]
    return min(sized, key=lambda pair: pair[0])


def _bytes(fields: Sequence[Field], arrangement: Arrangement, effort: Effort) -> float:
    """Estimated bytes of all values, from one block of frames."""
    blocks = time_blocks(arrangement.shape(fields[0].values.shape)[0])
    trials = Trials(chunk_of(fields, arrangement, blocks[len(blocks) // 2]), "fast")
    choose_recipe(trials, "fast")
    return min(trials.sizes.values()) * len(blocks)
