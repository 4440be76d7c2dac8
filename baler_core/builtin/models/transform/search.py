"""Chooses a recipe for a chunk by coding a sample of it in several ways and counting bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from baler_core.builtin.models.families import Effort
from baler_core.builtin.models.transform import wavelet
from baler_core.builtin.models.transform.basis import Basis
from baler_core.builtin.models.transform.chunk import Chunk, encode_chunk, learn
from baler_core.builtin.models.transform.recipe import STEPS, Recipe
from baler_core.builtin.models.transform.temporal import TIME_TRANSFORMS
from baler_core.progress import bits_per_value, shown

_SAMPLE = {"fast": 1 << 17, "balanced": 1 << 18, "max": 1 << 20}
_FIRST_STEP = 19  # 2.6 tolerances
_STRIDES = {"fast": (), "balanced": (4, 2), "max": (5, 2, 1)}


def sample_of(chunk: Chunk, effort: Effort) -> Chunk:
    """All frames of a part of space from the middle."""
    shape = list(chunk.field.shape[2:])
    per_point = chunk.field.shape[0] * chunk.field.shape[1]
    least = 16
    while per_point * int(np.prod(shape)) > 2 * _SAMPLE[effort] and max(shape) > least:
        axis = shape.index(max(shape))
        shape[axis] = max(least, shape[axis] // 2)
    box = tuple(slice((n - m) // 2, (n - m) // 2 + m) for n, m in zip(chunk.field.shape[2:], shape, strict=True))
    return chunk.tile(box)


class Trials:
    """Codes a sample by recipes and remembers how many bytes the whole chunk would take."""

    def __init__(self, chunk: Chunk, effort: Effort) -> None:
        self.sample = sample_of(chunk, effort)
        self._share = chunk.field.size / max(1, self.sample.field.size)
        self.chunk = chunk
        self._bases: dict[str, Basis | None] = {}
        self.sizes: dict[Recipe, float] = {}

    def size(self, recipe: Recipe) -> float:
        """Estimated bytes of the whole chunk."""
        if recipe not in self.sizes:
            basis = self.basis(recipe)
            common, tiles = encode_chunk(self.sample, recipe, basis)
            self.sizes[recipe] = len(common) + len(tiles) * self._share
        return self.sizes[recipe]

    def basis(self, recipe: Recipe) -> Basis | None:
        """The whole chunk's basis, learned once."""
        if recipe.time not in self._bases:
            self._bases[recipe.time] = learn(self.chunk, recipe)
        return self._bases[recipe.time]

    def best(self) -> Recipe:
        """The recipe of fewest bytes so far."""
        return min(self.sizes, key=self.sizes.__getitem__)


def choose_recipe(trials: Trials, effort: Effort, start: Recipe | None = None) -> Recipe:
    """Try transforms along time, splits in space, and steps; of a `start` that suited another file only other steps."""
    with shown("choose transform", "trial") as step:

        def size(recipe: Recipe) -> float:
            found = trials.size(recipe)
            step(bits_per_value(min(trials.sizes.values()), trials.chunk.field.size))
            return found

        return _chosen(trials, size, effort, start)


def _chosen(trials: Trials, size: Callable[[Recipe], float], effort: Effort, start: Recipe | None) -> Recipe:
    frames, _, *space = trials.sample.field.shape
    levels = wavelet.useful_levels(tuple(space))
    if start is not None and start.levels <= levels and (frames > 1 or start.time == "none"):
        size(start)
        for stride in _STRIDES[effort][-1:]:
            _walk(size, start, stride)
        return trials.best()
    for time in TIME_TRANSFORMS if frames > 1 else TIME_TRANSFORMS[:1]:
        size(Recipe(time, levels, _FIRST_STEP, mixed=0))
    best = trials.best()
    if levels and sum(n > 1 for n in space) == 1:
        size(replace(best, levels=0))
    best = trials.best()
    for stride in _STRIDES[effort]:
        _walk(size, best, stride)
        best = trials.best()
    return best


def _walk(size: Callable[[Recipe], float], start: Recipe, stride: int) -> None:
    """Go up or down in steps as long as that pays."""
    for direction in (stride, -stride):
        here, last = start, size(start)
        while 0 <= here.step + direction < len(STEPS):
            here = replace(here, step=here.step + direction)
            now = size(here)
            if now >= last:
                break
            last = now
        if here.step != start.step + direction:
            return
