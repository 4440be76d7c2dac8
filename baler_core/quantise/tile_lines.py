"""Find scale and zero of the values of one tile, each of which lies on a point of its own dither, to the last bit if it can be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

import numpy as np

from baler_core.quantise.slice_steps import find_line, ordered

# Values that are looked at first, as close to each other as any.
FEW = 48
# How many steps these may span, and what part of a step is tried after the other.
_SPAN, _FINE = 32, 4
# How alike the phases of values on steps are, as the length of their mean: chance makes less than 0.7 of all that is tried.
ALIKE = 0.8
# Steps are known so many times further away than they were measured.
_GROWTH = 16
# What may be between a value and its point, in steps; and in units in the last place, to be corrected one by one.
BESIDE, _UNITS = 0.05, 4
# So many of the values of a tile must lie on steps.
MOST_VALUES = 0.9
_BITS = range(16, 53, 2)
# Turns of a search by thirds: scales are known to 1e-4 before it, and then to a unit in the last place.
_TURNS = 50
# SUBTRACTIVE_DITHER_2 counts from the least value as this number below 0, which leaves zeros so large that the sums are
# rounded; zeros are tried that are so many units in the last place beside the expected one.
_FAR, _MOVES = 2147483637, 4
# Scales of float64 are tried that are so many units beside the mean one, with zeros that are so many steps beside the least.
_BESIDE_MEAN, _BESIDE_LEAST = 8, 2

Line: TypeAlias = tuple[float, float]


class _Tile(NamedTuple):
    """Values, float64; half of their last places; the numbers of their points, and their dithers."""

    values: np.ndarray
    half: np.ndarray
    counts: np.ndarray
    dithers: np.ndarray
    dtype: np.dtype

    def along(self, first: float) -> np.ndarray:
        """Return in steps how far values are from a zero that counts as `first`, rounded as decoders do."""
        return self.counts - first - self.dithers + 0.5


def tile_line(flat: np.ndarray, dithers: np.ndarray | None) -> Line | None:
    """Return scale and zero of the finite values of a tile, above 0 the former; None if they lie on no steps.

    Parameters
    ----------
    dithers
        float64, the random number of each value; None without.
    """
    half = np.spacing(np.abs(flat)).astype(np.float64) / 2 + np.finfo(np.float64).tiny
    values = flat.astype(np.float64)
    if dithers is None:
        plain = find_line(flat) or find_line(flat[_nearest(values)])
        if plain is None or plain[0] <= 0:
            return None
        counts, dithers = np.rint((values - plain[1]) / plain[0]), np.full(flat.size, 0.5)
        return _exact(_Tile(values, half, counts, dithers, flat.dtype), plain)
    rough = _rough(values, 0.5 - dithers) if flat.size >= FEW // 2 else None
    if rough is None:
        return None
    (scale, zero), counts = rough
    return _exact(_Tile(values, half, counts, dithers, flat.dtype), (scale, zero))


def _nearest(values: np.ndarray) -> np.ndarray:
    """Return the places of most values, those next to the middle one: rounding says less of steps the larger a value is."""
    away = np.abs(values - np.median(values))
    return np.flatnonzero(away <= np.quantile(away, MOST_VALUES))


# ---- to a part of a step


def close(values: np.ndarray) -> np.ndarray:
    """Return the places of the few values that are closest to each other."""
    order = np.argsort(values)
    if values.size <= FEW:
        return order
    spans = values[order[FEW - 1 :]] - values[order[: 1 - FEW]]
    first = int(spans.argmin())
    return order[first : first + FEW]


def rates(span: float) -> np.ndarray:
    """Return steps per unit that are tried of values that span so much."""
    return np.arange(_SPAN * _FINE + 1) / (_FINE * span)


def _rough(values: np.ndarray, shifts: np.ndarray) -> tuple[Line, np.ndarray] | None:
    """Return the line of values, which a few tell and then ever more of them, and the numbers of all."""
    order = close(values)
    origin = float(values[order[0]])
    span, away = float(values[order[-1]]) - origin, values - origin
    if span <= 0:
        return None
    tried = rates(span)
    sums = np.exp(2j * np.pi * (np.outer(tried, away[order]) - shifts[order])).sum(axis=1)
    best = int(np.abs(sums).argmax())
    rate, phase = float(tried[best]), float(np.angle(sums[best])) / (2 * np.pi)
    if np.abs(sums[best]) < ALIKE * order.size:
        return None
    farthest = float(np.abs(away).max())
    while True:
        near = np.abs(away) <= span
        fitted = _fitted(away[near], shifts[near], rate, phase)
        if fitted is None:
            return None
        rate, phase = fitted
        if span >= farthest:
            return (1 / rate, origin + phase / rate), np.rint(away * rate - shifts - phase)
        span = min(farthest, span * _GROWTH)


def _fitted(away: np.ndarray, shifts: np.ndarray, rate: float, phase: float) -> Line | None:
    """Return rate and phase by least squares of the numbers that a guess makes; None if values lie beside their points."""
    found = np.rint(away * rate - shifts - phase) + shifts
    mean, centre = found.mean(), away.mean()
    apart = away - centre
    weight = float(apart @ apart)
    rate = float(apart @ (found - mean)) / weight if weight else 0.0
    phase = float(centre * rate - mean)
    left = np.abs(found - (away * rate - phase))
    return (rate, phase) if rate > 0 and (left < BESIDE).mean() >= MOST_VALUES else None


# ---- to the last bit


def _exact(tile: _Tile, line: Line) -> Line | None:
    """Return the line with which most values are restored exactly; None if too many of them are far from it."""
    scale, zero = line
    lines, whole = list[Line](), np.rint(zero / scale)
    if abs(zero / scale - whole) < BESIDE:
        counted = tile._replace(counts=tile.counts + whole)
        lines = list(_multiples(counted))
        if lines and tile.dtype.itemsize == 4:
            return lines[0]
    lines = lines or [line, *_anywhere(tile, scale)]
    apart = [_apart(tile, line, each) for each in lines]
    best = int(np.argmax([(each == 0).mean() for each in apart]))
    zero = lines[best][1]
    units = _UNITS * np.maximum(1, np.spacing(abs(zero)) / (2 * tile.half))
    return lines[best] if (apart[best] <= units).mean() >= MOST_VALUES else None


def _apart(tile: _Tile, rough: Line, line: Line) -> np.ndarray:
    """Return how many floats values lie beside the points of a line, whose numbers a rough one tells."""
    scale, zero = line
    along = tile.along(float(np.rint((zero - rough[1]) / scale)))
    kind = tile.dtype.newbyteorder("=")
    return np.asarray(np.abs(ordered((along * scale + zero).astype(kind)) - ordered(tile.values.astype(kind))))


def _multiples(tile: _Tile) -> Iterator[Line]:
    """Yield lines whose zeros are whole numbers of steps: of float32 0, of float64 any near the least value."""
    along = tile.along(0)
    held = along != 0
    if tile.dtype.itemsize == 4:
        sides = np.stack([(tile.values - tile.half)[held] / along[held], (tile.values + tile.half)[held] / along[held]])
        low, high = sides.min(axis=0).max(), sides.max(axis=0).min()
        if low < high:
            yield _shortest(low, high), 0.0
        return
    mean, least = float(tile.values @ along / (along @ along)), float(tile.counts.min())
    for move in range(-_BESIDE_MEAN, _BESIDE_MEAN + 1):
        scale = mean + move * float(np.spacing(mean))
        for steps in range(-_BESIDE_LEAST, _BESIDE_LEAST + 1):
            yield scale, (least + steps) * scale


def _anywhere(tile: _Tile, scale: float) -> Iterator[Line]:
    """Yield lines whose zeros may be anything: the one in the middle of all that values allow, and those of the far zeros."""
    along, dithered = tile.along(0), bool((tile.dithers != 0.5).any())
    middle = along.mean()
    half = tile.half + (np.spacing(_FAR * scale) if dithered else 0.0)
    low_scale, high_scale = scale * (1 - 1e-4), scale * (1 + 1e-4)
    for _ in range(_TURNS):
        thirds = (2 * low_scale + high_scale) / 3, (low_scale + 2 * high_scale) / 3
        gaps = [_ends(tile.values - (along - middle) * each, half) for each in thirds]
        narrower = gaps[0][0] - gaps[0][1] < gaps[1][0] - gaps[1][1]
        low_scale, high_scale = (low_scale, thirds[1]) if narrower else (thirds[0], high_scale)
    scale = (low_scale + high_scale) / 2
    low, high = _ends(tile.values - along * scale, half)
    zero = _shortest(min(low, high), max(low, high))
    yield scale, zero
    if dithered:
        far = float(scale * (tile.counts.min() + _FAR) + zero)
        for move in range(-_MOVES, _MOVES + 1):
            yield scale, far + move * float(np.spacing(far))


def _ends(zeros: np.ndarray, half: np.ndarray) -> Line:
    """Return the ends between which the zero of all values lies; if there is none, the first exceeds the second."""
    return float((zeros - half).max()), float((zeros + half).min())


def _shortest(low: float, high: float) -> float:
    """Return the number of fewest bits between two."""
    middle = (low + high) / 2
    fraction, exponent = np.frexp(middle)
    for bits in _BITS:
        found = float(np.ldexp(np.rint(np.ldexp(fraction, bits)), int(exponent) - bits))
        if low < found < high:
            return found
    return middle
