"""Estimate the encoded size in bytes of a block, for any recipe, from a sample that is counted or coded."""

from __future__ import annotations

import math

import numpy as np

from baler_core.builtin.models.fields.transform import tile
from baler_core.builtin.models.fields.transform.basis import Basis, bytes_by_modes
from baler_core.builtin.models.fields.transform.block import Recipe, TiledFrames
from baler_core.builtin.models.fields.transform.chunk import (
    AnalysedBlock,
    analyse_middle,
    encode_chunk,
    learn,
    used_slices,
)
from baler_core.builtin.models.fields.transform.estimate import counted_size
from baler_core.builtin.models.fields.transform.quantiser import quantise
from baler_core.builtin.models.fields.transform.sample import learn_basis_fast, sample_boxes
from baler_core.builtin.models.fields.transform.tile import TileIntegers
from baler_core.builtin.models.fields.transform.tile_bytes import coded_size
from baler_core.builtin.models.fields.transform.wavelet import bands
from baler_core.plugin.interfaces import Effort

# So many coefficients of a tile, and corrections, are counted.
_MOST_COUNTED = 1 << 19


class SampledBlock:
    """A sample of a block, and what was found out about it, which is remembered."""

    def __init__(self, block: TiledFrames, effort: Effort) -> None:
        self.block = block
        self._effort = effort
        self._sample = [block.tile(box) for box in sample_boxes(block.shape, effort)]
        self._share = int(np.prod(block.shape)) / max(1, sum(chunk.field.size for chunk in self._sample))
        self._basis: tuple[Basis, np.ndarray, np.ndarray] | None = None
        self._slices: dict[tuple[str, int], list[np.ndarray]] = {}
        self._compared: dict[Recipe, float] = {}
        self._counted: dict[Recipe, float] = {}
        self._sizes: dict[Recipe, float] = {}

    def counted(self, recipe: Recipe) -> float:
        """Return bytes of the whole block, by counting: comparable among recipes, but some percent too large."""
        if recipe not in self._counted:
            parts, common = self._integers(recipe)
            self._counted[recipe] = common + _counted(parts, self._share)
        return self._counted[recipe]

    def compared(self, recipe: Recipe) -> float:
        """As `counted`; with little effort without corrections, of which transforms leave about the same many."""
        if self._effort != "fast":
            return self.counted(recipe)
        if recipe not in self._compared:
            parts, common = self._coefficients(recipe)
            self._compared[recipe] = common + counted_size(parts, self._share)
        return self._compared[recipe]

    def size(self, recipe: Recipe) -> float:
        """Return bytes of the whole block, by coding the sample."""
        if recipe not in self._sizes:
            parts, common = self._integers(recipe)
            self._sizes[recipe] = common + coded_size(parts, recipe) * self._share
        return self._sizes[recipe]

    def _integers(self, recipe: Recipe) -> tuple[list[TileIntegers], float]:
        """Return what would be coded of the sample, and the bytes of the basis."""
        matrix, sizes = self._learned() if recipe.time == "basis" else (None, None)
        parts = [
            tile.quantised(slices, chunk.field, chunk.holes, recipe, matrix)
            for slices, chunk in zip(self._transformed(recipe, matrix), self._sample, strict=True)
        ]
        if sizes is None:
            return parts, 0.0
        used = used_slices([part.coefficients for part in parts])
        return [TileIntegers(part.coefficients[:used], part.corrections) for part in parts], float(sizes[used])

    def _coefficients(self, recipe: Recipe) -> tuple[list[np.ndarray], float]:
        """Return the integers of coefficients alone, and the bytes of the basis."""
        matrix, sizes = self._learned() if recipe.time == "basis" else (None, None)
        slices = self._transformed(recipe, matrix)
        parts = [quantise(part, recipe.step_size, bands(part.shape[2:], recipe.levels)) for part in slices]
        return parts, 0.0 if sizes is None else float(sizes[used_slices(parts)])

    def _transformed(self, recipe: Recipe, matrix: np.ndarray | None) -> list[np.ndarray]:
        key = (recipe.time, recipe.levels)
        if key not in self._slices:
            self._slices[key] = [tile.transformed(chunk.field, recipe, matrix) for chunk in self._sample]
        return self._slices[key]

    def _learned(self) -> tuple[np.ndarray, np.ndarray]:
        """Learn the matrix of a basis learned from few points of all of the block, and bytes of its first modes."""
        if self._basis is None:
            basis = learn_basis_fast(self.block)
            self._basis = basis, basis.matrix(), bytes_by_modes(basis)
        return self._basis[1:]

    def analyse(self, recipe: Recipe) -> tuple[AnalysedBlock, float]:
        """Return the middle tile of the block transformed as a whole, and bytes of the whole block by counting that."""
        sizes = self._learned()[1] if recipe.time == "basis" else None
        basis = self._basis[0] if sizes is not None and self._basis is not None else None
        analysed = analyse_middle(self.block, recipe, basis)
        found = analysed.integers
        common = 0.0 if sizes is None else float(sizes[used_slices([found.coefficients])])
        share = int(np.prod(self.block.shape)) / max(1, found.corrections.size)
        return analysed, common + _counted([found], share, _MOST_COUNTED)

    def forget(self) -> None:
        """Release what is large."""
        self._slices.clear()


def _counted(parts: list[TileIntegers], share: float, most: int = 0) -> float:
    coefficients, corrections = [part.coefficients for part in parts], [part.corrections for part in parts]
    return counted_size(coefficients, share, most) + counted_size(corrections, share, most)


def whole_size(block: TiledFrames, recipe: Recipe) -> float:
    """Return bytes of a block, all of it coded."""
    found = encode_chunk(block, recipe, learn(block) if recipe.time == "basis" else None)
    return float(sum(map(len, found))) if found[0] else math.inf
