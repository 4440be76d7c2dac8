"""Estimate the noise of an image, a cube or a series from differences of neighbours, which cancel smooth parts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

# Standard deviation of a normal distribution beside its median absolute value.
_SIGMA = 1.482602
# Differences of even order k cancel polynomials below degree k; of white noise of deviation 1 theirs is the root of (2k over k).
_ORDERS = (2, 4, 6)
# Of noise that is white, or correlated over a pixel or two, higher differences say the same or somewhat less; of a smooth
# field they vanish.
_NOISY, _WHITE = 0.4, 0.85
# Planes that are looked at in a cube, and the fewest differences that say anything.
_PLANES = 32
_FEWEST = 30
# So many values of a tile are enough.
_MOST_IN_TILE = 1 << 20


class Noise(NamedTuple):
    """Noise and structure by differences of neighbouring values.

    Attributes
    ----------
    sigma
        Standard deviation of the noise, in the units of the values; 0 if there is none to be seen.
    is_noise
        Whether neighbouring values differ as noise does, and not as a smooth field.
    is_white
        Whether they have nothing in common; fine structure, as of turbulence, looks like noise that is not white.
    """

    sigma: float = 0.0
    is_noise: bool = False
    is_white: bool = False


def noise_of(values: np.ndarray, *, rounding: float = 0.0) -> Noise:
    """The noise of an array of 1 to n dimensions, NaN where nothing is known; of several planes that of the quietest.

    What is no larger than `rounding`, in the units of the values, is not taken for noise.

    The median absolute difference of second order, normalised for white noise, after Stoehr et al. 2008 (DER_SNR, ASP
    Conf. Ser. 394, 505) and the "third-order" noise of fpack (Pence, Seaman & White 2009, PASP 121, 414); those of fourth
    and sixth order tell noise from smooth structure. Along both axes of a plane, whichever is less.
    """
    planes = values.reshape(-1, *values.shape[-2:]) if values.ndim > 1 else values[np.newaxis]
    chosen = np.unique(np.linspace(0, len(planes) - 1, min(len(planes), _PLANES)).astype(int))
    found = [_of_plane(planes[number].astype(np.float64)) for number in chosen]
    seen = [noise for noise in found if noise is not None]
    if not seen:
        return Noise()
    noisy = [noise for noise in seen if noise.is_noise and noise.sigma > rounding]
    if 2 * len(noisy) < len(seen):
        return Noise(min(noise.sigma for noise in seen))
    return min(noisy, key=lambda noise: noise.sigma)


def _of_plane(plane: np.ndarray) -> Noise | None:
    """The noise of a line, or of an image along the axis where it is less; None where too little is known."""
    along = [_along(plane, axis) for axis in range(plane.ndim) if plane.shape[axis] > _ORDERS[-1] + 1]
    seen = [sigmas for sigmas in along if sigmas is not None]
    if not seen:
        return None
    first = min(sigmas[0] for sigmas in seen)
    is_noise, is_white = (
        all(sigmas[0] > 0 and min(sigmas) >= share * sigmas[0] for sigmas in seen) for share in (_NOISY, _WHITE)
    )
    return Noise(first, is_noise, is_white)


def noise_of_tiles(values: np.ndarray) -> np.ndarray:
    """The noise of each row of an image or table, of each plane of a cube: float64, 1-D; 0 where there is none to be seen.

    The deviation of white noise that would explain the second differences of neighbours, as `noise_of` finds it: along
    rows, of planes along whichever axis it is less.

    Parameters
    ----------
    values
        Of two or more dimensions, NaN where nothing is known. Tiles are rows of two dimensions, and planes of the last
        two of more.
    """
    tiles = values.reshape(-1, *values.shape[-2:]) if values.ndim > 2 else values
    found = np.zeros(len(tiles))
    for number, tile in enumerate(tiles):
        tile = _thinned(tile).astype(np.float64)
        along = [_along(tile, axis, _ORDERS[:1]) for axis in range(tile.ndim)]
        found[number] = min((sigmas[0] for sigmas in along if sigmas is not None), default=0.0)
    return found


def _thinned(tile: np.ndarray) -> np.ndarray:
    """Return some bands of neighbouring rows of a large plane."""
    if tile.ndim < 2 or tile.size <= _MOST_IN_TILE:
        return tile
    rows = max(_ORDERS[-1] + 2, _MOST_IN_TILE // tile.shape[1])
    first = max(0, (len(tile) - rows) // 2)
    return tile[first : first + rows]


def _along(plane: np.ndarray, axis: int, orders: Sequence[int] = _ORDERS) -> list[float] | None:
    """Deviation of white noise that would explain the differences of each order along an axis."""
    sigmas = []
    for order in orders:
        differences = np.diff(plane, order, axis=axis)
        known = np.abs(differences[np.isfinite(differences)])
        if known.size < _FEWEST:
            return None
        # Flat parts, such as padding, say nothing where they are most of it.
        if np.median(known) == 0 and np.count_nonzero(known) >= max(_FEWEST, known.size // 100):
            known = known[known > 0]
        sigmas.append(_SIGMA * float(np.median(known)) / math.sqrt(math.comb(2 * order, order)))
    return sigmas
