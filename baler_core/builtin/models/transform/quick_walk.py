"""Walks over the slices, variables and bands of a field's integers and codes them quickly, or reads them back."""

from __future__ import annotations

import numpy as np

from baler_core.builtin.models.magnitudes import bit_length
from baler_core.builtin.models.symbols import Stream, code_flag
from baler_core.builtin.models.transform.coder import describe_bands
from baler_core.builtin.models.transform.contexts import SHORTEST_RUN
from baler_core.builtin.models.transform.quick import FAMILIES, FLAG_PLACES, Places, code_band_quickly
from baler_core.builtin.models.transform.surroundings import hinted_family, means
from baler_core.builtin.models.transform.temporal import Links
from baler_core.builtin.models.transform.wavelet import Band
from baler_core.compiled import Array, Integer, compiled


def code_quickly(
    stream: Stream,
    part: int,
    integers: np.ndarray,
    bands: list[Band],
    links: list[Links],
    hint: np.ndarray | None,
    *,
    encoding: bool,
) -> None:
    """Collect or read (in place, zeros at first) all integers of a field; see `coder.code_integers`.

    Parameters
    ----------
    part
        0 or 1: which contexts and flags serve.
    """
    fields, _ = describe_bands(bands)
    detail = np.array([[first > 0 for first, _ in band.box] for band in bands], np.int64)
    fields = np.column_stack([fields, 8 * fields[:, 16] + detail @ np.array([4, 2, 1])])
    fields[:, 25] = hint is not None
    slices, variables, *space = integers.shape
    points = int(np.prod(space))
    families = _families(hint, fields[0], space[2])
    places = Places(
        integers.reshape(-1),
        np.zeros((slices * variables + 1) * points, np.int32),
        families,
        np.zeros((space[0] + 3) * (space[1] + 3) * (space[2] + 2) + 64, np.int32),
        np.zeros(space[2], np.int32),
    )
    pairs = np.array([(link.nearest, link.second) for link in links], np.int64).reshape(-1, 2)
    if hint is not None:
        pairs[:, 1] = -1
    lively = np.zeros((slices * variables + 1, len(bands)), np.uint8)
    shape = np.array([*space, variables], np.int64)
    code_slices(stream, int(encoding), part, places, fields, pairs, lively, shape, families.size - FAMILIES * space[2])


def _families(hint: np.ndarray | None, whole: np.ndarray, nx: int) -> np.ndarray:
    """`Places.families`."""
    rows = np.repeat(np.arange(FAMILIES), nx).astype(np.uint8)
    if hint is None:
        return rows
    found = np.zeros(hint.shape, np.int32)
    for variable in range(len(hint)):
        means(hint[variable], whole, found[variable])
    chosen = np.empty(found.size, np.uint8)
    find_families(found.reshape(-1), chosen)
    return np.concatenate([chosen, rows])


def most_flags(integers: np.ndarray, bands: int) -> int:
    """How many flags the integers of a field can have: one for each band, and one for each of the shortest runs."""
    return integers.shape[0] * integers.shape[1] * bands + integers.size // SHORTEST_RUN


@compiled
def find_families(found: Array, chosen: Array) -> None:
    """The family of each place by its hint."""
    for place in range(found.size):
        chosen[place] = hinted_family(found[place])


@compiled
def code_slices(
    stream: Stream,
    encoding: Integer,
    part: Integer,
    places: Places,
    bands: Array,
    links: Array,
    lively: Array,
    shape: Array,
    constant: Integer,
) -> None:
    """Slice after slice, variable after variable, band after band.

    `lively` is where it is kept which bands have anything, `constant` where `Places.families` has its rows.
    """
    variables, points = shape[3], shape[0] * shape[1] * shape[2]
    blank = links.shape[0] * variables
    sources = np.zeros(6, np.int64)
    for number in range(links.shape[0]):
        nearest, second = links[number, 0], links[number, 1]
        for variable in range(variables):
            own = number * variables + variable
            ahead = nearest * variables + variable if nearest >= 0 else blank
            other = second * variables + variable if second >= 0 else blank
            beside = own - 1 if variable > 0 else blank
            sources[0], sources[1], sources[2], sources[3] = (
                own * points,
                ahead * points,
                other * points,
                beside * points,
            )
            sources[4], sources[5] = variable * points, constant
            for b in range(bands.shape[0]):
                band = bands[b]
                wanted = lively_box(places.values, band, own * points, shape) if encoding else 0
                flag = part * FLAG_PLACES + (band[23] * 2 + lively[ahead, b]) * 2 + lively[beside, b]
                if code_flag(stream, encoding, flag, wanted) == 0:
                    continue
                lively[own, b] = 1
                band[17] = min(15, 2 * bit_length(number)) * 4 + band[23] % 4
                there = band[21] + 2 * (nearest >= 0) + (second >= 0) + 2 * (variable > 0) + band[15]
                band[22] = (1 << 16) // there + 1
                code_band_quickly(stream, encoding, part, places, band, sources, shape)


@compiled
def lively_box(values: Array, band: Array, first: Integer, shape: Array) -> Integer:
    """1 if any integer of a band differs from zero."""
    for z in range(band[0], band[3]):
        for y in range(band[1], band[4]):
            row = first + (z * shape[1] + y) * shape[2]
            for x in range(row + band[2], row + band[5]):
                if values[x]:
                    return 1
    return 0
