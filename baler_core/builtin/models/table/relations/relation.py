"""State how one column follows from others, and evaluate that."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from baler_core.builtin.models.table.relations.programs import NAME as PROGRAM
from baler_core.builtin.models.table.relations.programs import run
from baler_core.data.formulas import evaluate_formula

LINEAR = ""
"""Name of a linear relation; others are names of formulas."""


class Relation(NamedTuple):
    """One column from others.

    Attributes
    ----------
    name
        LINEAR, PROGRAM or a key of `FORMULAS`.
    parents
        Column numbers.
    constants
        Coefficients of the parents (linear: multiples of 1/4), a program, or what the formula needs.
    """

    name: str
    parents: tuple[int, ...]
    constants: tuple[float, ...] = ()

    def evaluate(self, restored: Mapping[int, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Return the raw prediction from restored parents, and the size of its terms: float64 both."""
        parents = [restored[p].astype(np.float64) for p in self.parents]
        if self.name == PROGRAM:
            values = run(self.constants, parents)
            return values, np.abs(values)
        if self.name != LINEAR:
            values = evaluate_formula(self.name, parents, self.constants)
            return values, np.abs(values)
        with np.errstate(all="ignore"):
            total, scale = np.zeros(len(parents[0])), np.zeros(len(parents[0]))
            for factor, parent in zip(self.constants, parents, strict=True):
                total = total + factor * parent
                scale = scale + np.abs(factor * parent)
        return total, scale
