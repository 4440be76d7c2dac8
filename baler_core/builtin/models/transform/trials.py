"""Tries recipes on a sample of a block: how many bytes the whole block would take, counted or coded."""

from __future__ import annotations

import numpy as np

from baler_core.builtin.models.transform import tile
from baler_core.builtin.models.transform.basis import bytes_by_modes
from baler_core.builtin.models.transform.block import Block
from baler_core.builtin.models.transform.chunk import basis_bytes, encode_chunk, learn, used_slices
from baler_core.builtin.models.transform.estimate import counted_size
from baler_core.builtin.models.transform.recipe import Recipe
from baler_core.builtin.models.transform.sample import learn_quickly, sample_boxes
from baler_core.builtin.models.transform.tile import TileIntegers
from baler_core.builtin.models.transform.tile_bytes import coded_size
from baler_core.interfaces import Effort


class Trials:
    """A sample of a block, and what was found out about it, which is remembered."""

    def __init__(self, block: Block, effort: Effort) -> None:
        self.block = block
        self._sample = [block.tile(box) for box in sample_boxes(block.shape, effort)]
        # with little effort the first part alone is coded, and says how far counting is off
        self._coded = 1 if effort == "fast" else len(self._sample)
        self._share = int(np.prod(block.shape)) / max(1, sum(chunk.field.size for chunk in self._sample))
        self._basis: tuple[np.ndarray, np.ndarray] | None = None
        self._slices: dict[tuple[str, int], list[np.ndarray]] = {}
        self._counted: dict[Recipe, float] = {}
        self._sizes: dict[Recipe, float] = {}

    def counted(self, recipe: Recipe) -> float:
        """Bytes of the whole block, by counting: comparable among recipes, but some percent too large."""
        if recipe not in self._counted:
            parts, common = self._integers(recipe)
            self._counted[recipe] = common + _counted(parts) * self._share
        return self._counted[recipe]

    def size(self, recipe: Recipe) -> float:
        """Bytes of the whole block, by coding the sample."""
        if recipe not in self._sizes:
            parts, common = self._integers(recipe)
            size = coded_size(parts[: self._coded], recipe)
            if self._coded < len(parts):
                size *= _counted(parts) / max(1.0, _counted(parts[: self._coded]))
            self._sizes[recipe] = common + size * self._share
        return self._sizes[recipe]

    def _integers(self, recipe: Recipe) -> tuple[list[TileIntegers], float]:
        """What would be coded of the sample, and the bytes of the basis."""
        matrix, sizes = self._learned() if recipe.time == "basis" else (None, None)
        key = (recipe.time, recipe.levels)
        if key not in self._slices:
            self._slices[key] = [tile.transformed(chunk.field, recipe, matrix) for chunk in self._sample]
        parts = [
            tile.quantised(slices, chunk.field, chunk.holes, recipe, matrix)
            for slices, chunk in zip(self._slices[key], self._sample, strict=True)
        ]
        if sizes is None:
            return parts, 0.0
        used = used_slices(parts)
        return [TileIntegers(part.coefficients[:used], part.corrections) for part in parts], float(sizes[used])

    def _learned(self) -> tuple[np.ndarray, np.ndarray]:
        """The matrix of a basis learned from few points of all of the block, and bytes of its first modes."""
        if self._basis is None:
            basis = learn_quickly(self.block)
            sizes = bytes_by_modes(basis)
            # what is counted may be off by half, but by the same share for few modes and for all
            self._basis = basis.matrix(), sizes * (len(basis_bytes(basis)) / max(1.0, sizes[-1]))
        return self._basis

    def forget(self) -> None:
        """Release what is large."""
        self._slices.clear()


def _counted(parts: list[TileIntegers]) -> float:
    return counted_size([part.coefficients for part in parts]) + counted_size([part.corrections for part in parts])


def whole_size(block: Block, recipe: Recipe) -> float:
    """Bytes of a block, all of it coded."""
    return float(sum(map(len, encode_chunk(block, recipe, learn(block) if recipe.time == "basis" else None))))
