"""Chooses a recipe for a block by coding a sample of it in several ways and counting bytes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from baler_core.builtin.models.field_layout import Box
from baler_core.builtin.models.transform import tile, wavelet
from baler_core.builtin.models.transform.basis import Basis, gram, learn_basis
from baler_core.builtin.models.transform.block import Block, Chunk
from baler_core.builtin.models.transform.chunk import basis_bytes, encode_chunk, learn, used_slices
from baler_core.builtin.models.transform.recipe import STEPS, Recipe
from baler_core.builtin.models.transform.temporal import TIME_TRANSFORMS, TimeTransform
from baler_core.interfaces import Effort
from baler_core.progress import bits_per_value, shown

_SAMPLE: dict[Effort, int] = {"fast": 1 << 17, "balanced": 1 << 18, "max": 1 << 19}
_FIRST_STEP = 19  # 2.6 tolerances
# How often coefficients are moved to spare corrections.
_ROUNDS: dict[Effort, int] = {"fast": 0, "balanced": 2, "max": 4}
_STRIDES: dict[Effort, tuple[int, ...]] = {"fast": (4,), "balanced": (4, 2), "max": (5, 2, 1)}
# The basis of a sample is learned from this many points per frame, spread over all of space.
_POINTS = 8
# A sample is a few boxes of at least so many points along each long axis.
_BOXES, _SHORTEST = 2, 16


def sample_boxes(shape: tuple[int, ...], effort: Effort) -> list[Box]:
    """A few parts of space, no two in the same rows, of a block of `shape` (frames, variables, z, y, x)."""
    space = list(shape[2:])
    per_point = shape[0] * shape[1]
    if per_point * int(np.prod(space)) <= 2 * _SAMPLE[effort]:
        return [tuple(slice(0, n) for n in space)]
    while _BOXES * per_point * int(np.prod(space)) > 2 * _SAMPLE[effort] and max(space) > _SHORTEST:
        axis = space.index(max(space))
        space[axis] = max(_SHORTEST, space[axis] // 2)
    boxes = []
    for number in range(_BOXES):
        places = (number, _BOXES - 1 - number, number)[-len(space) :]
        firsts = [
            (n - m) * (2 * place + 1) // (2 * _BOXES) for n, m, place in zip(shape[2:], space, places, strict=True)
        ]
        boxes.append(tuple(slice(first, first + m) for first, m in zip(firsts, space, strict=True)))
    return boxes


def spread_points(shape: tuple[int, ...]) -> Box:
    """Points all over space, evenly, enough to learn a basis from."""
    steps = [1] * len(shape[2:])
    while True:
        counts = [-(-n // step) for n, step in zip(shape[2:], steps, strict=True)]
        if shape[1] * int(np.prod(counts)) <= 2 * _POINTS * shape[0] + 4096 or max(counts) == 1:
            return tuple(slice(None, None, step) for step in steps)
        steps[counts.index(max(counts))] += 1


class Trials:
    """Codes a sample of a block by recipes and remembers how many bytes the whole block would take."""

    def __init__(self, block: Block, effort: Effort) -> None:
        self.block = block
        self.sample = [block.tile(box) for box in sample_boxes(block.shape, effort)]
        self._share = int(np.prod(block.shape)) / max(1, sum(chunk.field.size for chunk in self.sample))
        self._basis: tuple[Basis, np.ndarray] | None = None
        self._mode_bytes: dict[int, int] = {}
        self._slices: dict[tuple[str, int], list[np.ndarray]] = {}
        self.sizes: dict[Recipe, float] = {}

    def size(self, recipe: Recipe) -> float:
        """Estimated bytes of the whole block."""
        if recipe not in self.sizes:
            self.sizes[recipe] = self._measured(recipe)
        return self.sizes[recipe]

    def whole_size(self, recipe: Recipe) -> float:
        """Bytes of the whole block, measured on all of it."""
        parts = sum(map(len, encode_chunk(self.block, recipe, learn(self.block) if recipe.time == "basis" else None)))
        return float(parts)

    def _measured(self, recipe: Recipe) -> float:
        matrix, common = None, 0.0
        if recipe.time == "basis":
            _, matrix = self._learned()
        key = (recipe.time, recipe.levels)
        if key not in self._slices:
            self._slices[key] = [tile.transformed(chunk.field, recipe, matrix) for chunk in self.sample]
        parts = [
            tile.quantised(slices, chunk.field, chunk.holes, recipe, matrix)
            for slices, chunk in zip(self._slices[key], self.sample, strict=True)
        ]
        if recipe.time == "basis":
            used = used_slices(parts)
            parts = [tile.TileIntegers(part.coefficients[:used], part.corrections) for part in parts]
            common = self._basis_bytes(used)
        return common + len(tile.encode_tiles(parts, recipe)) * self._share

    def _learned(self) -> tuple[Basis, np.ndarray]:
        """The basis of points from all of the block, and its matrix."""
        if self._basis is None:
            basis = learn_quickly(self.block)
            self._basis = basis, basis.matrix()
        return self._basis

    def _basis_bytes(self, modes: int) -> int:
        """Bytes of the first modes."""
        if modes not in self._mode_bytes:
            self._mode_bytes[modes] = len(basis_bytes(self.basis().first(modes)))
        return self._mode_bytes[modes]

    def basis(self) -> Basis:
        """What was learned from few points."""
        return self._learned()[0]

    def forget(self) -> None:
        """Release what is large."""
        self._slices.clear()

    def best(self) -> Recipe:
        """The recipe of fewest bytes so far."""
        return min(self.sizes, key=self.sizes.__getitem__)


def learn_quickly(block: Block) -> Basis:
    """A basis from points spread over the block."""
    points: Chunk = block.tile(spread_points(block.shape))
    frames = points.field.reshape(block.shape[0], -1)
    return learn_basis(gram(frames), [frames])


def choose_transform(trials: Trials, times: Sequence[TimeTransform] = TIME_TRANSFORMS) -> Recipe:
    """Try transforms along time and splits in space."""
    frames, _, *space = trials.block.shape
    levels = wavelet.useful_levels(tuple(space))
    with _watched(trials) as size:
        for time in times if frames > 1 else TIME_TRANSFORMS[:1]:
            size(Recipe(time, levels, _FIRST_STEP, mixed=0))
        if levels and sum(n > 1 for n in space) == 1:
            size(replace(trials.best(), levels=0))
    return trials.best()


def suits(recipe: Recipe, block: Block) -> bool:
    """Whether a recipe from elsewhere can be used for a block."""
    frames, _, *space = block.shape
    return recipe.levels <= wavelet.useful_levels(tuple(space)) and (frames > 1 or recipe.time == "none")


def choose_step(trials: Trials, start: Recipe, effort: Effort, *, near: bool = False) -> Recipe:
    """Try coarser and finer steps of the quantiser, then to spare corrections.

    Parameters
    ----------
    near
        Whether the step of `start` suited another block, so that no long strides are needed.
    """
    best = replace(start, mixed=0, background=False, rounds=0)
    with _watched(trials) as size:
        size(best)
        for stride in _STRIDES[effort][-1:] if near else _STRIDES[effort]:
            _walk(size, best, stride)
            best = trials.best()
        size(replace(best, rounds=_ROUNDS[effort]))
    return trials.best()


@contextmanager
def _watched(trials: Trials) -> Iterator[Callable[[Recipe], float]]:
    """`trials.size`, which shows the least bits per value so far."""
    with shown("choose transform", "trial") as step:

        def size(recipe: Recipe) -> float:
            found = trials.size(recipe)
            step(bits_per_value(min(trials.sizes.values()), math.prod(trials.block.shape)))
            return found

        yield size


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
