"""Codes the integers of one band: each coefficient's bits with probabilities from the coefficients already known.

What is known: neighbours in the band, the same place in up to three reference slices (earlier modes or frames, another
variable), in the parent band and in the bands of the same level. Only magnitudes of coded integers enter, so that a
decoder finds the same probabilities whatever its floating point does.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from baler_core.arithmetic import code_bit
from baler_core.compiled import compiled
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

    counters: np.ndarray[Any, Any]
    signs: np.ndarray[Any, Any]
    empty: np.ndarray[Any, Any]
    weights: np.ndarray[Any, Any]


def new_memory() -> Memory:
    """Counters and weights before anything is coded; the first context starts from geometric distributions."""
    counters = new_counters(int(OFFSETS[-1]))
    _start_geometric(counters)
    weights = np.full((NODES + 4 * _SETS, INPUTS), WEIGHT_ONE // 6, np.int64)
    weights[:, 0] = WEIGHT_ONE * 6 // 10
    return Memory(counters, new_counters(_SIGNS * 4), new_counters(64 * 8), weights)


def _start_geometric(counters: np.ndarray[Any, Any]) -> None:
    """For each bin of expected magnitude m: P(|q| >= t) = (m / (1 + m))^t; only exactly rounded operations."""
    for bin_number in range(_BINS):
        ratio = _bin_centre(bin_number) / 16
        tail = ratio / (1 + ratio)
        for length in range(LENGTHS):
            # P(more than `length` bits | at least `length` bits) is tail^(2^length) / tail^(2^(length - 1))
            probability = tail if length == 0 else tail ** (1 << (length - 1)) if length < 10 else 0.0
            first = int(min(max(probability, 1 / 4096), 1 - 1 / 4096) * (1 << 22))
            for family in range(4):
                counters[(family * _BINS + bin_number) * NODES + length] = (first << 10) | 6


def _bin_centre(bin_number: int) -> float:
    """The middle of the sums that `logarithmic` maps to a bin."""
    if bin_number < 8:
        return bin_number + 0.25
    return (4 + bin_number % 4 + 0.5) * 2.0 ** (bin_number // 4 - 1)


@compiled
def bit_length(number: int) -> int:
    """Number of bits of a number >= 0."""
    length = 0
    while number > 0:
        number >>= 1
        length += 1
    return length


@compiled
def logarithmic(number: int) -> int:
    """A number >= 0 in quarter octaves: 0 .. 7 as they are, then four steps per doubling, at most 63."""
    if number < 8:
        return number
    length = bit_length(number)
    return min(63, 4 * (length - 2) + ((number >> (length - 3)) & 3))


@compiled
def at(values: np.ndarray[Any, Any], z: int, y: int, x: int, box: np.ndarray[Any, Any]) -> int:
    """Magnitude at a place, 0 outside the box (first z, y, x; end z, y, x)."""
    if z < box[0] or y < box[1] or x < box[2] or z >= box[3] or y >= box[4] or x >= box[5]:
        return 0
    return abs(np.int64(values[z, y, x]))


@compiled
def around(values: np.ndarray[Any, Any], z: int, y: int, x: int, box: np.ndarray[Any, Any]) -> int:
    """16 x the weighted mean magnitude about a place of an entirely known slice."""
    edge = at(values, z, y, x - 1, box) + at(values, z, y, x + 1, box)
    weight = 12
    if box[4] - box[1] > 1:
        edge += at(values, z, y - 1, x, box) + at(values, z, y + 1, x, box)
        weight += 4
    if box[3] - box[0] > 1:
        edge += at(values, z - 1, y, x, box) + at(values, z + 1, y, x, box)
        weight += 4
    return (16 * (8 * at(values, z, y, x, box) + 2 * edge)) // weight


@compiled
def behind(values: np.ndarray[Any, Any], z: int, y: int, x: int, box: np.ndarray[Any, Any]) -> int:
    """16 x the weighted mean magnitude of the neighbours already coded, in order of z, y, x."""
    total = 4 * at(values, z, y, x - 1, box) + 2 * at(values, z, y, x - 2, box)
    weight = 6
    if box[4] - box[1] > 1:
        total += 4 * at(values, z, y - 1, x, box) + at(values, z, y - 2, x, box)
        total += 2 * (at(values, z, y - 1, x - 1, box) + at(values, z, y - 1, x + 1, box))
        weight += 9
    if box[3] - box[0] > 1:
        total += 4 * at(values, z - 1, y, x, box) + at(values, z - 2, y, x, box)
        total += at(values, z - 1, y - 1, x, box) + at(values, z - 1, y + 1, x, box)
        total += at(values, z - 1, y, x - 1, box) + at(values, z - 1, y, x + 1, box)
        weight += 9
    return (16 * total) // weight


@compiled
def code_node(
    registers: np.ndarray[Any, Any],
    data: np.ndarray[Any, Any],
    counters: np.ndarray[Any, Any],
    weights: np.ndarray[Any, Any],
    places: np.ndarray[Any, Any],
    inputs: np.ndarray[Any, Any],
    node: int,
    chosen: int,
    bit: int,
) -> int:
    """One bit of the tree: mix what the contexts say, code, and learn from it."""
    for i in range(_CONTEXTS):
        counter = counters[places[i] + node]
        inputs[i] = stretch(np.int64(counter) >> 16)
    inputs[_CONTEXTS] = 256
    other = NODES + chosen * 4 + min(node, 3)
    first = dot(weights, node, inputs, INPUTS)
    second = dot(weights, other, inputs, INPUTS)
    probability = squash((first + second) >> 1)
    bit = code_bit(registers, data, bit, probability)
    target = 65535 if bit else 0
    learn_weights(weights, node, inputs, INPUTS, target - squash(first), 24)
    learn_weights(weights, other, inputs, INPUTS, target - squash(second), 24)
    for i in range(_CONTEXTS):
        learn_counter(counters, places[i] + node, bit, 250 if i == 0 else 160)
    return bit


@compiled
def code_magnitude(
    registers: np.ndarray[Any, Any],
    data: np.ndarray[Any, Any],
    counters: np.ndarray[Any, Any],
    weights: np.ndarray[Any, Any],
    places: np.ndarray[Any, Any],
    inputs: np.ndarray[Any, Any],
    chosen: int,
    magnitude: int,
) -> int:
    """A magnitude below 2^31: its length in unary, then its bits, the first two of them modelled."""
    wanted = bit_length(magnitude)
    length = 0
    while length < LENGTHS - 1:
        bit = 1 if wanted > length else 0
        if code_node(registers, data, counters, weights, places, inputs, length, chosen, bit) == 0:
            break
        length += 1
    if length <= 1:
        return length
    value = 1
    node = LENGTHS + 3 * length
    for i in range(length - 1):
        bit = (magnitude >> (length - 2 - i)) & 1
        if i < 2:
            bit = code_node(registers, data, counters, weights, places, inputs, node, chosen, bit)
            node += 1 + bit
        else:
            bit = code_bit(registers, data, bit, 32768)
        value = (value << 1) | bit
    return value


@compiled
def sign_of(values: np.ndarray[Any, Any], z: int, y: int, x: int, box: np.ndarray[Any, Any]) -> int:
    """0, 1 or 2 for a zero (or nothing), positive or negative neighbour."""
    if z < box[0] or y < box[1] or x < box[2] or z >= box[3] or y >= box[4] or x >= box[5]:
        return 0
    value = values[z, y, x]
    return 0 if value == 0 else 1 if value > 0 else 2


@compiled
def code_band(
    registers: np.ndarray[Any, Any],
    data: np.ndarray[Any, Any],
    counters: np.ndarray[Any, Any],
    signs: np.ndarray[Any, Any],
    weights: np.ndarray[Any, Any],
    values: np.ndarray[Any, Any],
    references: np.ndarray[Any, Any],
    known: np.ndarray[Any, Any],
    band: np.ndarray[Any, Any],
    cousins: np.ndarray[Any, Any],
) -> None:
    """Write or read all integers of a band, in order of z, y, x.

    Parameters
    ----------
    values
        int32 (z, y, x), the whole slice; the band's part is read (encoder) or filled in (decoder).
    references, known
        int32 (3, z, y, x), other slices already coded, and which of the three there are.
    band
        Box of the band (6), box of its parent (6), shift from band to parent places (3), whether there is a parent,
        family (0 .. 3), place context (0 .. 63).
    cousins
        int64 (n, 3): first z, y, x of bands of the same level and size already coded.
    """
    places = np.zeros(_CONTEXTS, np.int64)
    inputs = np.zeros(INPUTS, np.int64)
    box = band[:6]
    parent_box = band[6:12]
    family = band[16]
    ranks = (box[3] - box[0] > 1) + (box[4] - box[1] > 1)
    for z in range(box[0], box[3]):
        for y in range(box[1], box[4]):
            for x in range(box[2], box[5]):
                local = behind(values, z, y, x, box)
                total = local * (2 + ranks)
                weight = 2 + ranks
                first = second = third = parent = sibling = 0
                if known[0]:
                    first = around(references[0], z, y, x, box)
                    total += 2 * first
                    weight += 2
                if known[1]:
                    second = around(references[1], z, y, x, box)
                if known[1] == 1:
                    total += second
                    weight += 1
                if known[2]:
                    third = around(references[2], z, y, x, box)
                    total += 2 * third
                    weight += 2
                if band[15]:
                    pz = parent_box[0] + ((z - box[0]) >> band[12])
                    py = parent_box[1] + ((y - box[1]) >> band[13])
                    px = parent_box[2] + ((x - box[2]) >> band[14])
                    parent = around(values, pz, py, px, parent_box)
                    total += (parent * 7) >> 4
                    weight += 1
                for c in range(cousins.shape[0]):
                    cz = min(cousins[c, 0] + z - box[0], cousins[c, 3] - 1)
                    cy = min(cousins[c, 1] + y - box[1], cousins[c, 4] - 1)
                    cx = min(cousins[c, 2] + x - box[2], cousins[c, 5] - 1)
                    sibling += abs(np.int64(values[cz, cy, cx])) * 16
                bin_number = logarithmic(total // weight)
                west = at(values, z, y, x - 1, box)
                north = at(values, z, y - 1, x, box) if box[4] - box[1] > 1 else at(values, z, y, x - 2, box)
                diagonal = at(values, z, y - 1, x - 1, box) + at(values, z, y - 1, x + 1, box)
                if box[3] - box[0] > 1:
                    diagonal += at(values, z - 1, y, x, box)
                ahead = abs(np.int64(references[0, z, y, x])) if known[0] else 0
                beside = abs(np.int64(references[2, z, y, x])) if known[2] else 0
                near = min(west, 3) * 4 + min(north, 3)
                near = ((near * 3 + min(diagonal, 2)) * 3 + min(ahead, 2)) * 3 + min(beside, 2)
                places[0] = family * _BINS + bin_number
                places[1] = (logarithmic(local) >> 1) * 32 + (logarithmic(first) >> 1)
                places[2] = (logarithmic(parent) >> 1) * 32 + (logarithmic(sibling) >> 1)
                places[3] = near
                places[4] = (logarithmic(first + second) >> 1) * 32 + (logarithmic(third) >> 1)
                places[5] = band[17] * 32 + (bin_number >> 1)
                places[6] = (logarithmic(local + first) >> 1) * 32 + (logarithmic(parent + sibling) >> 1)
                for i in range(_CONTEXTS):
                    places[i] = OFFSETS[i] + places[i] * NODES
                value = np.int64(values[z, y, x])
                magnitude = code_magnitude(
                    registers, data, counters, weights, places, inputs, family * _BINS + bin_number, abs(value)
                )
                if magnitude:
                    negative = 1 if value < 0 else 0
                    place = sign_of(values, z, y, x - 1, box) * 3 + sign_of(values, z, y - 1, x, box)
                    place = place * 3 + (sign_of(references[0], z, y, x, box) if known[0] else 0)
                    place = place * 3 + (sign_of(references[2], z, y, x, box) if known[2] else 0)
                    place = place * 3 + (sign_of(values, z - 1, y, x, box))
                    place = place * 4 + family
                    probability = max(64, min(65472, np.int64(signs[place]) >> 16))
                    negative = code_bit(registers, data, negative, probability)
                    learn_counter(signs, place, negative, 500)
                    values[z, y, x] = -magnitude if negative else magnitude
                else:
                    values[z, y, x] = 0


@compiled
def code_flag(
    registers: np.ndarray[Any, Any], data: np.ndarray[Any, Any], flags: np.ndarray[Any, Any], place: int, bit: int
) -> int:
    """One adaptive bit, such as whether a band has anything but zeros."""
    probability = max(64, min(65472, np.int64(flags[place]) >> 16))
    bit = code_bit(registers, data, bit, probability)
    learn_counter(flags, place, bit, 60)
    return bit
