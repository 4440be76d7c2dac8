"""Code all integers of a field fast, slice by slice, variable by variable and band by band, or read them back."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from baler_core.builtin.models.fields.transform import band_fields as field
from baler_core.builtin.models.fields.transform.band_fields import FieldStructure, describe_bands
from baler_core.builtin.models.fields.transform.contexts import RUNS, SHORTEST_RUN
from baler_core.builtin.models.fields.transform.fast_bands import (
    CONTEXT_SETS,
    FLAG_PLACES,
    KINDS,
    BandContexts,
    FieldArrays,
    decode_band,
    encode_band,
)
from baler_core.builtin.models.fields.transform.fast_geometry import (
    band_geometry,
    clear_near,
    fill_all_near,
    fill_base,
    smooth_all,
)
from baler_core.builtin.models.fields.transform.fast_neighbourhood import SIGN_CONTEXTS
from baler_core.builtin.models.fields.transform.neighbourhood import hinted_context_set, means
from baler_core.entropy.magnitudes import bit_length, code_simply
from baler_core.entropy.symbols import FLAGS, Stream
from baler_core.machine.compiled import Array, Integer, compiled, inlined


class FastFieldContext(NamedTuple):
    """What is known of all slices.

    Attributes
    ----------
    bands
        int64 (bands, BAND_FIELDS).
    links
        int64 (slices, 2): the nearest and the second nearest slice, or -1.
    nonzero
        uint8 (slices * variables + 1, bands), filled in: which bands have anything; none in the last row.
    shape
        int64 (3,) of a slice.
    variables
        How many variables.
    constant
        Where `FieldArrays.context_sets` has a row for each set.
    part
        0 for coefficients, 1 for corrections: which contexts and flags serve.
    """

    bands: Array
    links: Array
    nonzero: Array
    shape: Array
    variables: Integer
    constant: Integer
    part: Integer


def code_fast(stream: Stream, part: int, integers: np.ndarray, structure: FieldStructure, *, encoding: bool) -> None:
    """Collect or read (in place, zeros at first) all integers of a field; see `coder.code_integers`.

    Parameters
    ----------
    part
        0 for coefficients, 1 for corrections: which contexts and flags serve.
    integers
        int32 (slices, variables, z, y, x), C order.
    """
    fields, _ = describe_bands(structure.bands)
    hint = structure.hint
    fields[:, field.HINTED] = hint is not None
    slices, variables, *space = integers.shape
    points = int(np.prod(space))
    context_sets = _context_sets(hint, fields[0], space[2])
    arrays = FieldArrays(
        integers.reshape(-1),
        np.zeros((slices * variables + 1) * points, np.int32),
        context_sets,
        np.zeros((space[0] + 3) * (space[1] + 3) * (space[2] + 2) + 64, np.int32),
        np.zeros(points, np.int32),
    )
    pairs = np.array([(link.nearest, link.second) for link in structure.links], np.int64).reshape(-1, 2)
    if hint is not None:
        pairs[:, 1] = -1
    nonzero = np.zeros((slices * variables + 1, len(fields)), np.uint8)
    constant = context_sets.size - CONTEXT_SETS * space[2]
    known = FastFieldContext(fields, pairs, nonzero, np.array(space, np.int64), variables, constant, part)
    code_slices(stream, int(encoding), arrays, known)


def _context_sets(hint: np.ndarray | None, whole: np.ndarray, nx: int) -> np.ndarray:
    """Make `FieldArrays.context_sets`."""
    rows = np.repeat(np.arange(CONTEXT_SETS), nx).astype(np.uint8)
    if hint is None:
        return rows
    found = np.zeros(hint.shape, np.int32)
    for variable in range(len(hint)):
        means(hint[variable], whole, found[variable])
    chosen = np.empty(found.size, np.uint8)
    find_context_sets(found.reshape(-1), chosen)
    return np.concatenate([chosen, rows])


def most_flags(integers: np.ndarray, bands: int) -> int:
    """Bound the number of flags of a field: one for each band, and one for each of the shortest runs."""
    return integers.shape[0] * integers.shape[1] * bands + integers.size // SHORTEST_RUN


@compiled
def find_context_sets(found: Array, chosen: Array) -> None:
    """Choose the context set of each place by its hint."""
    for place in range(found.size):
        chosen[place] = hinted_context_set(found[place])


@compiled
def code_slices(stream: Stream, encoding: Integer, arrays: FieldArrays, known: FastFieldContext) -> None:
    """Code slice after slice, variable after variable.

    Bands and links follow from shapes and recipes, which are checked when they are read: the values of a stream
    decide which bands and runs are passed over, and nothing about where they lie.
    """
    variables, blank = known.variables, known.links.shape[0] * known.variables
    for number in range(known.links.shape[0]):
        nearest, second = known.links[number, 0], known.links[number, 1]
        for variable in range(variables):
            own = number * variables + variable
            ahead = nearest * variables + variable if nearest >= 0 else blank
            other = second * variables + variable if second >= 0 else blank
            code_slice(stream, encoding, arrays, known, (own, ahead, other, own - 1 if variable > 0 else blank))


@compiled
def code_slice(
    stream: Stream,
    encoding: Integer,
    arrays: FieldArrays,
    known: FastFieldContext,
    slices: tuple[Integer, Integer, Integer, Integer],
) -> None:
    """Code the bands of one slice of one variable.

    `slices` are the numbers of the slice itself, the nearest, the second nearest and that of the variable before, or that
    of the blank one.
    """
    own, ahead, other, beside = slices
    bands, nonzero, shape = known.bands, known.nonzero, known.shape
    points, blank = shape[0] * shape[1] * shape[2], nonzero.shape[0] - 1
    for b in range(bands.shape[0]):
        band = bands[b]
        flag = known.part * FLAG_PLACES + (band[field.KIND] * 2 + nonzero[ahead, b]) * 2 + nonzero[beside, b]
        if encoding:
            nonzero[own, b] = any_nonzero_in_box(arrays.values, band, own * points, shape)
            stream.flags[stream.ends[FLAGS]] = 2 * flag + nonzero[own, b]
            stream.ends[FLAGS] += 1
        else:
            nonzero[own, b] = code_simply(stream.registers, stream.data, stream.counters, flag, 0)
        if nonzero[own, b] == 0:
            continue
        there = band[field.OWN_WEIGHT] + 2 * (ahead < blank) + (other < blank) + 2 * (beside < blank)
        band[field.TOTAL_SCALE] = (1 << 16) // (there + band[field.HAS_PARENT]) + 1
        geometry = band_geometry(band, shape, own * points, ahead * points, other * points, beside * points)
        contexts = band_contexts(band, known, own, ahead < blank)
        clear_near(arrays.near, geometry)
        fill_base(arrays.base, arrays.around, geometry, band[field.SHIFT_Z : field.SHIFT_X + 1])
        if encoding:
            fill_all_near(arrays.near, arrays.values, geometry)
            encode_band(stream, arrays, geometry, contexts)
        else:
            decode_band(stream, arrays, geometry, contexts)
        smooth_all(arrays.near, arrays.around, geometry)


@inlined
def band_contexts(band: Array, known: FastFieldContext, own: Integer, ahead: Integer) -> BandContexts:
    """Choose the contexts of a band of slice `own`; `ahead` is whether there is a slice before."""
    points, variable = known.shape[0] * known.shape[1] * known.shape[2], own % known.variables
    number = own // known.variables
    place = min(15, 2 * bit_length(number)) * 4 + band[field.KIND] % 4
    constant = known.constant + known.shape[2] * band[field.CONTEXT_SET]
    return BandContexts(
        variable * points if band[field.HINTED] else constant,
        band[field.HINTED],
        known.part * CONTEXT_SETS,
        known.part * FLAG_PLACES + RUNS + place * 4 - 4,
        (known.part * KINDS + band[field.SIGN_KIND]) * SIGN_CONTEXTS,
        np.int64(ahead),
    )


@compiled
def any_nonzero_in_box(values: Array, band: Array, first: Integer, shape: Array) -> Integer:
    """Return 1 if any integer of a band of the slice that begins at `first` differs from zero."""
    for z in range(band[field.FIRST_Z], band[field.END_Z]):
        for y in range(band[field.FIRST_Y], band[field.END_Y]):
            row = first + (z * shape[1] + y) * shape[2]
            for x in range(row + band[field.FIRST_X], row + band[field.END_X]):
                if values[x]:
                    return 1
    return 0
