"""Choose a recipe for a block by the bytes that a sample of it would take."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from baler_core.builtin.models.fields.transform import wavelet
from baler_core.builtin.models.fields.transform.block import STEPS, Recipe, TiledFrames
from baler_core.builtin.models.fields.transform.sampled_block import SampledBlock
from baler_core.builtin.models.fields.transform.temporal import TIME_TRANSFORMS, TimeTransform
from baler_core.machine.progress import bits_per_value, shown
from baler_core.plugin.interfaces import Effort

# 2.6 tolerances; in prototypes the best step was 1.6 to 5 tolerances, and 8 to 60 at high rates.
_FIRST_STEP = 19
_STRIDES: Mapping[Effort, tuple[int, ...]] = {"fast": (4,), "balanced": (4, 2), "max": (5, 2, 1)}
# How often coefficients are moved to spare corrections.
_ROUNDS: Mapping[Effort, int] = {"fast": 0, "balanced": 2, "max": 4}
_Size = Callable[[Recipe], float]


def choose_transform(sampled: SampledBlock, times: Sequence[TimeTransform] = TIME_TRANSFORMS) -> Recipe:
    """Try transforms along time and splits in space."""
    frames, _, *space = sampled.block.shape
    levels = wavelet.useful_levels(tuple(space))
    tried = [Recipe(time, levels, _FIRST_STEP, mixed=0) for time in (times if frames > 1 else TIME_TRANSFORMS[:1])]
    with _watched(sampled, sampled.compared) as compared:
        best = min(tried, key=compared)
        if levels and sum(n > 1 for n in space) == 1:
            best = min(best, replace(best, levels=0), key=compared)
    return best


def suits(recipe: Recipe, block: TiledFrames) -> bool:
    """Return whether a recipe from elsewhere can be used for a block."""
    frames, _, *space = block.shape
    return recipe.levels <= wavelet.useful_levels(tuple(space)) and (frames > 1 or recipe.time == "none")


def choose_step(sampled: SampledBlock, start: Recipe, effort: Effort, *, near: bool = False) -> Recipe:
    """Try coarser and finer steps of the quantiser, then to spare corrections; at most effort some ways are coded.

    Parameters
    ----------
    near
        Whether the step of `start` suited another block, so that no long strides are needed.
    """
    best = replace(start, mixed=0, shared_modes=False, rounds=0)
    with _watched(sampled, sampled.counted) as counted:
        for stride in _STRIDES[effort][-1:] if near else _STRIDES[effort]:
            best = _climb(counted, best, stride)
    if _ROUNDS[effort] == 0:
        return best
    sparing = replace(best, rounds=_ROUNDS[effort])
    return min(best, sparing, key=sampled.counted)


@contextmanager
def _watched(sampled: SampledBlock, counted: _Size) -> Iterator[_Size]:
    """Return what counts bytes for the trials, showing the least bits per value so far."""
    least = math.inf
    with shown("choose transform", "trial") as step:

        def size(recipe: Recipe) -> float:
            nonlocal least
            found = counted(recipe)
            least = min(least, found)
            step(bits_per_value(least, math.prod(sampled.block.shape)))
            return found

        yield size


def _climb(size: _Size, start: Recipe, stride: int) -> Recipe:
    """Go up or down in steps as long as that pays; return where that leads."""
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
