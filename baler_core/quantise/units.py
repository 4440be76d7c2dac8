"""Convert values of a variable to float64 in units of their tolerance, and back to values inside it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal, TypeAlias

import numpy as np

from baler_core.data.bounds import Tolerance
from baler_core.data.sides import Reach
from baler_core.errors import FormatError
from baler_core.machine.records import dataclass
from baler_core.quantise.exponential import exp
from baler_core.quantise.lattice import IntegerLattice, Lattice, StepLattice
from baler_core.quantise.lattice_fit import fit_lattice, own_lattice
from baler_core.quantise.steps import around_zero, half_step, relative_half_step

OwnLattice: TypeAlias = IntegerLattice | StepLattice
UnitsKind = Literal["plain", "lattice", "log"]
_KINDS: tuple[UnitsKind, ...] = ("plain", "lattice", "log")
_HEAD = struct.Struct("<Bdd")
# Predictions are repeated on another machine up to rounding; this share of the tolerance is kept free for it.
_MARGIN = 1e-6
# Lattices finer than this many points per tolerance gain nothing over plain rounding.
_MOST_MERGED = 256
_LARGEST = 2.0**44
# Values of a piece.
_PIECE = 1 << 14


@dataclass(frozen=True)
class Units:
    """A reversible map from values to numbers of which each may be wrong by 1.

    Attributes
    ----------
    kind
        `plain`: (value - centre) / radius. `lattice`: the same of the numbers of lattice points, rounded to points on
        the way back. `log`: the same of logarithms of magnitudes, all of the sign of `sign`.
    radius, centre
        Allowed error and middle, in the units of what is coded.
    lattice
        The data's own lattice.
    """

    kind: UnitsKind
    radius: float
    centre: float
    sign: int = 1
    lattice: OwnLattice | None = None

    def forward(self, values: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Return float64, same shape, C order or in `out`; anything at special values."""
        numbers = np.empty(values.shape) if out is None else out
        with np.errstate(all="ignore"):
            for given, made in pieces_of(values, numbers):
                if self.kind == "lattice" and self.lattice is not None:
                    made[...] = _unmerged(self.lattice).quantise(given)[0]
                elif self.kind == "log":
                    np.log(np.abs(given.astype(np.float64)), out=made)
                else:
                    made[...] = given
                made -= self.centre
                made /= self.radius
        return numbers

    def backward(self, field: np.ndarray, dtype: np.dtype) -> np.ndarray:
        """Return values of `dtype`, same shape, C order."""
        values = np.empty(field.shape, dtype)
        with np.errstate(all="ignore"):
            for given, made in pieces_of(field, values):
                numbers = given * self.radius
                numbers += self.centre
                if self.kind == "lattice" and self.lattice is not None:
                    made[...] = _points(numbers, self.lattice, dtype)
                elif self.kind == "log":
                    made[...] = self.sign * exp(numbers)
                else:
                    made[...] = numbers
        return values

    def reach(self) -> Reach:
        """Return how far values may lie from the original."""
        if self.kind == "lattice" and self.lattice is not None:
            if isinstance(self.lattice, IntegerLattice):
                return self.lattice.reach()
            return Reach(absolute=self.radius * self.lattice.step / self.lattice.divisor)
        return Reach(relative=self.radius) if self.kind == "log" else Reach(absolute=self.radius)

    def to_bytes(self) -> bytes:
        """Estimate twenty bytes."""
        own = self.lattice.to_bytes() if self.lattice is not None else b""
        number = _KINDS.index(self.kind) * 2 + (self.sign < 0)
        return _HEAD.pack(number, self.radius, self.centre) + own


def pieces_of(*arrays: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """Yield views of arrays of one shape, of the same places in each, that fit into the processor's cache together."""
    first = arrays[0]
    if first.ndim == 0 or first.size <= _PIECE:
        yield arrays
        return
    within = first.size // len(first)
    step = max(1, _PIECE // max(1, within))
    for start in range(0, len(first), step):
        parts = tuple(array[start : start + step] for array in arrays)
        if within > _PIECE:
            for number in range(len(parts[0])):
                yield from pieces_of(*(part[number] for part in parts))
        else:
            yield parts


def _unmerged(lattice: OwnLattice) -> Lattice:
    """Return the lattice of all points."""
    return replace(lattice, merge=1) if isinstance(lattice, IntegerLattice) else replace(lattice, merge=1, anchor=0)


def _points(numbers: np.ndarray, lattice: OwnLattice, dtype: np.dtype) -> np.ndarray:
    """Return the nearest points of a lattice, of `merge` neighbours the middle."""
    half = 0.5 if lattice.merge % 2 == 0 else 0.0
    points = np.clip(np.rint(numbers - half) + half, -(2.0**62), 2.0**62)
    if isinstance(lattice, StepLattice):
        return (points * lattice.step / lattice.divisor).astype(dtype)
    whole = points.astype(np.int64) * np.int64(lattice.spacing) + np.int64(lattice.first)
    limits = np.iinfo(dtype)
    return np.clip(whole, limits.min, limits.max).astype(dtype)


def read_units(stored: bytes, dtype: str) -> Units:
    """Invert `Units.to_bytes`; FormatError if the bytes are no such thing."""
    if len(stored) < _HEAD.size:
        raise FormatError("the units of a field are cut short")
    number, radius, centre = _HEAD.unpack_from(stored)
    if number >= 2 * len(_KINDS) or not (np.isfinite(centre) and 0 < radius < np.inf):
        raise FormatError("the units of a field are impossible")
    kind = _KINDS[number // 2]
    lattice = Lattice.from_bytes(stored[_HEAD.size :], dtype) if kind == "lattice" else None
    if lattice is not None and not isinstance(lattice, IntegerLattice | StepLattice):
        raise FormatError(f"the units of a field cannot be counted on a {type(lattice).__name__}")
    if kind != "lattice" and np.dtype(dtype).kind != "f":
        raise FormatError("whole numbers without a lattice")
    return Units(kind, radius, centre, -1 if number % 2 else 1, lattice)


def choose_units(
    values: np.ndarray, tolerance: Tolerance, lattice: Lattice | None = None, *, widest: float = np.inf
) -> Units | None:
    """Choose units for ordinary values (1-D, none of them special); None if a transform cannot hold this tolerance.

    Parameters
    ----------
    lattice
        What `fit_lattice` finds for them, where that is known already.
    widest
        How far apart, in allowed errors, the smallest and the largest value may be.
    """
    units = _chosen_units(values, tolerance, lattice)
    return units if units is None or widest == np.inf or _spread(values, units) <= widest else None


def _spread(values: np.ndarray, units: Units) -> float:
    """Return how far apart the smallest and the largest number are; of logarithms a few, so that it does not matter."""
    if units.kind == "log":
        return 0.0
    low, high = units.forward(np.array([values.min(), values.max()])).tolist()
    return float(high - low)


def _chosen_units(values: np.ndarray, tolerance: Tolerance, lattice: Lattice | None) -> Units | None:
    if not values.size or values.dtype.kind == "b" or tolerance.kind in ("free", "bits"):
        return None
    tolerance = around_zero(values, tolerance)
    if tolerance.kind == "rel":
        own = own_lattice(values, tolerance)
        return _log_units(values, tolerance) if own is None else _lattice_units(values, own)
    lattice = lattice or fit_lattice(values, tolerance)
    if isinstance(lattice, IntegerLattice) or (isinstance(lattice, StepLattice) and _is_own(lattice, tolerance)):
        return _lattice_units(values, lattice)
    return _plain_units(values, tolerance) if tolerance.kind == "abs" else None


def _is_own(lattice: StepLattice, tolerance: Tolerance) -> bool:
    """Whether a float lattice is the data's own, rather than made by the tolerance, and coarse enough to matter."""
    spacing = lattice.spacing
    if tolerance.kind != "abs":
        return True
    made = lattice.merge == 1 and 0.4 < tolerance.value / spacing < 0.6 and lattice.divisor == 1.0
    return not made and lattice.merge <= _MOST_MERGED


def _lattice_units(values: np.ndarray, lattice: OwnLattice) -> Units | None:
    radius = lattice.merge / 2 * (1 - _MARGIN) if lattice.merge > 1 else 0.5 - 1e-4
    units = Units("lattice", radius, 0.0, lattice=replace(lattice, specials=()))
    return _centred(units, units.forward(values))


def _plain_units(values: np.ndarray, tolerance: Tolerance) -> Units | None:
    largest = max(abs(float(values.min())), abs(float(values.max())))
    radius, spare = half_step(tolerance.value, values.dtype, largest + tolerance.value, 1 - _MARGIN)
    if not np.isfinite(radius) or radius <= 2 * spare or largest > _LARGEST * radius:
        return None
    with np.errstate(over="ignore"):
        mean = float(values.mean(dtype=np.float64))
    # the sum of the largest numbers is none
    return Units("plain", radius, float(np.float32(mean / radius)) * radius if np.isfinite(mean) else 0.0)


def _log_units(values: np.ndarray, tolerance: Tolerance) -> Units | None:
    """Return logarithms, if (nearly) all values are of one sign; the few others are left to be stored exactly."""
    if values.dtype.kind != "f":
        return None
    share = float((values > 0).mean())
    eps = relative_half_step(tolerance.value, values.dtype, 2, 1 - _MARGIN)
    if 0.001 < share < 0.999 or eps <= 4 * float(np.finfo(values.dtype).eps):
        return None
    # |y / x - 1| <= eps for every y = x exp(r), |r| <= log(1 + eps)
    return _centred(
        Units("log", float(np.log1p(eps)), 0.0, 1 if share > 0.5 else -1), _logs(values, float(np.log1p(eps)))
    )


def _logs(values: np.ndarray, radius: float) -> np.ndarray:
    ordinary = values[values != 0]
    return np.log(np.abs(ordinary.astype(np.float64))) / radius


def _centred(units: Units, numbers: np.ndarray) -> Units | None:
    """Return `units` with the mean as centre; None if numbers are too large to be distinguished in float64."""
    if not numbers.size or not np.isfinite(numbers).all() or np.abs(numbers).max() > _LARGEST:
        return None
    return replace(units, centre=float(np.float32(numbers.mean())) * units.radius)
