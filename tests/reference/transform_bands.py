"""Bands of a transform, what lies about each of their places, and the order in which they are coded (format/transform.md)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

Shape = tuple[int, ...]
SHORTEST, MOST_LEVELS, MOST_DEPTH = 8, 8, 3
MOST = 1 << 26
FEW, SOME = 8, 160
MOST_HINT, MOST_COUNTED = 63, 8


@dataclass(frozen=True)
class Band:
    """Where a band begins and ends along z, y and x; its level, -1 for the smooth rest; its parent, if there is one."""

    box: tuple[tuple[int, int], ...]
    level: int
    depth: int
    parent: tuple[tuple[int, int], ...] | None = None
    halved: tuple[bool, ...] = ()

    @property
    def shape(self) -> Shape:
        return tuple(end - first for first, end in self.box)

    @property
    def place(self) -> tuple[slice, ...]:
        return tuple(slice(first, end) for first, end in self.box)

    @property
    def deep_high(self) -> tuple[int, int]:
        return int(self.shape[0] > 1), int(self.shape[1] > 1)

    @property
    def detail(self) -> tuple[int, ...]:
        return tuple(int(first > 0) for first, _ in self.box)

    @property
    def kind(self) -> int:
        return 4 * self.depth + min(3, sum(self.detail))

    @property
    def sign_kind(self) -> int:
        return 8 * self.depth + 4 * self.detail[0] + 2 * self.detail[1] + self.detail[2]


def sizes_of(shape: Shape, levels: int) -> list[Shape]:
    """The smooth part before each split, finest first, and after the last one."""
    sizes = [shape]
    for _ in range(levels):
        sizes.append(tuple((n + 1) // 2 if n >= SHORTEST else n for n in sizes[-1]))
    return sizes


def whole(shape: Shape) -> list[Band]:
    return [Band(tuple((0, n) for n in shape), -1, 0)]


def bands_of(shape: Shape, levels: int) -> list[Band]:
    sizes = sizes_of(shape, levels)[::-1]
    found = whole(sizes[0])
    for level in range(levels):
        for detail in itertools.product((0, 1), repeat=len(shape)):
            box, halved = _box(sizes, level, detail)
            if not any(detail) or any(end <= first for first, end in box):
                continue
            parent, halved = _box(sizes, level - 1, detail) if level else (None, ())
            if parent and any(end <= first for first, end in parent):
                parent = None
            found.append(Band(box, level, min(MOST_DEPTH, levels - level), parent, halved))
    return found


def _box(sizes: list[Shape], level: int, detail: Shape) -> tuple[tuple[tuple[int, int], ...], tuple[bool, ...]]:
    low, high = sizes[level], sizes[level + 1]
    box = tuple((a, b) if one else (0, a) for a, b, one in zip(low, high, detail, strict=True))
    return box, tuple(a != b for a, b in zip(low, high, strict=True))


def time_levels(count: int) -> int:
    levels = 0
    while count >= 2 * SHORTEST and levels < MOST_LEVELS:
        count, levels = (count + 1) // 2, levels + 1
    return levels


def links_of(count: int, wavelet: bool) -> list[tuple[int, int]]:
    """The nearest and the second nearest of the slices before each slice; -1 for none."""
    if not wavelet:
        return [(s - 1, s - 2 if s > 1 else -1) for s in range(count)]
    found: list[tuple[int, int]] = []
    above, many = 0, 0
    for band in bands_of((count,), time_levels(count)):
        first, end = band.box[0]
        for s in range(first, end):
            coarser = above + (s - first) * many // (end - first) if many else -1
            found.append((s - 1, coarser) if s > first else (coarser, -1))
        above, many = first, end - first
    return found


def hints_of(coefficients: np.ndarray, bands: list[Band]) -> np.ndarray | None:
    """How often the finest coefficients about a place differ from 0: (members, z, y, x); None without coefficients."""
    slices, members, *shape = coefficients.shape
    if not slices:
        return None
    found = np.zeros((members, *shape), "<i8")
    for band in bands:
        if band.level == max(other.level for other in bands):
            counts = np.count_nonzero(coefficients[(slice(None), slice(None), *band.place)], axis=0)
            places = [np.arange(n) * m // n for n, m in zip(shape, band.shape, strict=True)]
            found += counts[(slice(None), *np.ix_(*places))]
    return np.minimum(MOST_HINT, found * 16 // slices + np.minimum(found, MOST_COUNTED))


def hinted_sets(hint: np.ndarray) -> np.ndarray:
    return 1 * (hint > 0) + (hint >= FEW) + (hint >= SOME)


def means_of(values: np.ndarray) -> np.ndarray:
    """16 times the weighted mean magnitude about each place of a band (z, y, x)."""
    sizes = np.minimum(np.abs(values), MOST)
    scale = (1 << 20) // (12 + 4 * (values.shape[1] > 1) + 4 * (values.shape[0] > 1)) + 1
    return np.minimum((16 * (8 * sizes + 2 * beside_sum(sizes)) * scale) >> 20, MOST)


def beside_sum(sizes: np.ndarray) -> np.ndarray:
    """The sum of the neighbours along all axes, 0 outside."""
    found = np.zeros_like(sizes)
    for axis in range(3):
        one, sums = np.moveaxis(sizes, axis, 0), np.moveaxis(found, axis, 0)
        sums[1:] += one[:-1]
        sums[:-1] += one[1:]
    return found


@dataclass
class View:
    """A band of a slice and what is known at its places: means of other slices and bands, values of two slices."""

    band: Band
    number: int
    first: np.ndarray
    second: np.ndarray
    third: np.ndarray
    parent: np.ndarray
    sibling: np.ndarray
    ahead: np.ndarray
    beside: np.ndarray
    there: tuple[bool, bool, bool]
    hinted: np.ndarray | None

    def total_scale(self) -> int:
        """What a sum of means is multiplied by, in 1/65536, to be a mean."""
        nearest, second, before = self.there
        weight = 2 + sum(self.band.deep_high) + 2 * nearest + second + 2 * before + (self.band.parent is not None)
        return 65536 // weight + 1

    def band_class(self) -> int:
        return min(15, 2 * self.number.bit_length()) * 4 + self.band.kind % 4


class BandDecoder(Protocol):
    """What decodes the integers of a band, mixed or fast."""

    def flag(self, place: int) -> int: ...
    def decode(self, view: View) -> np.ndarray: ...
    def means(self, values: np.ndarray) -> np.ndarray: ...


def decode_field(
    coder: BandDecoder, shape: Shape, bands: list[Band], links: list[tuple[int, int]], hint: np.ndarray | None
) -> np.ndarray:
    """All integers of a field: int64 (slices, members, z, y, x)."""
    values, means = np.zeros(shape, "<i8"), np.zeros(shape, "<i8")
    hints = None if hint is None else np.stack([means_of(part) for part in hint])
    for number, (nearest, second) in enumerate(links):
        for member in range(shape[1]):
            for view in _views(values, means, bands, (number, nearest, second, member), hints):
                place = (number, member, *view.band.place)
                flag = 2 * (2 * view.band.kind + bool(view.ahead.any())) + bool(view.beside.any())
                if coder.flag(flag):
                    values[place] = coder.decode(view)
                    means[place] = coder.means(values[place])
    return values


def _views(
    values: np.ndarray,
    means: np.ndarray,
    bands: list[Band],
    slices: tuple[int, int, int, int],
    hints: np.ndarray | None,
) -> Iterator[View]:
    number, nearest, second, member = slices
    there = (nearest >= 0, second >= 0 and hints is None, member > 0)
    blank = np.zeros(values.shape[2:], "<i8")
    first, third = means[nearest, member] if there[0] else blank, means[number, member - 1] if there[2] else blank
    ahead, beside = values[nearest, member] if there[0] else blank, values[number, member - 1] if there[2] else blank
    other = means[second, member] if there[1] else blank if hints is None else hints[member]
    for place, band in enumerate(bands):
        at, sibling = band.place, np.zeros(band.shape, "<i8")
        for earlier in (earlier for earlier in bands[:place] if earlier.level == band.level):
            sizes = np.minimum(np.abs(_taken(values[number, member], earlier.box, band.shape, ())), MOST)
            sibling = np.minimum(sibling + 16 * sizes, MOST)
        parent = np.zeros(band.shape, "<i8")
        if band.parent is not None:
            parent = _taken(means[number, member], band.parent, band.shape, band.halved)
        hinted = None if hints is None else hinted_sets(other[at])
        yield View(band, number, first[at], other[at], third[at], parent, sibling, ahead[at], beside[at], there, hinted)


def _taken(values: np.ndarray, box: tuple[tuple[int, int], ...], shape: Shape, halved: tuple[bool, ...]) -> np.ndarray:
    """The values of another band at the places of a band, the last ones where it ends."""
    shifts = halved or (False,) * len(shape)
    places = [
        np.minimum(first + (np.arange(n) >> shift), end - 1)
        for (first, end), n, shift in zip(box, shape, shifts, strict=True)
    ]
    return np.asarray(values[np.ix_(*places)])
