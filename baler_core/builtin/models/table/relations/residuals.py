"""Count the residuals of columns that follow from others as integers, and restore values from them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from baler_core.data.bounds import Tolerance
from baler_core.quantise.exponential import exp
from baler_core.quantise.lattice import BitsLattice, IntegerLattice, Lattice, StepLattice
from baler_core.quantise.residual import residual_step

FAR = 1 << 20
"""Residuals beyond this are no residuals: the value is stored by its own lattice."""


class Steps(NamedTuple):
    """On what the residual of a derived column is counted.

    Attributes
    ----------
    kind
        `log`: restored = prediction * exp(residual * step). `plain`: prediction + residual * step.
        `whole`: rounded prediction + residual * step, integers. `codes`: the lattice's code of the prediction + residual;
        lossless, and only for parents that are restored by exact arithmetic.
    """

    kind: str
    step: float = 1.0


def steps_for(lattice: Lattice, tolerance: Tolerance, largest: float) -> Steps | None:
    """How residuals of a column are counted, `largest` being its largest magnitude; None if it cannot be derived."""
    dtype = np.dtype(lattice.dtype)
    if dtype.kind == "f":
        if tolerance.kind in ("exact", "bits"):
            lossless = isinstance(lattice, BitsLattice) or (isinstance(lattice, StepLattice) and lattice.merge == 1)
            return Steps("codes") if lossless and tolerance.kind == "exact" else None
        step = residual_step(tolerance, dtype, largest)
        return Steps("log" if step.log else "plain", step.step) if step.step > 0 else None
    if isinstance(lattice, IntegerLattice) and dtype.kind in "iu" and largest < 2.0**52:
        return Steps("whole", float(lattice.merge))
    return None


class Prediction(NamedTuple):
    """The values that a relation predicts, before the residual is added.

    Attributes
    ----------
    values
        float64 per row, usable where `special` is 0 and `known`.
    special
        int64 per row: the special value it predicts, 1 + index into the lattice's, or 0.
    known
        bool per row: whether there is a prediction.
    """

    values: np.ndarray
    special: np.ndarray
    known: np.ndarray


def predict(values: np.ndarray, scale: np.ndarray, lattice: Lattice, steps: Steps) -> Prediction:
    """Sort out what of a raw prediction (float64) is a number, a special value, or nothing.

    `scale` is the size of the terms it was made of: what is 1e-9 of it or less counts as 0 on every machine.
    """
    values = np.where(np.abs(values) <= 1e-9 * scale, 0.0, values)
    special = np.zeros(values.shape, np.int64)
    for index, value in enumerate(lattice.specials):
        hit = np.isnan(values) if np.isnan(value) else (values == value) & ~(np.signbit(value) & (value == 0))
        special[hit] = index + 1
    known = np.isfinite(values) & (special == 0) & (np.abs(values) < 2.0**52 * max(steps.step, 1e-300))
    if steps.kind == "log":
        known = np.isfinite(values) & (special == 0) & (values != 0)
    return Prediction(np.where(known, values, 1.0), special, known)


def residuals(values: np.ndarray, prediction: Prediction, lattice: Lattice, steps: Steps) -> np.ndarray:
    """The residual (int64) of each value; FAR or more where it has none. Special values are left to the caller."""
    with np.errstate(all="ignore"):
        if steps.kind == "codes":
            guess = lattice.quantise(prediction.values.astype(lattice.dtype))[0]
            found = (lattice.quantise(values)[0] - guess).astype(np.float64)
        elif steps.kind == "log":
            found = np.rint(np.log(values.astype(np.float64) / prediction.values) / steps.step)
        elif steps.kind == "whole":
            found = np.rint((values.astype(np.float64) - np.rint(prediction.values)) / steps.step)
        else:
            found = np.rint((values.astype(np.float64) - prediction.values) / steps.step)
    good = prediction.known & (np.abs(found) < FAR)
    return np.where(good, found, FAR).astype(np.int64)


def restore(residual: np.ndarray, prediction: Prediction, lattice: Lattice, steps: Steps) -> np.ndarray:
    """Restore values of the lattice's dtype from residuals."""
    dtype = np.dtype(lattice.dtype)
    with np.errstate(all="ignore"):
        if steps.kind == "codes":
            guess, special = lattice.quantise(prediction.values.astype(dtype))
            return lattice.dequantise(guess + residual, np.zeros_like(special))
        if steps.kind == "log":
            return (prediction.values * exp(residual * steps.step)).astype(dtype)
        if steps.kind == "whole":
            limits = np.iinfo(dtype)
            whole = np.rint(prediction.values) + residual * steps.step
            return np.clip(whole, float(limits.min), np.nextafter(float(limits.max), 0)).astype(dtype)
        return (prediction.values + residual * steps.step).astype(dtype)
