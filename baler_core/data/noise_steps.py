"""Allow each row or plane of a variable a share of its own noise, in steps that a file states; with dithering if wanted.

Subtractive dithering (Pence, White & Seaman 2010, PASP 122, 1065) adds to each value, in units of the step, a number that
is spread evenly over -0.5 to 0.5 before it is rounded, and subtracts it afterwards: errors then do not depend on the
values, so that means of many values, and faint sources, are not biased.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import field
from typing import NamedTuple

import numpy as np

from baler_core.data.noise import noise_of_tiles
from baler_core.errors import FormatError
from baler_core.machine.records import dataclass

# Steps are powers of 2 in sixteenths; this number stands for none.
_PARTS = 16
_NONE = -(1 << 20)
_LARGEST = 1000 * _PARTS
_ROOTS = np.array([float(f"{2 ** (part / _PARTS):.12g}") for part in range(_PARTS)])
# splitmix64 (Steele, Lea & Flood 2014)
_GOLDEN, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


class NoiseShare(NamedTuple):
    """What share of the noise an error may be, and whether values are dithered."""

    fraction: float
    dither: bool = False

    def steps(self, values: np.ndarray, usable: np.ndarray, dtype: np.dtype) -> NoiseSteps:
        """Return the steps of a block of values.

        Parameters
        ----------
        values, usable
            Of two or more dimensions; which of them are neither missing nor special.
        """
        known = np.where(usable, values.astype(np.float64), np.nan)
        allowed = self.fraction * noise_of_tiles(known)
        with np.errstate(divide="ignore"):
            exponents = np.where(allowed > 0, np.floor(_PARTS * np.log2(allowed)), _NONE)
        exponents = np.where((allowed > 0) & (np.abs(exponents) <= _LARGEST), exponents, _NONE).astype(np.int64)
        exponents -= _powers(exponents) > allowed
        some = known[np.isfinite(known)][:: max(1, known.size // 10_000)]
        centre = float(np.median(some)) if some.size else 0.0
        seed = (zlib.crc32(np.ascontiguousarray(values).tobytes()) or 1) if self.dither else 0
        return NoiseSteps(exponents, float(round(centre)) if dtype.kind in "iu" else centre, seed)

    def levels(self, values: np.ndarray, usable: np.ndarray) -> np.ndarray:
        """Return what is allowed to each value of a block, by its tile: float64, same shape."""
        allowed = self.fraction * noise_of_tiles(np.where(usable, values.astype(np.float64), np.nan))
        return spread(allowed, values.shape)


@dataclass(frozen=True)
class NoiseSteps:
    """The steps of a block.

    Attributes
    ----------
    exponents
        int64, one per tile: half a step is 2^(exponent / 16), in stored units.
    centre
        What is subtracted before values are divided by their steps, which differ between tiles.
    seed
        Of the numbers that dithering adds.
    """

    exponents: np.ndarray = field(compare=False)
    centre: float
    seed: int

    def each(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return half the step of each value: float64 of a shape; 0 in tiles without noise."""
        return spread(_powers(self.exponents), shape)

    def dither(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return what is added to each value, in steps: float64 of a shape, at least -0.5 and below 0.5."""
        with np.errstate(over="ignore"):
            state = np.arange(1, math.prod(shape) + 1, dtype=np.uint64) * np.uint64(_GOLDEN) + np.uint64(self.seed)
            state = (state ^ (state >> np.uint64(30))) * np.uint64(_FIRST)
            state = (state ^ (state >> np.uint64(27))) * np.uint64(_SECOND)
            state ^= state >> np.uint64(31)
        return ((state >> np.uint64(11)).astype(np.float64) * 2.0**-53 - 0.5).reshape(shape)


def checked_steps(exponents: np.ndarray, centre: float, seed: int) -> NoiseSteps:
    """Return the steps that a file states.

    Raises
    ------
    FormatError
        If they are impossible.
    """
    if not math.isfinite(centre) or not ((np.abs(exponents) <= _LARGEST) | (exponents == _NONE)).all():
        raise FormatError("the steps of tiles are impossible")
    return NoiseSteps(exponents, centre, seed)


def tiles_of(shape: tuple[int, ...]) -> int:
    """Return how many tiles an array has: rows of two dimensions, planes of more."""
    return math.prod(shape[:-2]) if len(shape) > 2 else shape[0]


def spread(numbers: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return one number per tile as one per value."""
    size = math.prod(shape[-2:]) if len(shape) > 2 else shape[-1]
    return np.repeat(numbers, size).reshape(shape)


def _powers(exponents: np.ndarray) -> np.ndarray:
    """Return 2^(exponent / 16), the same on every machine; 0 for none."""
    known = np.where(exponents == _NONE, 0, exponents)
    return np.where(exponents == _NONE, 0.0, np.ldexp(_ROOTS[known % _PARTS], known // _PARTS))
