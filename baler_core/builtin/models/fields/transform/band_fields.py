"""Describe the bands of a transform as rows of integers, which compiled loops index by the names given here."""

from __future__ import annotations

import numpy as np

from baler_core.builtin.models.fields.transform.temporal import Links
from baler_core.builtin.models.fields.transform.wavelet import Band, Box
from baler_core.machine.records import dataclass

# The box of a band in its slice, and that of its parent band: first and end along z, y and x.
FIRST_Z, FIRST_Y, FIRST_X, END_Z, END_Y, END_X = range(6)
PARENT_Z, PARENT_Y, PARENT_X, PARENT_END_Z, PARENT_END_Y, PARENT_END_X = range(6, 12)
# By which power of two the parent has fewer places along each axis, and whether there is a parent.
SHIFT_Z, SHIFT_Y, SHIFT_X, HAS_PARENT = range(12, 16)
# Which set of contexts serves (0 to 3, by distance from the finest level), and the class of the band (0 to 63, by its
# kind and the number of its slice).
CONTEXT_SET, BAND_CLASS = 16, 17
# Whether there is a second linked slice, and whether rows have rows above them.
HAS_SECOND, HAS_ROWS_ABOVE = 18, 19
# What the sum over neighbours in the band is multiplied by, in 1/2^16, to be 16 x their weighted mean; the weight of that
# mean; and what the sum of all means is multiplied by to be a mean again. Multiplications stand for divisions.
OWN_SCALE, OWN_WEIGHT, TOTAL_SCALE = 20, 21, 22
# Context set and number of axes of detail; how many siblings are coded before; whether hints replace the second slice;
# and, for signs, context set and axes of detail.
KIND, SIBLINGS, HINTED, SIGN_KIND = 23, 24, 25, 26
BAND_FIELDS = 27
_MOST_SIBLINGS = 7


@dataclass(frozen=True)
class FieldStructure:
    """What both sides know of the integers of a field before they are coded.

    Attributes
    ----------
    bands
        Bands of a slice, coarse to fine.
    links
        Earlier slices that each slice resembles.
    hint
        int32 (variables, z, y, x): how large the integers of each place are expected to be, where something already
        coded shows that; it takes the place of the second linked slice. Else None.
    """

    bands: list[Band]
    links: list[Links]
    hint: np.ndarray | None = None


def describe_bands(bands: list[Band]) -> tuple[np.ndarray, np.ndarray]:
    """Describe each band, and list the siblings (bands of the same level) that are coded before it.

    Returns
    -------
    fields
        int64 (bands, BAND_FIELDS); what depends on the slice is 0.
    siblings
        int64 (bands, n, 6): boxes.
    """
    finest = max(band.level for band in bands)
    fields = np.zeros((len(bands), BAND_FIELDS), np.int64)
    siblings = np.zeros((len(bands), _MOST_SIBLINGS, 6), np.int64)
    for number, band in enumerate(bands):
        before = [_corners(other.box) for other in bands[:number] if other.level == band.level]
        siblings[number, : len(before)] = np.array(before, np.int64).reshape(-1, 6)
        fields[number] = _fields(band, finest)
        fields[number, SIBLINGS] = len(before)
    return fields, siblings


def _fields(band: Band, finest: int) -> np.ndarray:
    fields = np.zeros(BAND_FIELDS, np.int64)
    fields[FIRST_Z : END_X + 1] = _corners(band.box)
    if band.parent is not None:
        fields[PARENT_Z : PARENT_END_X + 1] = _corners(band.parent)
        fields[SHIFT_Z : SHIFT_X + 1] = band.halved
        fields[HAS_PARENT] = 1
    depth = 0 if band.level < 0 else min(3, 1 + finest - band.level)
    deep, high = (int(end - first > 1) for first, end in band.box[:2])
    detail = [int(first > 0) for first, _ in band.box]
    fields[CONTEXT_SET] = depth
    fields[HAS_ROWS_ABOVE] = high
    fields[OWN_SCALE] = (16 << 16) // (6 + 9 * high + 9 * deep) + 1
    fields[OWN_WEIGHT] = 2 + high + deep
    fields[KIND] = depth * 4 + min(3, sum(detail))
    fields[SIGN_KIND] = 8 * depth + 4 * detail[0] + 2 * detail[1] + detail[2]
    return fields


def _corners(box: Box) -> list[int]:
    return [first for first, _ in box] + [end for _, end in box]
