"""Codes the integers of one band: each coefficient's bits with probabilities from the coefficients already known.

What is known: neighbours in the band, the same place in up to three reference slices (earlier modes or frames, another
variable), in the parent band and in the bands of the same level. Only magnitudes of coded integers enter, so that a
decoder finds the same probabilities whatever its floating point does.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from baler_core.arithmetic import code_bit
from baler_core.compiled import Array, Integer, compiled
from baler_core.mixing import WEIGHT_ONE, dot, learn_counter, learn_weights, new_counters, squash, stretch

# Nodes of the binary tree that spells a magnitude: 32 for its length in bits, then three for each length.
LENGTHS = 32
NODES = LENGTHS * 4
INPUTS = 8
_CONTEXTS = 7
_BINS = 64
_SHAPES = (4 * _BINS, 32 * 32, 32 * 32, 4 * 4 * 3 * 3 * 3, 32 * 32, 64 * 32, 32 * 32)
OFFSETS = np.concatenate([[0], np.cumsum(_SHAPES)]).astype(np.int64) * NODES
_SIGNS = 3**5
_SETS = 4 * _BINS
# Fields of the description of a band that `code_band` takes; see `bands.describe`.
BAND_FIELDS = 24


class Memory(NamedTuple):
    """What adapts while bands are coded: one per independently decodable part.

    Attributes
    ----------
    counters, signs, empty
        uint32 adaptive probabilities of magnitudes, of signs, and of whole bands being zero.
    weights
        int64 weights of the two mixers, chosen by node and by expected magnitude.
    """

    counters: Array
    signs: Array
    empty: Array
    weights: Array


def new_memory() -> Memory:
    """Counters and weights before anything is coded; the first context starts from geometric distributions."""
    counters = _first_counters().copy()
    weights = np.full((NODES + 4 * _SETS, INPUTS), WEIGHT_ONE // 6, np.int64)
    weights[:, 0] = WEIGHT_ONE * 6 // 10
    return Memory(counters, new_counters(_SIGNS * 4), new_counters(64 * 8), weights)


@functools.cache
def _first_counters() -> Array:
    """For each bin of expected magnitude m: P(|q| >= t) = (m / (1 + m))^t; only exactly rounded operations."""
    counters = new_counters(int(OFFSETS[-1]) + 64)
    for bin_number in range(_BINS):
        ratio = _bin_centre(bin_number) / 16
        tail = ratio / (1 + ratio)
        for length in range(LENGTHS):
            # P(more than `length` bits | at least `length` bits) is tail^(2^length) / tail^(2^(length - 1))
            probability = tail if length == 0 else tail ** (1 << (length - 1)) if length < 10 else 0.0
            first = int(min(max(probability, 1 / 4096), 1 - 1 / 4096) * (1 << 22))
            for family in range(4):
                counters[(family * _BINS + bin_number) * NODES + length] = (first << 10) | 6
    counters.setflags(write=False)
    return counters


def _bin_centre(bin_number: int) -> float:
    """The middle of the sums that `logarithmic` maps to a bin."""
    if bin_number < 8:
        return bin_number + 0.25
    return (4 + bin_number % 4 + 0.5) * 2.0 ** (bin_number // 4 - 1)


@compiled
def bit_length(number: Integer) -> Integer:
    """Number of bits of a number >= 0."""
    length = 0
    while number > 0:
        number >>= 1
        length += 1
    return length


@compiled
def logarithmic(number: Integer) -> Integer:
    """A number >= 0 in quarter octaves: 0 .. 7 as they are, then four steps per doubling, at most 63."""
    if number < 8:
        return number
    length = bit_length(number)
    return min(63, 4 * (length - 2) + ((number >> (length - 3)) & 3))


@compiled
def means(values: Array, box: Array, out: Array) -> None:
    """16 x the weighted mean magnitude about each place of a box of a known slice, into the start of `out`."""
    deep, high = box[3] - box[0] > 1, box[4] - box[1] > 1
    weight = 12 + (4 if high else 0) + (4 if deep else 0)
    for z in range(box[0], box[3]):
        for y in range(box[1], box[4]):
            for x in range(box[2], box[5]):
                edge = np.int64(0)
                if x > box[2]:
                    edge += abs(np.int64(values[z, y, x - 1]))
                if x + 1 < box[5]:
                    edge += abs(np.int64(values[z, y, x + 1]))
                if y > box[1]:
                    edge += abs(np.int64(values[z, y - 1, x]))
                if y + 1 < box[4]:
                    edge += abs(np.int64(values[z, y + 1, x]))
                if z > box[0]:
                    edge += abs(np.int64(values[z - 1, y, x]))
                if z + 1 < box[3]:
                    edge += abs(np.int64(values[z + 1, y, x]))
                total = 16 * (8 * abs(np.int64(values[z, y, x])) + 2 * edge)
                out[z - box[0], y - box[1], x - box[2]] = min(total // weight, 1 << 30)


@compiled
def spread(coarse: Array, band: Array, out: Array) -> None:
    """The means of the parent band at each place of a band."""
    for z in range(band[3] - band[0]):
        for y in range(band[4] - band[1]):
            for x in range(band[5] - band[2]):
                pz = min(z >> band[12], coarse.shape[0] - 1)
                py = min(y >> band[13], coarse.shape[1] - 1)
                px = min(x >> band[14], coarse.shape[2] - 1)
                out[z, y, x] = coarse[pz, py, px]


@compiled
def add_cousins(values: Array, band: Array, cousins: Array, out: Array) -> None:
    """16 x the sum of magnitudes at the same place of other bands of the level."""
    for z in range(band[3] - band[0]):
        for y in range(band[4] - band[1]):
            for x in range(band[5] - band[2]):
                total = np.int64(0)
                for c in range(cousins.shape[0]):
                    cz = min(cousins[c, 0] + z, cousins[c, 3] - 1)
                    cy = min(cousins[c, 1] + y, cousins[c, 4] - 1)
                    cx = min(cousins[c, 2] + x, cousins[c, 5] - 1)
                    total += abs(np.int64(values[cz, cy, cx]))
                out[z, y, x] = min(total * 16, 1 << 30)


@compiled
def behind(near: Array, z: Integer, y: Integer, x: Integer, high: Integer, deep: Integer) -> Integer:
    """16 x the weighted mean magnitude of the neighbours already coded; `near` has a margin of 2 zeros."""
    total = 4 * near[z, y, x - 1] + 2 * near[z, y, x - 2]
    weight = 6
    if high:
        total += 4 * near[z, y - 1, x] + near[z, y - 2, x] + 2 * (near[z, y - 1, x - 1] + near[z, y - 1, x + 1])
        weight += 9
    if deep:
        total += 4 * near[z - 1, y, x] + near[z - 2, y, x] + near[z - 1, y - 1, x] + near[z - 1, y + 1, x]
        total += near[z - 1, y, x - 1] + near[z - 1, y, x + 1]
        weight += 9
    return (16 * total) // weight


@compiled
def code_node(
    registers: Array,
    data: Array,
    counters: Array,
    weights: Array,
    places: Array,
    inputs: Array,
    node: Integer,
    chosen: Integer,
    bit: Integer,
) -> Integer:
    """One bit of the tree: mix what the contexts say, code, and learn from it."""
    for i in range(_CONTEXTS):
        inputs[i] = stretch(np.int64(counters[places[i] + node]) >> 16)
    inputs[_CONTEXTS] = 256
    other = NODES + chosen * 4 + min(node, 3)
    first = dot(weights, node, inputs, INPUTS)
    second = dot(weights, other, inputs, INPUTS)
    bit = code_bit(registers, data, bit, squash((first + second) >> 1))
    target = 65535 if bit else 0
    learn_weights(weights, node, inputs, INPUTS, target - squash(first), 24)
    learn_weights(weights, other, inputs, INPUTS, target - squash(second), 24)
    for i in range(_CONTEXTS):
        learn_counter(counters, places[i] + node, bit, 250 if i == 0 else 160)
    return bit


@compiled
def code_simply(registers: Array, data: Array, counters: Array, place: Integer, bit: Integer) -> Integer:
    """One bit by one counter alone."""
    probability = max(16, min(65520, np.int64(counters[place]) >> 16))
    bit = code_bit(registers, data, bit, probability)
    learn_counter(counters, place, bit, 400)
    return bit


@compiled
def code_magnitude(
    registers: Array,
    data: Array,
    counters: Array,
    weights: Array,
    places: Array,
    inputs: Array,
    chosen: Integer,
    mixed: Integer,
    magnitude: Integer,
    length: Integer,
) -> Integer:
    """A magnitude below 2^31: its length in unary, then its bits, the first two of them modelled.

    `mixed` false codes every bit by the first context alone; `length` is 1 if the magnitude is known not to be 0, else 0.
    """
    wanted = bit_length(magnitude)
    while length < LENGTHS - 1:
        bit = 1 if wanted > length else 0
        if mixed:
            bit = code_node(registers, data, counters, weights, places, inputs, length, chosen, bit)
        else:
            bit = code_simply(registers, data, counters, places[0] + length, bit)
        if bit == 0:
            break
        length += 1
    if length <= 1:
        return length
    value = 1
    node = LENGTHS + 3 * length
    for i in range(length - 1):
        bit = (magnitude >> (length - 2 - i)) & 1
        if i >= 2:
            bit = code_bit(registers, data, bit, 32768)
        else:
            if mixed:
                bit = code_node(registers, data, counters, weights, places, inputs, node, chosen, bit)
            else:
                bit = code_simply(registers, data, counters, places[0] + node, bit)
            node += 1 + bit
        value = (value << 1) | bit
    return value


@compiled
def sign_of(values: Array, z: Integer, y: Integer, x: Integer, box: Array) -> Integer:
    """0, 1 or 2 for a zero (or nothing), positive or negative neighbour."""
    if z < box[0] or y < box[1] or x < box[2]:
        return 0
    value = values[z, y, x]
    return 0 if value == 0 else 1 if value > 0 else 2


@compiled
def code_sign(
    registers: Array,
    data: Array,
    signs: Array,
    values: Array,
    references: Array,
    known: Array,
    box: Array,
    family: Integer,
    z: Integer,
    y: Integer,
    x: Integer,
    negative: Integer,
) -> Integer:
    """The sign of one coefficient, in the context of the signs about it."""
    place = sign_of(values, z, y, x - 1, box) * 3 + sign_of(values, z, y - 1, x, box)
    place = place * 3 + sign_of(values, z - 1, y, x, box)
    place = place * 3 + (sign_of(references[0], z, y, x, box) if known[0] else 0)
    place = place * 3 + (sign_of(references[2], z, y, x, box) if known[2] else 0)
    return code_simply(registers, data, signs, place * 4 + family, negative)


@compiled
def find_places(
    places: Array,
    known: Array,
    band: Array,
    local: Integer,
    west: Integer,
    north: Integer,
    diagonal: Integer,
    ahead: Integer,
    beside: Integer,
    first: Integer,
    second: Integer,
    third: Integer,
    parent: Integer,
    sibling: Integer,
    bin_number: Integer,
) -> None:
    """Where each context keeps its counters."""
    near = min(west, 3) * 4 + min(north, 3)
    near = ((near * 3 + min(diagonal, 2)) * 3 + min(ahead, 2)) * 3 + min(beside, 2)
    places[0] = band[16] * _BINS + bin_number
    places[1] = (logarithmic(local) >> 1) * 32 + (logarithmic(first) >> 1)
    places[2] = (logarithmic(parent) >> 1) * 32 + (logarithmic(sibling) >> 1)
    places[3] = near
    places[4] = (logarithmic(first + second) >> 1) * 32 + (logarithmic(third) >> 1)
    places[5] = band[17] * 32 + (bin_number >> 1)
    places[6] = (logarithmic(local + first) >> 1) * 32 + (logarithmic(parent + sibling) >> 1)
    for i in range(_CONTEXTS):
        places[i] = OFFSETS[i] + places[i] * NODES


@compiled
def code_band(
    registers: Array,
    data: Array,
    counters: Array,
    signs: Array,
    weights: Array,
    values: Array,
    references: Array,
    known: Array,
    band: Array,
    cousins: Array,
    mixed: Integer,
) -> None:
    """Write or read all integers of a band, in order of z, y, x.

    Parameters
    ----------
    values
        int32 (z, y, x), the whole slice; the band's part is read (encoder) or filled in (decoder).
    references, known
        int32 (3, z, y, x), other slices already coded, and which of the three there are: 0 absent, 1 alike in size, 2 as
        a context only.
    band
        Box of the band (6), box of its parent (6), shift from band to parent places (3), whether there is a parent,
        family (0 .. 3), place context (0 .. 63).
    cousins
        int64 (n, 6): boxes of bands of the same level already coded.
    mixed
        Whether contexts are mixed, or only the expected magnitude tells.
    """
    box = band[:6]
    family = band[16]
    nz, ny, nx = box[3] - box[0], box[4] - box[1], box[5] - box[2]
    high, deep = 1 if ny > 1 else 0, 1 if nz > 1 else 0
    near = np.zeros((nz + 2 * 2 * deep, ny + 4, nx + 4), np.int64)
    about = np.zeros((5, nz, ny, nx), np.int64)
    for r in range(3):
        if known[r]:
            means(references[r], box, about[r])
    if band[15]:
        parent_box = band[6:12]
        coarse = np.zeros(
            (parent_box[3] - parent_box[0], parent_box[4] - parent_box[1], parent_box[5] - parent_box[2]), np.int64
        )
        means(values, parent_box, coarse)
        spread(coarse, band, about[3])
    if cousins.shape[0]:
        add_cousins(values, band, cousins, about[4])
    places = np.zeros(_CONTEXTS, np.int64)
    inputs = np.zeros(INPUTS, np.int64)
    weight = 2 + high + deep + 2 * (known[0] > 0) + (known[1] == 1) + 2 * (known[2] > 0) + band[15]
    lone = OFFSETS[_CONTEXTS] + band[17]
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                za, ya, xa = z + box[0], y + box[1], x + box[2]
                zn, yn, xn = z + 2 * deep, y + 2, x + 2
                local = behind(near, zn, yn, xn, high, deep)
                first, second, third = about[0, z, y, x], about[1, z, y, x], about[2, z, y, x]
                parent, sibling = about[3, z, y, x], about[4, z, y, x]
                value = np.int64(values[za, ya, xa])
                alone = local + first + second + third + parent + sibling == 0
                if alone and code_simply(registers, data, counters, lone, 1 if value else 0) == 0:
                    values[za, ya, xa] = 0
                    continue
                total = local * (2 + high + deep) + 2 * first + 2 * third + ((parent * 7) >> 4)
                if known[1] == 1:
                    total += second
                bin_number = logarithmic(total // weight)
                north = near[zn, yn - 1, xn] if high else near[zn, yn, xn - 2]
                diagonal = near[zn, yn - 1, xn - 1] + near[zn, yn - 1, xn + 1]
                if deep:
                    diagonal += near[zn - 1, yn, xn]
                ahead = abs(np.int64(references[0, za, ya, xa])) if known[0] else 0
                beside = abs(np.int64(references[2, za, ya, xa])) if known[2] else 0
                find_places(
                    places,
                    known,
                    band,
                    local,
                    near[zn, yn, xn - 1],
                    north,
                    diagonal,
                    ahead,
                    beside,
                    first,
                    second,
                    third,
                    parent,
                    sibling,
                    bin_number,
                )
                magnitude = code_magnitude(
                    registers,
                    data,
                    counters,
                    weights,
                    places,
                    inputs,
                    family * _BINS + bin_number,
                    mixed,
                    abs(value),
                    1 if alone else 0,
                )
                near[zn, yn, xn] = magnitude
                if magnitude:
                    negative = code_sign(
                        registers,
                        data,
                        signs,
                        values,
                        references,
                        known,
                        box,
                        family,
                        za,
                        ya,
                        xa,
                        1 if value < 0 else 0,
                    )
                    values[za, ya, xa] = -magnitude if negative else magnitude
                else:
                    values[za, ya, xa] = 0
