"""Images that Hcompress decoded as the whole numbers that it decoded: found level by level from the values, and restored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from baler_core.builtin.models.fields.decoded.hcompress import (
    Bands,
    Rounding,
    SumEnds,
    coefficients,
    differences,
    sums_of_cells,
    values_of_cells,
)

# Rows of a tile, unless somebody wants others; scales differ from tile to tile.
STRIP = 16
MOST_LEVELS = 5
MOST_STRIP_LEVELS = 4
LARGEST = 1 << 30
# Steps must be so wide, and so many cells must follow from them.
_LEAST_PLAIN, _MOST_CELLS = 8, 0.99
# Of the cells of a strip, some of which were changed later.
_MOST_STRIP = 0.9
_SOME = 512
_FEWEST = 16


class Level(NamedTuple):
    """Cells of 2 x 2 values: where the first begins, y and x, their bands as numbers of steps, and values outside of them."""

    first: tuple[int, int]
    bands: Bands
    rims: list[np.ndarray]


class Pyramid(NamedTuple):
    """Levels, pixels first, and the sums of the last one: int64. Steps of the differences, of all or of strips of rows."""

    rounding: Rounding
    steps: np.ndarray
    levels: list[Level]
    top: np.ndarray


def core(shape: tuple[int, ...], first: tuple[int, int]) -> tuple[slice, slice]:
    """Return which values of a level lie in whole cells."""
    return tuple(slice(a, a + (n - a) // 2 * 2) for n, a in zip(shape, first, strict=True))  # type: ignore[return-value]


def rims_of(shape: tuple[int, ...], first: tuple[int, int]) -> list[tuple[slice, slice]]:
    """Return where the values outside of cells lie: above and below, then left and right."""
    y, x = core(shape, first)
    return [
        (slice(0, y.start), slice(None)),
        (slice(y.stop, None), slice(None)),
        (y, slice(0, x.start)),
        (y, slice(x.stop, None)),
    ]


def steps_of(pyramid: Pyramid, rows: int, level: int) -> list[np.ndarray]:
    """Return the step of each row of cells, of each band: int64 (rows, 1), or (1, 1)."""
    steps = pyramid.steps[:, np.newaxis]
    if len(steps) > 1:
        steps = steps[np.minimum((np.arange(rows) << (level + 1)) // STRIP, len(steps) - 1)]
    units = (2 << level, 2 << level, 1 << level) if pyramid.rounding == "bits" else (1, 1, 1)
    return [np.maximum(steps, unit) for unit in units]


def values_of(level: Level, sums: np.ndarray, number: int, pyramid: Pyramid, shape: tuple[int, int]) -> np.ndarray:
    """Return the values of a level from the sums of its cells."""
    steps = steps_of(pyramid, len(sums), number)
    values = np.empty(shape, np.int64)
    bands = Bands(*(band * step for band, step in zip(level.bands, steps, strict=True)))
    values[core(shape, level.first)] = values_of_cells(sums, bands, number, pyramid.rounding)
    for place, rim in zip(rims_of(shape, level.first), level.rims, strict=True):
        values[place] = rim
    return values


def shapes_of(shape: tuple[int, int], firsts: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the shapes of the values of each level, and of the sums of the last."""
    shapes = [shape]
    for y, x in firsts:
        ny, nx = shapes[-1]
        shapes.append(((ny - y) // 2, (nx - x) // 2))
    return shapes


# ---- finding them


def find_pyramid(image: np.ndarray) -> Pyramid | None:
    """Find the numbers from which an image, of integers, was decoded; None if it was not."""
    if min(image.shape) < 4 * _FEWEST or not _likely(image):
        return None
    values = image.astype(np.int64)
    return _with_bits(values) or _plain(values)


def _likely(image: np.ndarray) -> bool:
    """Return whether differences of a few cells are multiples of steps, in any of the places where cells may begin."""
    row = image.shape[0] // (2 * STRIP) * STRIP
    column = max(0, (image.shape[1] - _SOME) // 4) * 2
    some = image[row : row + STRIP, column : column + _SOME].astype(np.int64)
    if _common(some - some[0, 0]) > 1:
        return False
    return _common(_cells(some, (0, 0))) > 1 or any(_plain_step(_cells(some, (y, x))) for y in (0, 1) for x in (0, 1))


def _cells(values: np.ndarray, first: tuple[int, int]) -> np.ndarray:
    """Return differences of both kinds of pixels."""
    inside = values[core(values.shape, first)]
    return inside[::2, ::2] + inside[1::2, 1::2] - inside[1::2, ::2] - inside[::2, 1::2]


def _common(found: np.ndarray) -> int:
    return int(np.gcd.reduce(np.abs(found).ravel())) if found.size else 0


def _plain_step(found: np.ndarray) -> int:
    """Return the step of differences that rounding moved by up to 1; 0 if there is none."""
    sizes, counts = np.unique(np.abs(found), return_counts=True)
    large = sizes[sizes > 1]
    if not large.size or counts[sizes <= 1].sum() in (0, found.size) or large[0] < _LEAST_PLAIN:
        return 0
    best, most = 0, _MOST_CELLS * found.size
    for step in range(int(large[0]) - 1, int(large[0]) + 3):
        held = counts[np.abs(sizes - np.rint(sizes / step) * step) <= 1].sum()
        exact = counts[sizes % step == 0].sum()
        if held >= _MOST_CELLS * found.size and held + exact > most:
            best, most = step, held + exact
    return best


def _with_bits(values: np.ndarray) -> Pyramid | None:
    found = _cells(values, (0, 0))
    rows = STRIP // 2
    strips = [found[row : row + rows] for row in range(0, len(found), rows)]
    steps = np.array([max(1, _common(strip)) for strip in strips], np.int64)
    # a few pixels may have been changed
    usual = int(np.sort(steps)[len(steps) // 2])
    for number, strip in enumerate(strips):
        if steps[number] == 1 and (strip % usual == 0).mean() > _MOST_STRIP:
            steps[number] = usual
    if np.median(steps) < 2 or steps.max() >= LARGEST:
        return None
    levels, first, found_steps = list[Level](), (0, 0), Pyramid("bits", steps, [], values)
    for number in range(MOST_STRIP_LEVELS):
        inside = values[core(values.shape, first)]
        if min(inside.shape) < _FEWEST:
            break
        sums, bands = coefficients(inside, number)
        each = steps_of(found_steps, len(sums), number)
        rims = [values[place] for place in rims_of(values.shape, first)]
        numbers = Bands(*(_nearest(band / step) for band, step in zip(bands, each, strict=True)))
        levels.append(Level(first, numbers, rims))
        values = sums
    return Pyramid("bits", steps, levels, values)


def _nearest(numbers: np.ndarray) -> np.ndarray:
    return np.rint(numbers).astype(np.int64)


def _plain(values: np.ndarray) -> Pyramid | None:
    middle = values[values.shape[0] // 4 :, values.shape[1] // 4 :][:_SOME, :_SOME]
    firsts = [(y, x) for y in (0, 1) for x in (0, 1)]
    steps = [
        _plain_step(_cells(middle[values.shape[0] // 4 % 2 :, values.shape[1] // 4 % 2 :], first)) for first in firsts
    ]
    step = max(steps)
    if not step:
        return None
    ends, levels = SumEnds(values, values), list[Level]()
    for number in range(MOST_LEVELS):
        tried = [_plain_level(ends, first, step, number) for first in firsts]
        held = [float((sums.low <= sums.high).mean()) if sums.low.size else 0.0 for _, sums in tried]
        best = int(np.argmax(held))
        if held[best] < _MOST_CELLS or min(tried[best][1].low.shape) < _FEWEST:
            break
        levels.append(tried[best][0])
        ends = tried[best][1]
    return Pyramid("plain", np.array([step], np.int64), levels, ends.low) if levels else None


def _plain_level(ends: SumEnds, first: tuple[int, int], step: int, number: int) -> tuple[Level, SumEnds]:
    inside = core(ends.low.shape, first)
    own = SumEnds(ends.low[inside], ends.high[inside])
    bands = Bands(*(_nearest(band / step) for band in differences((own.low + own.high) / 2, number)))
    sums = sums_of_cells(own, Bands(*(band * step for band in bands)), number)
    return Level(first, bands, [ends.low[place] for place in rims_of(ends.low.shape, first)]), sums
