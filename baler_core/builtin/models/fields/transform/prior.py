"""What another file taught about a block of frames: a recipe to start from, and modes that its frames may have in common."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from baler_core.builtin.models.fields.transform.block import Block
from baler_core.builtin.models.fields.transform.chunk import Analysed
from baler_core.builtin.models.fields.transform.recipe import Recipe, read_recipe
from baler_core.builtin.models.fields.transform.search import choose_step, choose_transform, suits
from baler_core.builtin.models.fields.transform.shared_modes import FINENESS, Background, Remainder, learn_modes
from baler_core.builtin.models.fields.transform.trials import Trials
from baler_core.entropy.varint import ByteReader
from baler_core.plugin.interfaces import Effort, State

_WORTH = 0.95
# Modes are not learned from fewer frames than this.
_FEWEST_FRAMES = 8


@dataclass(frozen=True)
class Experience:
    """What is known before a block is seen.

    Attributes
    ----------
    recipe
        What suited the other file.
    modes
        See `background.learn_modes`; empty if they are not known or foretell nothing.
    """

    recipe: Recipe | None = None
    modes: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int16))

    @classmethod
    def read(cls, state: State, *, by_reference: bool) -> Experience:
        """From arrays; modes only where decoders have them too."""
        recipe = read_recipe(ByteReader(state["recipe"].tobytes(), "a trained model")) if "recipe" in state else None
        return cls(recipe, state["modes"]) if by_reference and "modes" in state else cls(recipe)

    def to_state(self) -> State:
        """As arrays by name."""
        state = {} if self.recipe is None else {"recipe": np.frombuffer(self.recipe.to_bytes(), np.uint8)}
        return {**state, "modes": self.modes} if self.modes.size else state

    def background(self, shape: tuple[int, ...]) -> Background | None:
        """The modes, if they are of frames of this shape (variables, z, y, x)."""
        return Background.of(self.modes, shape)


def has_modes(state: State) -> bool:
    """Whether decoding makes use of what was learned: if there are modes."""
    return "modes" in state


@dataclass(frozen=True)
class Coding:
    """How a block will be coded.

    Attributes
    ----------
    block
        What is transformed: the block itself, or what is left of it without its background.
    recipe
        How.
    foretold
        The background as bytes, if there is one.
    size
        Estimated bytes of everything.
    analysed
        What has been transformed to tell that.
    """

    block: Block
    recipe: Recipe
    foretold: bytes = b""
    size: float = 0.0
    analysed: Analysed | None = None


def choose_coding(block: Block, effort: Effort, recipe: Recipe | None, background: Background | None) -> Coding:
    """The coding of fewest bytes, with or without the background; `recipe` suited another file."""
    trials = Trials(block, effort)
    known = recipe is not None and suits(recipe, block)
    start = recipe if known and recipe is not None else choose_transform(trials, effort)
    found = choose_step(trials, start, effort, near=known)
    plain = Coding(block, found, b"", trials.size(found))
    if background is None:
        return plain
    return min(plain, _without(block, background, effort), key=lambda coding: coding.size)


def _without(block: Block, background: Background, effort: Effort) -> Coding:
    """The best coding of what is left of a block without its background."""
    tried = []
    for fineness in range(len(FINENESS)):
        left = Remainder(block, background.find(block, fineness))
        trials, foretold = Trials(left, effort), left.foretold.to_bytes()
        recipe = choose_transform(trials, effort)
        tried.append((trials.size(recipe) + len(foretold), trials, recipe, foretold))
    _, trials, recipe, foretold = min(tried, key=lambda found: found[0])
    recipe = choose_step(trials, recipe, effort)
    return Coding(trials.block, recipe, foretold, trials.size(recipe) + len(foretold))


def learn_experience(block: Block, halves: tuple[Block, Block], recipe: Recipe | None) -> Experience:
    """What suited a block; and modes, if those of the first half of its frames save bytes in the second."""
    first, second = halves
    if first.shape[0] < _FEWEST_FRAMES:
        return Experience(recipe)
    background = Background.of(learn_modes(first), block.shape[1:])
    chosen = choose_coding(second, "fast", recipe, background)
    plain = choose_coding(second, "fast", recipe, None)
    pays = bool(chosen.foretold) and chosen.size < _WORTH * plain.size
    return Experience(recipe, learn_modes(block)) if pays else Experience(recipe)
