"""The `transform` model: fields on a grid by a learned basis over time, wavelets in space and mixed contexts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from baler_core.builtin.models.fields.model import Family, FamilyModel, Prepared
from baler_core.data.bounds import Tolerance
from baler_core.data.variables import Variable
from baler_core.plugin.interfaces import State

if TYPE_CHECKING:
    from baler_core.builtin.models.fields.layout import Box
    from baler_core.builtin.models.fields.transform.codec import ScaledField


class TransformModel(FamilyModel):
    """Smooth fields far below two bits per value; what a transform cannot hold goes to the `scalar` model."""

    name = "transform"
    summary = "fields: a basis over time learned from the data, wavelets in space, context mixing"

    def prepare(self, values: np.ndarray, tolerance: Tolerance) -> ScaledField | None:
        """A field; None if its tolerance cannot be a unit of measure."""
        from baler_core.builtin.models.fields.transform.codec import prepare

        return prepare(values, tolerance)

    def plan(self, members: Sequence[Prepared]) -> list[Family]:
        """All in one family, or each by itself."""
        from baler_core.builtin.models.fields.transform.plan import plan_families

        return plan_families(members, self.options.effort, self.rival)

    def encode_family(self, family: Family) -> bytes:
        """Units, special values, and chunk after chunk."""
        from baler_core.builtin.models.fields.transform.codec import encode_family

        return encode_family(family, self.options.effort)

    def decode_family(
        self,
        data: bytes,
        variables: Sequence[Variable],
        shape: tuple[int, ...],
        known: State,
        region: Box | None = None,
    ) -> list[np.ndarray]:
        """Restored values, all or those of a region of the arrays; FormatError if what is needed of `data` is damaged."""
        from baler_core.builtin.models.fields.transform.codec import decode_family

        return decode_family(data, variables, shape, known, region)

    def shared(self, known: State) -> bool:
        """If there are modes."""
        return "modes" in known

    def learn(self, family: Family) -> State:
        """A recipe, and modes in space if they foretell other frames."""
        from baler_core.builtin.models.fields.transform.codec import learn_family

        return learn_family(family)
