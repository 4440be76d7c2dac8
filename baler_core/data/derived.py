"""Hold what a user states of a derived quantity: its name, its formula, and how far it may move."""

from __future__ import annotations

import numpy as np

from baler_core.data.arithmetic import Arithmetic
from baler_core.data.bounds import SAFETY
from baler_core.data.error_bound import ErrorBound
from baler_core.machine.records import dataclass

BOUNDS = ("abs", "rel", "range")
"""Kinds of bounds that a derived quantity may have."""


@dataclass(frozen=True)
class DerivedRule:
    """A derived quantity, as stated.

    Attributes
    ----------
    bound
        Of a kind in `BOUNDS`.
    where
        The place where it is stated, for messages: `run.yaml:12: derived.m`.
    units
        As the user states them; empty if the formula may tell.
    """

    name: str
    formula: Arithmetic
    bound: ErrorBound
    where: str
    units: str = ""

    def __str__(self) -> str:
        return f"{self.name} = {self.formula.text}, {self.bound}"


def allowed_error(bound: ErrorBound, original: np.ndarray, width: float) -> np.ndarray:
    """Return the error allowed to each cell of a quantity: float64, same shape.

    Parameters
    ----------
    width
        Largest - smallest cell of the whole file, for `range`.
    """
    if bound.kind == "rel":
        with np.errstate(invalid="ignore"):
            return np.asarray(bound.value * SAFETY * np.abs(original))
    return np.full(original.shape, bound.value * SAFETY * (width if bound.kind == "range" else 1.0))


def misses(original: np.ndarray, restored: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """Return boolean mask of the cells that moved too far; what is not finite stays as it is."""
    with np.errstate(all="ignore"):
        kept = np.abs(restored - original) <= allowed
    kept &= np.isfinite(original) & np.isfinite(restored)
    kept |= (original == restored) | (np.isnan(original) & np.isnan(restored))
    return ~kept
