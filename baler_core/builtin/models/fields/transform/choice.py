"""Choose how a block of frames is coded, and use what another file taught about such blocks."""

from __future__ import annotations

from baler_core.builtin.models.fields.transform.block import Recipe, TiledFrames
from baler_core.builtin.models.fields.transform.chunk import AnalysedBlock
from baler_core.builtin.models.fields.transform.prior import Prior
from baler_core.builtin.models.fields.transform.sampled_block import SampledBlock
from baler_core.builtin.models.fields.transform.search import choose_step, choose_transform, suits
from baler_core.builtin.models.fields.transform.shared_modes import FINENESS, Remainder, SharedModes, learn_modes
from baler_core.machine.records import dataclass
from baler_core.plugin.interfaces import Effort

# Shared modes must leave this share of the bytes, or less, in the second half of a block.
_WORTH = 0.95
# Modes are not learned from fewer frames than this.
_FEWEST_FRAMES = 8


@dataclass(frozen=True)
class Coding:
    """How a block will be coded.

    Attributes
    ----------
    block
        What is transformed: the block itself, or what is left of it without its shared modes.
    recipe
        How.
    explained
        The part that shared modes explain, as bytes, if there is one.
    size
        Estimated bytes of everything.
    analysed
        What has been transformed to estimate that.
    """

    block: TiledFrames
    recipe: Recipe
    explained: bytes = b""
    size: float = 0.0
    analysed: AnalysedBlock | None = None


def choose_coding(
    block: TiledFrames, effort: Effort, recipe: Recipe | None, shared_modes: SharedModes | None
) -> Coding:
    """Choose the coding of fewest bytes, with or without shared modes; `recipe` suited another file."""
    sampled = SampledBlock(block, effort)
    known = recipe is not None and suits(recipe, block)
    start = recipe if known and recipe is not None else choose_transform(sampled)
    found = choose_step(sampled, start, effort, near=known)
    plain = Coding(block, found, b"", sampled.size(found))
    if shared_modes is None:
        return plain
    return min(plain, _without(block, shared_modes, effort), key=lambda coding: coding.size)


def _without(block: TiledFrames, shared_modes: SharedModes, effort: Effort) -> Coding:
    """Return the best coding of what is left of a block without its shared modes."""
    tried = []
    for fineness in range(len(FINENESS)):
        remainder = Remainder(block, shared_modes.find(block, fineness))
        sampled, explained = SampledBlock(remainder, effort), remainder.explained.to_bytes()
        recipe = choose_transform(sampled)
        tried.append((sampled.size(recipe) + len(explained), sampled, recipe, explained))
    _, sampled, recipe, explained = min(tried, key=lambda found: found[0])
    recipe = choose_step(sampled, recipe, effort)
    return Coding(sampled.block, recipe, explained, sampled.size(recipe) + len(explained))


def learn_prior(block: TiledFrames, halves: tuple[TiledFrames, TiledFrames], recipe: Recipe | None) -> Prior:
    """Return what suited a block; and modes, if those of the first half of its frames save bytes in the second."""
    first, second = halves
    if first.shape[0] < _FEWEST_FRAMES:
        return Prior(recipe)
    shared_modes = SharedModes.of(learn_modes(first), block.shape[1:])
    chosen = choose_coding(second, "fast", recipe, shared_modes)
    plain = choose_coding(second, "fast", recipe, None)
    pays = bool(chosen.explained) and chosen.size < _WORTH * plain.size
    return Prior(recipe, learn_modes(block)) if pays else Prior(recipe)
