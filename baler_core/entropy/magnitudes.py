"""Code magnitudes of integers bit by bit, with probabilities mixed from several contexts.

A magnitude is spelt along a binary tree: how many bits it has, in unary, then its bits below the leading one. Each node
has a counter in each context; their probabilities are mixed (see `mixing`). Shared by the models of fields.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from baler_core.entropy.arithmetic import code_bit
from baler_core.entropy.mixing import WEIGHT_ONE, learn_counter, learned, new_counters, squash, stretch
from baler_core.machine.compiled import Array, Integer, inlined, place_of, with_item

# One number for each context that is mixed.
Places: TypeAlias = tuple[Integer, ...]


# Nodes of the binary tree: 32 for the length in bits, then three for each length. A length is at most 31, so that nodes
# are at most 32 + 3 * 31 + 2 = 127.
LENGTHS = 32
NODES = LENGTHS * 4
CONTEXTS = 7
INPUTS = CONTEXTS + 1
BINS = 64
SETS = 4 * BINS
# How fast weights learn.
_RATE = 24
# The last input, which is always the same.
_BIAS = (256,)
_TABLED = 1 << 12
_MASK = _TABLED - 1
_NUMBERS = np.arange(_TABLED)
BIT_LENGTHS = np.frexp(_NUMBERS)[1].astype(np.int8)
_QUARTERS = 4 * (BIT_LENGTHS - 2) + ((_NUMBERS >> np.maximum(BIT_LENGTHS - 3, 0)) & 3)
LOGARITHMS = np.where(_NUMBERS < 8, _NUMBERS, _QUARTERS).astype(np.int8)


def new_weights() -> Array:
    """Make weights of the two mixers, chosen by node and by expected magnitude, one mixer after the other.

    The first context counts most at first.
    """
    weights = np.full((NODES + 4 * SETS, INPUTS), WEIGHT_ONE // 6, np.int32)
    weights[:, 0] = WEIGHT_ONE * 6 // 10
    return weights.reshape(-1)


def first_counters(size: int) -> Array:
    """Return counters of which the first context, of 4 context sets and 64 bins, starts from geometric distributions.

    For a bin of expected magnitude m: P(|q| >= t) = (m / (1 + m))^t. Only exactly rounded operations are used.
    """
    counters = new_counters(size)
    ratios = np.array([_bin_centre(bin_number) for bin_number in range(BINS)]) / 16
    # P(more than n bits | at least n bits) is tail for n = 0 and tail^(2^(n - 1)) for others
    probabilities = tails = ratios / (1 + ratios)
    nodes = counters[: SETS * NODES].reshape(4, BINS, NODES)
    for length in range(LENGTHS):
        first = (np.clip(probabilities, 1 / 4096, 1 - 1 / 4096) * (1 << 22)).astype(np.uint32)
        nodes[:, :, length] = (first << 10) | 6
        probabilities = tails if length == 0 else probabilities * probabilities
    return counters


def _bin_centre(bin_number: int) -> float:
    """Return the middle of the sums that `logarithmic` maps to a bin."""
    if bin_number < 8:
        return bin_number + 0.25
    return (4 + bin_number % 4 + 0.5) * 2.0 ** (bin_number // 4 - 1)


@inlined
def bit_length(number: Integer) -> Integer:
    """Number of bits of a number >= 0; anything from 0 to 12 for others, as the mask keeps to the table whatever comes."""
    length = np.int64(0)
    while number >= _TABLED:
        number >>= 12
        length += 12
    return length + BIT_LENGTHS[number & _MASK]


@inlined
def logarithmic(number: Integer) -> Integer:
    """Return a number >= 0 in quarter octaves: 0 .. 7 as they are, then four steps per doubling, at most 63.

    Also of others, whatever they are, it makes a bin: the masks keep to the table, which goes up to 43.
    """
    if number < _TABLED:
        return np.int64(LOGARITHMS[number & _MASK])
    return np.int64(LOGARITHMS[(number >> 5) & _MASK]) + 20 if number < 32 * _TABLED else np.int64(BINS - 1)


@inlined
def code_node(
    registers: Array, data: Array, counters: Array, weights: Array,
    places: Places, node: Integer, chosen: Integer, bit: Integer,
) -> Integer:  # fmt: skip
    """Code one bit of the tree with the mixed probabilities of the counters at `places`, and learn from it.

    A place plus a node (below NODES) is one of the counters: contexts see to that. `chosen` is below SETS and not negative:
    a context set below 4 times BINS, plus a bin. Counters are 32 bits, so that `stretch` gets 16. Weights may wrap
    around, on both sides alike: what is made of them is kept within the reach of `squash`.
    """
    found = places
    for i in range(len(places)):
        # places are never negative, which the compiler knows of unsigned numbers: else it would check each one
        found = with_item(found, i, np.int64(counters[np.uint64(places[i] + node)]))
    inputs = places + _BIAS
    for i in range(len(places)):
        inputs = with_item(inputs, i, stretch(found[i] >> 16))
    row, other = node * INPUTS, (NODES + chosen * 4 + min(node, 3)) * INPUTS
    first, second = dot_inputs(weights, row, inputs), dot_inputs(weights, other, inputs)
    bit = code_bit(registers, data, bit, squash((first + second) >> 1))
    target = 65535 if bit else 0
    learn_inputs(weights, row, inputs, target - squash(first))
    learn_inputs(weights, other, inputs, target - squash(second))
    for i in range(len(places)):
        counters[np.uint64(places[i] + node)] = learned(found[i], bit, 1000 if i == 0 else 400)
    return bit


@inlined
def dot_inputs(weights: Array, row: Integer, inputs: Places) -> Integer:
    """As `mixing.dot`, of a tuple of inputs; the weights are flat, and `row` is where those of one mixer begin."""
    total = np.int64(0)
    for i in range(len(inputs)):
        total += np.int64(weights[np.uint64(row + i)]) * inputs[i]
    return total >> 16


@inlined
def learn_inputs(weights: Array, row: Integer, inputs: Places, error: Integer) -> None:
    """As `mixing.learn_weights`, of a tuple of inputs."""
    change = error * _RATE
    for i in range(len(inputs)):
        weights[np.uint64(row + i)] += (inputs[i] * change + 524288) >> 20


@inlined
def code_simply(registers: Array, data: Array, counters: Array, place: Integer, bit: Integer) -> Integer:
    """Code one bit by one counter alone."""
    probability = max(16, min(65520, np.int64(counters[place_of(place)]) >> 16))
    bit = code_bit(registers, data, bit, probability)
    learn_counter(counters, place, bit, 400)
    return bit


@inlined
def code_magnitude(
    registers: Array, data: Array, counters: Array, weights: Array,
    places: Places, chosen: Integer, magnitude: Integer, length: Integer,
) -> Integer:  # fmt: skip
    """Code a magnitude below 2^31: its length in unary, then its bits, the first two of them modelled.

    `places` are where the contexts that are mixed keep their counters. `length` is 1 if the magnitude is known not to
    be 0, else 0.
    """
    wanted = bit_length(magnitude)
    while length < LENGTHS - 1:
        bit = 1 if wanted > length else 0
        bit = code_node(registers, data, counters, weights, places, length, chosen, bit)
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
            bit = code_node(registers, data, counters, weights, places, node, chosen, bit)
            node += 1 + bit
        value = (value << 1) | bit
    return value
