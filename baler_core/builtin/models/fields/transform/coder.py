"""Walks over the slices, variables and bands of a field's integers and codes them, or reads them back."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from baler_core.builtin.models.fields.transform.contexts import BAND_FIELDS, Memory, Views, code_band, survey
from baler_core.builtin.models.fields.transform.neighbourhood import lively, means
from baler_core.builtin.models.fields.transform.temporal import Links
from baler_core.builtin.models.fields.transform.wavelet import Band, Box
from baler_core.entropy.arithmetic import ENCODING, Coder
from baler_core.entropy.magnitudes import Places, bit_length, code_simply
from baler_core.machine.compiled import Array, Integer, compiled

_MOST_COUSINS = 7


def code_integers(
    coder: Coder,
    memory: Memory,
    integers: np.ndarray,
    bands: list[Band],
    links: list[Links],
    hint: np.ndarray | None,
    mixed: int,
) -> None:
    """Write or read (in place, zeros at first) all integers of a field.

    Parameters
    ----------
    integers
        int32 (slices, variables, z, y, x), C order.
    links
        One per slice.
    hint
        int32 (variables, z, y, x): how lively each place is, where something already coded tells; takes the place of
        the second linked slice.
    mixed
        How many contexts are mixed, at least one: the more, the smaller and slower.
    """
    fields, cousins = describe_bands(bands)
    fields[:, 25] = hint is not None
    pairs = np.array([(link.nearest, link.second) for link in links], np.int64).reshape(-1, 2)
    hints = np.zeros((0, 1, 1, 1), np.int32) if hint is None else hint
    known = Known(np.zeros(integers.shape, np.int32), hints, pairs, fields, cousins)
    code_slices(coder, memory, integers, known, (0,) * mixed)


class Known(NamedTuple):
    """What is known of all slices.

    Attributes
    ----------
    around
        int32, shape of the integers: means of what is coded.
    hints
        int32 (variables, z, y, x), or nothing.
    links
        int64 (slices, 2): the nearest and the second nearest slice, or -1.
    bands
        int64 (bands, BAND_FIELDS).
    cousins
        int64 (bands, n, 6): boxes of bands of the same level already coded.
    """

    around: Array
    hints: Array
    links: Array
    bands: Array
    cousins: Array


@compiled
def code_slices(coder: Coder, memory: Memory, integers: Array, known: Known, contexts: Places) -> None:
    """Slice after slice, variable after variable; `contexts` are as many numbers as contexts are mixed.

    As in `quick_walk.code_slices`, places follow from shapes and recipes alone; links point to earlier slices or are -1.
    """
    around, hints, bands = known.around, known.hints, known.bands
    blank = np.zeros(integers.shape[2:], np.int32)
    others = np.zeros((3, *blank.shape), np.int32)
    hinted = np.zeros(hints.shape, np.int32)
    for variable in range(hints.shape[0]):
        means(hints[variable], bands[0], hinted[variable])
    for number in range(integers.shape[0]):
        nearest, second = known.links[number, 0], known.links[number, 1]
        for variable in range(integers.shape[1]):
            ahead = integers[nearest, variable] if nearest >= 0 else blank
            side = integers[number, variable - 1] if variable > 0 else blank
            others[0] = around[nearest, variable] if nearest >= 0 else blank
            others[2] = around[number, variable - 1] if variable > 0 else blank
            if hints.size:
                others[1] = hinted[variable]
            else:
                others[1] = around[second, variable] if second >= 0 else blank
            views = Views(integers[number, variable], around[number, variable], ahead, side, others)
            there = (nearest >= 0, second >= 0 and hints.size == 0, variable > 0)
            code_variable(coder, memory, views, known, there, number, contexts)


@compiled
def code_variable(
    coder: Coder,
    memory: Memory,
    views: Views,
    known: Known,
    there: tuple[bool, bool, bool],
    number: Integer,
    contexts: Places,
) -> None:
    """All bands of one slice of one variable; `there` says which other slices there are."""
    registers, data = coder
    counters, signs, empty, weights = memory
    values, nearest, beside = views.values.reshape(-1), views.nearest.reshape(-1), views.beside.reshape(-1)
    for b in range(known.bands.shape[0]):
        band = known.bands[b]
        wanted = lively(views.values, band) if registers[ENCODING] else 0
        flag = (band[23] * 2 + lively(views.nearest, band)) * 2 + lively(views.beside, band)
        if code_simply(registers, data, empty, flag, wanted):
            band[17] = min(15, 2 * bit_length(number)) * 4 + band[23] % 4
            band[18] = there[1]
            near = band[21] + 2 * there[0] + there[1] + 2 * there[2] + band[15]
            band[22] = (1 << 16) // near + 1
            sheet = survey(views, band, known.cousins[b, : band[24]], len(contexts) > 3)
            code_band(
                registers, data, counters, signs, empty, weights, values, nearest, beside, views.values.shape, sheet, band,
                contexts,
            )  # fmt: skip
            means(views.values, band, views.own)


def describe_bands(bands: list[Band]) -> tuple[np.ndarray, np.ndarray]:
    """The fields of each band, and the boxes of the bands of its level that come before it."""
    finest = max(band.level for band in bands)
    fields = np.zeros((len(bands), BAND_FIELDS), np.int64)
    cousins = np.zeros((len(bands), _MOST_COUSINS, 6), np.int64)
    for number, band in enumerate(bands):
        before = [_corners(other.box) for other in bands[:number] if other.level == band.level]
        cousins[number, : len(before)] = np.array(before, np.int64).reshape(-1, 6)
        fields[number] = _fields(band, finest)
        fields[number, 24] = len(before)
    return fields, cousins


def _fields(band: Band, finest: int) -> np.ndarray:
    fields = np.zeros(BAND_FIELDS, np.int64)
    fields[0:6] = _corners(band.box)
    if band.parent is not None:
        fields[6:12] = _corners(band.parent)
        fields[12:15] = band.halved
        fields[15] = 1
    depth = 0 if band.level < 0 else min(3, 1 + finest - band.level)
    deep, high = (int(end - first > 1) for first, end in band.box[:2])
    fields[16] = depth
    fields[19] = high
    fields[20] = (16 << 16) // (6 + 9 * high + 9 * deep) + 1
    fields[21] = 2 + high + deep
    fields[23] = depth * 4 + min(3, sum(first > 0 for first, _ in band.box))
    return fields


def _corners(box: Box) -> list[int]:
    return [first for first, _ in box] + [end for _, end in box]
