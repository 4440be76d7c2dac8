"""Code all integers of a field with mixed contexts, slice by slice and band by band, or read them back."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from baler_core.builtin.models.fields.transform import band_fields as field
from baler_core.builtin.models.fields.transform.band_fields import FieldStructure, describe_bands
from baler_core.builtin.models.fields.transform.contexts import BandStatistics, Views, band_sheet, code_band
from baler_core.builtin.models.fields.transform.neighbourhood import SHEET, any_nonzero, means
from baler_core.entropy.arithmetic import ENCODING, Coder
from baler_core.entropy.magnitudes import Places, bit_length, code_simply
from baler_core.machine.compiled import Array, Integer, compiled


def code_integers(
    coder: Coder, statistics: BandStatistics, integers: np.ndarray, structure: FieldStructure, mixed: int
) -> None:
    """Write or read (in place, zeros at first) all integers of a field.

    Parameters
    ----------
    integers
        int32 (slices, variables, z, y, x), C order.
    mixed
        How many contexts are mixed, at least one: the more, the smaller and slower.
    """
    fields, siblings = describe_bands(structure.bands)
    hint = structure.hint
    fields[:, field.HINTED] = hint is not None
    pairs = np.array([(link.nearest, link.second) for link in structure.links], np.int64).reshape(-1, 2)
    hints = np.zeros((0, 1, 1, 1), np.int32) if hint is None else hint
    known = FieldContext(np.zeros(integers.shape, np.int32), hints, pairs, fields, siblings)
    code_slices(coder, statistics, integers, known, (0,) * mixed)


class FieldContext(NamedTuple):
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
    siblings
        int64 (bands, n, 6): boxes of bands of the same level already coded.
    """

    around: Array
    hints: Array
    links: Array
    bands: Array
    siblings: Array


@compiled
def code_slices(
    coder: Coder, statistics: BandStatistics, integers: Array, known: FieldContext, contexts: Places
) -> None:
    """Code slice after slice, variable after variable.

    As in `fast_coder.code_slices`, places follow from shapes and recipes alone; links point to earlier slices or are -1.
    """
    around, hints, bands = known.around, known.hints, known.bands
    blank, most = np.zeros(integers.shape[2:], np.int32), 1
    for b in range(bands.shape[0]):
        ny, nx = bands[b, field.END_Y] - bands[b, field.FIRST_Y], bands[b, field.END_X] - bands[b, field.FIRST_X]
        most = max(most, (bands[b, field.END_Z] - bands[b, field.FIRST_Z]) * ny * nx)
    scratch = np.empty(most * SHEET, np.int32), np.empty(most, np.int32), np.empty(most, np.int32)
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
            there = (nearest >= 0, second >= 0 and hints.size == 0, variable > 0)
            views = Views(integers[number, variable], around[number, variable], ahead, side, others, there)
            code_variable(coder, statistics, views, known, number, contexts, scratch)


@compiled
def code_variable(
    coder: Coder, statistics: BandStatistics, views: Views, known: FieldContext, number: Integer, contexts: Places,
    scratch: tuple[Array, Array, Array],
) -> None:  # fmt: skip
    """Code all bands of one slice (its `number`) of one variable; see `contexts.band_sheet` for `scratch`."""
    (registers, data), there = coder, views.there
    for b in range(known.bands.shape[0]):
        band = known.bands[b]
        wanted = any_nonzero(views.values, band) if registers[ENCODING] else 0
        flag = (band[field.KIND] * 2 + any_nonzero(views.nearest, band)) * 2 + any_nonzero(views.beside, band)
        if code_simply(registers, data, statistics.empty, flag, wanted):
            band[field.BAND_CLASS] = min(15, 2 * bit_length(number)) * 4 + band[field.KIND] % 4
            band[field.HAS_SECOND] = there[1]
            near = band[field.OWN_WEIGHT] + 2 * there[0] + there[1] + 2 * there[2] + band[field.HAS_PARENT]
            band[field.TOTAL_SCALE] = (1 << 16) // near + 1
            siblings = known.siblings[b, : band[field.SIBLINGS]]
            sheet = band_sheet(views, band, siblings, len(contexts) > 3, scratch)
            code_band(coder, statistics, views, sheet, band, contexts)
            means(views.values, band, views.own)
