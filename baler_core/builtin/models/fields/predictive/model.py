"""The `predictive` model: fields and images by learned and adaptive prediction of every value from its neighbours."""

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
    from baler_core.builtin.models.fields.predictive.codec import SteppedField


class PredictiveModel(FamilyModel):
    """Chaotic flow, still images, noisy fields, and anything above about two bits per value."""

    name = "predictive"
    summary = "fields and images: every value predicted from neighbours in space, time and variables"

    def prepare(self, values: np.ndarray, tolerance: Tolerance) -> tuple[SteppedField, ...] | None:
        """Ways to hold a variable; None if it has no small enough integers on a lattice of the tolerance."""
        from baler_core.builtin.models.fields.predictive.codec import prepare

        return prepare(values, tolerance)

    def plan(self, members: Sequence[Prepared]) -> list[Family]:
        """All in one family, or each by itself."""
        from baler_core.builtin.models.fields.predictive.plan import plan_families

        return plan_families(members, self.options.effort)

    def encode_family(self, family: Family) -> bytes:
        """Lattices, special values, and chunk after chunk."""
        from baler_core.builtin.models.fields.predictive.codec import encode_family

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
        from baler_core.builtin.models.fields.predictive.codec import decode_family

        return decode_family(data, variables, shape, region)

    def learn(self, family: Family) -> State:
        """How its variables are held, and stencils."""
        from baler_core.builtin.models.fields.predictive.codec import learn_family

        return learn_family(family, self.options.effort)

    def adapt(self, family: Family) -> Family | None:
        """A family as planned for another file, each variable held in the same way if it can."""
        from baler_core.builtin.models.fields.predictive.plan import hold_alike

        return hold_alike(family)
