"""Coefficients of Hcompress (the H-transform of White) to whole pixels, as two decoders round them, and back."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import numpy as np

# How sums are rounded: as the decoder of the Digitized Sky Survey does, or as CFITSIO, which keeps bits apart.
Rounding: TypeAlias = Literal["plain", "bits"]
ROUNDINGS: tuple[Rounding, ...] = ("plain", "bits")
# Signs of the differences along y and x, and of both, in each of the four values of a cell.
_CELL = ((0, 0, -1, -1, 1), (0, 1, -1, 1, -1), (1, 0, 1, -1, -1), (1, 1, 1, 1, 1))


class Bands(NamedTuple):
    """Differences along y, along x and of both kinds, of cells of 2 x 2 values: int64."""

    along_y: np.ndarray
    along_x: np.ndarray
    both: np.ndarray


class SumEnds(NamedTuple):
    """The smallest and the largest numbers of which each restores what follows from it: int64."""

    low: np.ndarray
    high: np.ndarray


def values_of_cells(sums: np.ndarray, bands: Bands, level: int, rounding: Rounding) -> np.ndarray:
    """Return the values of cells, int64 (2 y, 2 x).

    Parameters
    ----------
    sums
        int64 (y, x), of cells.
    level
        0 where values are pixels, and so on.
    """
    if rounding == "bits":
        sums, bands = _with_bits(sums, _rounded(bands, level), level)
    values = np.empty((2 * sums.shape[0], 2 * sums.shape[1]), np.int64)
    for y, x, *signs in _CELL:
        values[y::2, x::2] = (sums + _signed(bands, signs)) >> _shift(level)
    return values


def sums_of_cells(ends: SumEnds, bands: Bands, level: int) -> SumEnds:
    """Return the ends of the sums of cells that restore values between ends by plain rounding; none where low exceeds high."""
    low = np.full(bands.both.shape, np.iinfo(np.int64).min)
    high = np.full(bands.both.shape, np.iinfo(np.int64).max)
    for y, x, *signs in _CELL:
        beside = _signed(bands, signs)
        low = np.maximum(low, (ends.low[y::2, x::2] << _shift(level)) - beside)
        high = np.minimum(high, ((ends.high[y::2, x::2] + 1) << _shift(level)) - 1 - beside)
    return SumEnds(low, high)


def differences(values: np.ndarray, level: int) -> Bands:
    """Return the differences of cells of values, float64: what the bands were, up to rounding."""
    a, b, c, d = values[::2, ::2], values[::2, 1::2], values[1::2, ::2], values[1::2, 1::2]
    scale = (1 << _shift(level)) / 4
    return Bands(scale * (c + d - a - b), scale * (b + d - a - c), scale * (a + d - b - c))


def coefficients(values: np.ndarray, level: int) -> tuple[np.ndarray, Bands]:
    """Return the sums and differences, rounded to bits, from which CFITSIO restores values (2 y, 2 x) of a level exactly."""
    a, b, c, d = values[::2, ::2], values[::2, 1::2], values[1::2, ::2], values[1::2, 1::2]
    shift = min(level, 1)
    sums, along_y, along_x, both = (
        part >> shift for part in (a + b + c + d, c + d - a - b, b + d - a - c, a + d - b - c)
    )
    half = 1 << level
    along_y, along_x = ((part + np.where(part >= 0, half, 0)) & (-2 * half) for part in (along_y, along_x))
    sums = (sums + np.where(sums >= 0, 2 * half, 2 * half - 1)) & (-4 * half)
    return sums, Bands(along_y, along_x, both)


def rounded_bands(bands: Bands, level: int, rounding: Rounding) -> Bands:
    """Return differences as a decoder rounds them before it uses them."""
    return _rounded(bands, level) if rounding == "bits" else bands


def _shift(level: int) -> int:
    return 1 if level else 2


def _signed(bands: Bands, signs: list[int]) -> np.ndarray:
    return np.asarray(sum(sign * band for sign, band in zip(signs, bands, strict=True)))


def _rounded(bands: Bands, level: int) -> Bands:
    """Round differences along an axis to multiples of 2^(level + 1), those of both kinds to 2^level, halves away from 0."""
    units = (2 << level, 2 << level, 1 << level)
    return Bands(
        *(
            (band + np.where(band >= 0, unit >> 1, max((unit >> 1) - 1, 0))) & -unit
            for band, unit in zip(bands, units, strict=True)
        )
    )


def _with_bits(sums: np.ndarray, bands: Bands, level: int) -> tuple[np.ndarray, Bands]:
    """Put back the low bits of sums and differences, which follow from each other."""
    along_y, along_x, both = bands
    low, high = both & (1 << level), 2 << level
    along_y = np.where(along_y >= 0, along_y - low, along_y + low)
    along_x = np.where(along_x >= 0, along_x - low, along_x + low)
    next_low = (both ^ along_y ^ along_x) & high
    below = np.where(low == 0, next_low, low - next_low)
    return np.where(sums >= 0, sums + low - next_low, sums + below), Bands(along_y, along_x, both)
