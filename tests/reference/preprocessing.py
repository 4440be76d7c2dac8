"""Inverse preprocessors (file_format.md: preprocessors)."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from reference.container import state
from reference.exponential import exp
from reference.reading import Damaged
from reference.tolerances import Variable

Inverse = Callable[[np.ndarray, np.ndarray], np.ndarray]
# How many parameters are stored, which of them is a scale that is above 0, and the inverse.
INVERSE: dict[str, tuple[int, int | None, Inverse]] = {
    "log": (2, None, lambda values, _: exp(values)),
    "asinh": (3, 0, lambda values, learned: np.sinh(values) * learned[0]),
    "min_max": (4, 1, lambda values, learned: values * learned[1] + learned[0]),
    "standardise": (4, 1, lambda values, learned: values * learned[1] + learned[0]),
}


@dataclass(frozen=True)
class Step:
    """A preprocessor: its name, the patterns of its variables, its parameters by variable."""

    name: str
    patterns: list[str]
    parameters: dict[str, np.ndarray]

    def applies(self, name: str) -> bool:
        wild = [pattern for pattern in self.patterns if set(pattern) & set("*?[")]
        return name in self.patterns or any(fnmatch.fnmatchcase(name, pattern) for pattern in wild)

    def inverse(self, values: np.ndarray, name: str) -> np.ndarray:
        count, scale, function = INVERSE[self.name]
        learned = self.parameters.get(name, np.zeros(0))
        if learned.shape != (count,) or not np.isfinite(learned).all() or (scale is not None and learned[scale] <= 0):
            raise Damaged(f"the parameters of {name!r} are impossible")
        return function(values, learned)


def preprocessors(head: Any, parts: list[bytes], limit: int) -> list[Step]:
    found = []
    for (name, *_), patterns, section in head["preprocess"]:
        if name not in INVERSE:
            raise Damaged(f"this decoder knows no preprocessor {name!r}")
        found.append(Step(name, patterns, state(parts[section], limit)))
    return found


def touched(steps: list[Step], variable: Variable) -> bool:
    numeric = not variable.is_text and variable.dtype.kind in "biuf"
    lossy = variable.tolerance.kind not in ("exact", "each")
    return numeric and lossy and any(step.applies(variable.name) for step in steps)


def undo(steps: list[Step], variable: Variable, values: np.ndarray) -> np.ndarray:
    """The values of a variable, of its own dtype, from those that its model restored."""
    if not touched(steps, variable):
        return values
    for step in reversed(steps):
        if step.applies(variable.name):
            values = step.inverse(values, variable.name)
    if variable.dtype.kind in "iu":
        values = np.rint(values)
    return values.astype(variable.dtype)
