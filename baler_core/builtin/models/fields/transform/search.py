"""Chooses a recipe for a block by what a sample of it would take: counted for all, coded for those that come near."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from baler_core.builtin.models.fields.transform import wavelet
from baler_core.builtin.models.fields.transform.block import Block
from baler_core.builtin.models.fields.transform.recipe import STEPS, Recipe
from baler_core.builtin.models.fields.transform.temporal import TIME_TRANSFORMS, TimeTransform
from baler_core.builtin.models.fields.transform.trials import Trials
from baler_core.machine.progress import bits_per_value, shown
from baler_core.plugin.interfaces import Effort

_FIRST_STEP = 19  # 2.6 tolerances
_STRIDES: Mapping[Effort, tuple[int, ...]] = {"fast": (4,), "balanced": (4, 2), "max": (5, 2, 1)}
# How often coefficients are moved to spare corrections.
_ROUNDS: Mapping[Effort, int] = {"fast": 0, "balanced": 2, "max": 4}
# Recipes counted within this factor of the least are coded too.
_CLOSE: Mapping[Effort, float] = {"fast": 1.0, "balanced": 1.0, "max": 1.0}
_Size = Callable[[Recipe], float]


def choose_transform(trials: Trials, effort: Effort, times: Sequence[TimeTransform] = TIME_TRANSFORMS) -> Recipe:
    """Try transforms along time and splits in space."""
    frames, _, *space = trials.block.shape
    levels = wavelet.useful_levels(tuple(space))
    tried = [Recipe(time, levels, _FIRST_STEP, mixed=0) for time in (times if frames > 1 else TIME_TRANSFORMS[:1])]
    with _watched(trials, trials.compared) as compared:
        best = _least(trials, compared, tried, effort)
        if levels and sum(n > 1 for n in space) == 1:
            best = _least(trials, compared, [best, replace(best, levels=0)], effort)
    return best


def _least(trials: Trials, compared: _Size, recipes: Iterable[Recipe], effort: Effort) -> Recipe:
    """The recipe of fewest bytes: as counted, those that are close as coded."""
    sizes = {recipe: compared(recipe) for recipe in recipes}
    if len(sizes) == 1:
        return next(iter(sizes))
    close = [recipe for recipe, size in sizes.items() if size <= _CLOSE[effort] * min(sizes.values())]
    return min(close, key=trials.size) if len(close) > 1 else close[0]


def suits(recipe: Recipe, block: Block) -> bool:
    """Whether a recipe from elsewhere can be used for a block."""
    frames, _, *space = block.shape
    return recipe.levels <= wavelet.useful_levels(tuple(space)) and (frames > 1 or recipe.time == "none")


def choose_step(trials: Trials, start: Recipe, effort: Effort, *, near: bool = False) -> Recipe:
    """Try coarser and finer steps of the quantiser, then to spare corrections; at most effort some ways are coded.

    Parameters
    ----------
    near
        Whether the step of `start` suited another block, so that no long strides are needed.
    """
    best = replace(start, mixed=0, background=False, rounds=0)
    with _watched(trials, trials.counted) as counted:
        for stride in _STRIDES[effort][-1:] if near else _STRIDES[effort]:
            best = _walk(counted, best, stride)
    if _ROUNDS[effort] == 0:
        return best
    sparing = replace(best, rounds=_ROUNDS[effort])
    return min(best, sparing, key=trials.counted)


@contextmanager
def _watched(trials: Trials, counted: _Size) -> Iterator[_Size]:
    """What counts bytes for the trials, showing the least bits per value so far."""
    least = math.inf
    with shown("choose transform", "trial") as step:

        def size(recipe: Recipe) -> float:
            nonlocal least
            found = counted(recipe)
            least = min(least, found)
            step(bits_per_value(least, math.prod(trials.block.shape)))
            return found

        yield size


def _walk(size: _Size, start: Recipe, stride: int) -> Recipe:
    """Go up or down in steps as long as that pays; where that leads."""
    for direction in (stride, -stride):
        best = start
        while 0 <= best.step + direction < len(STEPS):
            further = replace(best, step=best.step + direction)
            if size(further) >= size(best):
                break
            best = further
        if best != start:
            return best
    return start
