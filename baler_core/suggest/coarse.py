"""Find how coarsely values are stored already: in steps, with few decimals, with few bits of the mantissa."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from baler_core.data.spacing import common_trailing_zeros, find_spacing
from baler_core.data.variables import Variable
from baler_core.machine.records import dataclass

# So many low bits of the mantissa are zero where somebody rounded them; numbers of single precision in double have 29.
_ROUNDED = 6
_SINGLE_IN_DOUBLE = 29
# A step must be so many units in the last place of the largest value, and in so many distances between values.
_UNITS = 8
_FEWEST = 20
_OFF_STEP = 0.05


@dataclass(frozen=True)
class Coarseness:
    """How values are stored: in equal steps, or with so many bits of the mantissa.

    Attributes
    ----------
    step
        Distance of neighbouring values in physical units; 0 if there is none.
    bits
        Explicit bits of the mantissa, if `step` is 0.
    """

    step: float = 0.0
    bits: int = 0

    def half_step(self, values: np.ndarray) -> np.ndarray:
        """Return the error of rounding that each physical value may have already."""
        if self.step:
            return np.full(values.shape, self.step / 2)
        return np.ldexp(0.5, np.frexp(values)[1] - 1 - self.bits)

    def __str__(self) -> str:
        return f"in steps of {self.step:.3g}" if self.step else f"with {self.bits} bits of the mantissa"


def stored_coarsely(variable: Variable, stored: np.ndarray, physical: np.ndarray) -> Coarseness | None:
    """Return how coarsely a variable is stored; None where nothing shows that anybody rounded it.

    Parameters
    ----------
    stored, physical
        Values as stored and as readers show them, of one shape; NaN in `physical` where there is none.
    """
    if variable.numpy_dtype.kind in "iu":
        return Coarseness(step=abs(variable.scale)) if variable.is_packed else None
    known = stored[np.isfinite(physical) & (stored != 0)]
    if known.size < _FEWEST:
        return None
    found = [one for one in (_steps(known), _mantissa(known)) if one is not None]
    # Numbers of few bits also lie on the steps of the smallest among them.
    found = [replace(one, step=one.step * abs(variable.scale)) for one in found]
    shown = np.abs(physical[np.isfinite(physical) & (stored != 0)])
    return max(found, key=lambda one: float(np.median(one.half_step(shown))), default=None)


def _mantissa(known: np.ndarray) -> Coarseness | None:
    """Return how many bits of the mantissa are used, if somebody set the others to zero."""
    zeros, mantissa = common_trailing_zeros(known), int(np.finfo(known.dtype).nmant)
    rounded = zeros - (_SINGLE_IN_DOUBLE if known.dtype.itemsize == 8 and zeros >= _SINGLE_IN_DOUBLE else 0)
    return Coarseness(bits=max(1, mantissa - zeros)) if rounded >= _ROUNDED else None


def _steps(known: np.ndarray) -> Coarseness | None:
    """Return the distance of values on a lattice: multiples of a step, or a step beside some offset as in GRIB."""
    spacing = find_spacing(known.astype(known.dtype.newbyteorder("="), copy=False))
    if spacing is not None:
        return Coarseness(step=spacing[0] / spacing[1])
    distinct = np.unique(known.astype(np.float64))
    rounding = float(np.finfo(known.dtype).eps) * float(np.abs(distinct).max())
    distances = np.diff(distinct)
    distances = distances[distances > 2 * rounding]
    if distances.size < _FEWEST:
        return None
    step = float(distances.min())
    near = distances[distances < 1.5 * step]
    step = float(near.mean())
    few = distances[distances < 1000 * step]
    off = np.abs(few / step - np.rint(few / step))
    # Steps in real numbers are found in all distances, and are larger than what the type rounds.
    is_lattice = step >= _UNITS * rounding and near.size >= _FEWEST and float(off.max()) < 0.25
    return Coarseness(step=step) if is_lattice and float(np.median(off)) < _OFF_STEP else None
