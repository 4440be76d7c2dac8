"""What another file taught about a chunk of frames: a recipe to start from, and modes that its frames may have in common."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from baler_core.builtin.models.families import Effort
from baler_core.builtin.models.transform.background import FINENESS, Background, learn_modes, written
from baler_core.builtin.models.transform.chunk import Chunk
from baler_core.builtin.models.transform.recipe import Recipe, read_recipe
from baler_core.builtin.models.transform.search import Trials, choose_recipe
from baler_core.interfaces import State
from baler_core.varint import ByteReader

_WORTH = 0.95
_FEWEST_FRAMES = 8


@dataclass(frozen=True)
class Experience:
    """What is known before a chunk is seen.

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


@dataclass(frozen=True)
class Coding:
    """How a chunk will be coded: `trials` of what is left of it without the background, which is `background` as bytes."""

    trials: Trials
    recipe: Recipe
    background: bytes = b""

    @property
    def size(self) -> float:
        """Estimated bytes."""
        return self.trials.size(self.recipe) + len(self.background)


def choose_coding(chunk: Chunk, effort: Effort, known: Experience) -> Coding:
    """The recipe of fewest bytes, with or without the background."""
    trials = Trials(chunk, effort)
    plain = Coding(trials, choose_recipe(trials, effort, known.recipe))
    background = known.background(chunk.field.shape[1:])
    if background is None:
        return plain
    before = min((_without(chunk, background, f) for f in range(len(FINENESS))), key=lambda coding: coding.size)
    recipe = replace(choose_recipe(before.trials, effort, before.recipe), background=True)
    return min(plain, replace(before, recipe=recipe), key=lambda coding: coding.size)


def _without(chunk: Chunk, background: Background, fineness: int) -> Coding:
    """What is left of a chunk without its background."""
    coefficients = background.coefficients(chunk.field, fineness)
    left = chunk.field - background.field(coefficients, fineness, chunk.field.shape)
    trials = Trials(Chunk(left, chunk.holes), "fast")
    recipe = replace(choose_recipe(trials, "fast"), background=True)
    return Coding(trials, recipe, written(coefficients, fineness))


def learn_experience(chunk: Chunk, effort: Effort) -> Experience:
    """A recipe; and modes, if those of the first half of the frames save bytes in the second."""
    trials = Trials(chunk, effort)
    recipe = choose_recipe(trials, effort)
    half = len(chunk.field) // 2
    if half < _FEWEST_FRAMES:
        return Experience(recipe)
    second = Chunk(chunk.field[half:], None if chunk.holes is None else chunk.holes[half:])
    known = Experience(recipe, learn_modes(chunk.field[:half]))
    chosen = choose_coding(second, "fast", known)
    plain = choose_coding(second, "fast", Experience(recipe))
    pays = bool(chosen.background) and chosen.size < _WORTH * plain.size
    return Experience(recipe, learn_modes(chunk.field)) if pays else Experience(recipe)
