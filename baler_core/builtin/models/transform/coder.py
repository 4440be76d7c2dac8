"""Walks over the slices, variables and bands of a field's integers and codes them, or reads them back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from baler_core.arithmetic import Coder
from baler_core.builtin.models.magnitudes import code_simply
from baler_core.builtin.models.transform.contexts import BAND_FIELDS, Memory, code_band
from baler_core.builtin.models.transform.temporal import Links
from baler_core.builtin.models.transform.wavelet import Band

_ABSENT = np.zeros((0, 6), np.int64)


@dataclass(frozen=True)
class _Part:
    """A band in the form that the compiled loop takes."""

    box: tuple[slice, ...]
    fields: np.ndarray
    cousins: np.ndarray
    flag: int


def code_integers(
    coder: Coder,
    memory: Memory,
    integers: np.ndarray,
    bands: list[Band],
    links: list[Links],
    hint: np.ndarray | None,
    mixed: bool,
) -> None:
    """Write or read (in place) all integers of a field.

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
        Whether contexts are mixed (smaller) or one alone tells (several times faster).
    """
    parts = _parts(bands)
    encoding = bool(coder.registers[4])
    references = np.zeros((3, *integers.shape[2:]), np.int32)
    for number, link in enumerate(links):
        for variable in range(integers.shape[1]):
            known = _look_up(references, integers, number, variable, link, hint)
            values = integers[number, variable]
            for part in parts:
                lively = bool(values[part.box].any()) if encoding else False
                before = int(known[0] > 0 and references[0][part.box].any())
                beside = int(known[2] > 0 and references[2][part.box].any())
                flag = (part.flag * 2 + before) * 2 + beside
                if code_simply(*coder, memory.empty, flag, int(lively)):
                    part.fields[17] = min(15, int(number).bit_length() * 2) * 4 + part.flag % 4
                    code_band(
                        *coder,
                        memory.counters,
                        memory.signs,
                        memory.weights,
                        values,
                        references,
                        known,
                        part.fields,
                        part.cousins,
                        mixed,
                    )


def _look_up(
    references: np.ndarray, integers: np.ndarray, number: int, variable: int, link: Links, hint: np.ndarray | None
) -> np.ndarray:
    """Fill in the slices that tell about this one; returns which there are (2: as a context only)."""
    known = np.zeros(3, np.int64)
    if link.nearest >= 0:
        references[0] = integers[link.nearest, variable]
        known[0] = 1
    if hint is not None:
        references[1] = hint[variable]
        known[1] = 2
    elif link.second >= 0:
        references[1] = integers[link.second, variable]
        known[1] = 1
    if variable > 0:
        references[2] = integers[number, variable - 1]
        known[2] = 1
    return known


def _parts(bands: list[Band]) -> list[_Part]:
    finest = max(band.level for band in bands)
    parts: list[_Part] = []
    level: list[Band] = []
    for band in bands:
        level = [*level, band] if level and level[0].level == band.level else [band]
        parts.append(_part(band, finest, level[:-1]))
    return parts


def _part(band: Band, finest: int, cousins: list[Band]) -> _Part:
    fields = np.zeros(BAND_FIELDS, np.int64)
    fields[0:6] = [first for first, _ in band.box] + [end for _, end in band.box]
    if band.parent is not None:
        fields[6:12] = [first for first, _ in band.parent] + [end for _, end in band.parent]
        fields[12:15] = band.halved
        fields[15] = 1
    depth = 0 if band.level < 0 else min(3, 1 + finest - band.level)
    fields[16] = depth
    detail = min(3, sum(first > 0 for first, _ in band.box))
    boxes = [[first for first, _ in other.box] + [end for _, end in other.box] for other in cousins]
    return _Part(
        tuple(slice(first, end) for first, end in band.box),
        fields,
        np.array(boxes, np.int64) if boxes else _ABSENT,
        depth * 4 + detail,
    )
