"""Walks over the slices, variables and bands of a field's integers and codes them quickly, or reads them back."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from baler_core.builtin.models.fields.transform.coder import describe_bands
from baler_core.builtin.models.fields.transform.contexts import RUNS, SHORTEST_RUN
from baler_core.builtin.models.fields.transform.fast_bands import (
    FAMILIES,
    FLAG_PLACES,
    KINDS,
    Kind,
    decode_band,
    encode_band,
)
from baler_core.builtin.models.fields.transform.fast_geometry import (
    clear_near,
    fill_all_near,
    fill_base,
    new_frame,
    smooth_all,
)
from baler_core.builtin.models.fields.transform.fast_signs import SIGN_CONTEXTS
from baler_core.builtin.models.fields.transform.neighbourhood import hinted_family, means
from baler_core.builtin.models.fields.transform.temporal import Links
from baler_core.builtin.models.fields.transform.wavelet import Band
from baler_core.entropy.magnitudes import bit_length, code_simply
from baler_core.entropy.symbols import FLAGS, Stream
from baler_core.machine.compiled import Array, Integer, compiled


class Places(NamedTuple):
    """All integers, and what tells about them, in flat arrays.

    Attributes
    ----------
    values
        int32 (slices * variables * z * y * x).
    around
        int32, one slice of one variable more, which stays zero: means of what is coded.
    families
        uint8: the family of each place of each variable, where hints tell; then, for each family, a row.
    near, base
        int32: room for the magnitudes of a band, and for what is known of its places.
    """

    values: Array
    around: Array
    families: Array
    near: Array
    base: Array


class Known(NamedTuple):
    """What is known of all slices.

    Attributes
    ----------
    bands
        int64 (bands, BAND_FIELDS + 1): the last says of which kind it is.
    links
        int64 (slices, 2): the nearest and the second nearest slice, or -1.
    lively
        uint8 (slices * variables + 1, bands), filled in: which bands have anything; none in the last row.
    shape
        int64 (3,) of a slice.
    constant
        Where `Places.families` has a row for each family.
    """

    bands: Array
    links: Array
    lively: Array
    shape: Array
    constant: Integer


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
        np.zeros(points, np.int32),
    )
    pairs = np.array([(link.nearest, link.second) for link in links], np.int64).reshape(-1, 2)
    if hint is not None:
        pairs[:, 1] = -1
    lively = np.zeros((slices * variables + 1, len(bands)), np.uint8)
    known = Known(fields, pairs, lively, np.array(space, np.int64), families.size - FAMILIES * space[2])
    code_slices(stream, int(encoding), part, places, known, variables)


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
    stream: Stream, encoding: Integer, part: Integer, places: Places, known: Known, variables: Integer
) -> None:
    """Slice after slice, variable after variable, band after band.

    Bands and links follow from shapes and recipes, which are checked when they are read: what a stream says of values
    decides which bands and runs are passed over, and nothing about where they lie.
    """
    ends, codes, flags, raw, words, (spans, symbols, ones), chosen, registers, data, counters = stream
    values, around, families, near, base = places
    bands, links, lively, shape, constant = known
    points, blank = shape[0] * shape[1] * shape[2], links.shape[0] * variables
    for number in range(links.shape[0]):
        nearest, second = links[number, 0], links[number, 1]
        for variable in range(variables):
            own = number * variables + variable
            ahead = nearest * variables + variable if nearest >= 0 else blank
            other = second * variables + variable if second >= 0 else blank
            beside = own - 1 if variable > 0 else blank
            for b in range(bands.shape[0]):
                band = bands[b]
                flag = part * FLAG_PLACES + (band[23] * 2 + lively[ahead, b]) * 2 + lively[beside, b]
                if encoding:
                    lively[own, b] = lively_box(values, band, own * points, shape)
                    flags[ends[FLAGS]] = 2 * flag + lively[own, b]
                    ends[FLAGS] += 1
                else:
                    lively[own, b] = code_simply(registers, data, counters, flag, 0)
                if lively[own, b] == 0:
                    continue
                there = band[21] + 2 * (nearest >= 0) + (second >= 0) + 2 * (variable > 0) + band[15]
                band[22] = (1 << 16) // there + 1
                frame = new_frame(band, shape, own * points, ahead * points, other * points, beside * points)
                place = min(15, 2 * bit_length(number)) * 4 + band[23] % 4
                kind = Kind(
                    variable * points if band[25] else constant + shape[2] * band[16],
                    band[25],
                    part * FAMILIES,
                    part * FLAG_PLACES + RUNS + place * 4 - 4,
                    (part * KINDS + band[26]) * SIGN_CONTEXTS,
                    np.int64(nearest >= 0),
                )
                clear_near(near, frame)
                fill_base(base, around, frame, band[12:15])
                if encoding:
                    fill_all_near(near, values, frame)
                    encode_band(ends, codes, flags, raw, values, families, near, base, frame, kind)
                else:
                    decode_band(
                        ends, raw, words, spans, symbols, ones, chosen, registers, data, counters,
                        values, families, near, base, frame, kind,
                    )  # fmt: skip
                smooth_all(near, around, frame)


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
