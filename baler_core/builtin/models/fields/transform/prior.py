"""Hold what another file taught about blocks of frames: a recipe to start from, and modes that both may share."""

from __future__ import annotations

from dataclasses import field

import numpy as np

from baler_core.builtin.models.fields.transform.block import Recipe, read_recipe
from baler_core.builtin.models.fields.transform.shared_modes import SharedModes
from baler_core.entropy.varint import ByteReader
from baler_core.machine.records import dataclass
from baler_core.plugin.interfaces import State


@dataclass(frozen=True)
class Prior:
    """What is known before a block is seen.

    Attributes
    ----------
    recipe
        What suited the other file.
    modes
        See `shared_modes.learn_modes`; empty if they are not known or explain nothing.
    """

    recipe: Recipe | None = None
    modes: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int16))

    @classmethod
    def read(cls, state: State, *, by_reference: bool) -> Prior:
        """Read it from arrays; modes only where decoders have them too."""
        recipe = read_recipe(ByteReader(state["recipe"].tobytes(), "a trained model")) if "recipe" in state else None
        return cls(recipe, state["modes"]) if by_reference and "modes" in state else cls(recipe)

    def to_state(self) -> State:
        """Return arrays by name."""
        state = {} if self.recipe is None else {"recipe": np.frombuffer(self.recipe.to_bytes(), np.uint8)}
        return {**state, "modes": self.modes} if self.modes.size else state

    def shared_modes(self, shape: tuple[int, ...]) -> SharedModes | None:
        """Return the modes, if they are of frames of this shape (variables, z, y, x)."""
        return SharedModes.of(self.modes, shape)


def has_modes(state: State) -> bool:
    """Whether decoding makes use of what was learned: if there are modes."""
    return "modes" in state
