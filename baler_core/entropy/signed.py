"""Code signed numbers bit by bit, with probabilities mixed from several contexts: signs come before magnitudes.

The two sides of a prediction are rarely alike, so each sign has nodes of its own. Numbers that are expected to be small are
spelt by whether they are zero, their sign, the length of the magnitude in unary, and its bits; large ones by the bin in which
they fall, of bins as wide as the error that is expected, and their place in it, which is nearly uniform. Three mixers, chosen
by the node, by the expected error and by the shape of the neighbourhood, are asked for each bit (see `mixing`).

Mixers look at arrays of 8 or 16 narrow numbers, which compilers make vector instructions of.
"""

from __future__ import annotations

import numpy as np

from baler_core.entropy.arithmetic import code_bit
from baler_core.entropy.lanes import LANES, add_halved, weighted_sum
from baler_core.entropy.magnitudes import BINS, LENGTHS, bit_length, code_simply
from baler_core.entropy.mixing import STRETCH, WEIGHT_ONE, learned, new_counters, squash
from baler_core.machine.compiled import Array, Integer, inlined, place_of

# Nodes of small numbers: whether one is zero, its sign, then for each sign lengths of 1 .. 11 and more, and three for the first
# bits of lengths 2 .. 6 and more.
ZERO_NODE, SIGN_NODE, _LOW = 0, 1, 2
_LOW_LENGTHS, _LOW_SPELT = 11, 5
_LOW_SIDE = _LOW_LENGTHS + 3 * _LOW_SPELT
# Nodes of large numbers: a tree of eight bins, the first of them the sign, then the steps of the tail of each side.
_HIGH = _LOW + 2 * _LOW_SIDE
_TAIL = _HIGH + 8
# Edges of bins in 1/16 of the expected error: of the tree, and of the steps of a tail.
EDGES = np.array([5, 12, 22], np.int64)
TAILS = np.array([35, 52, 75, 105, 145, 200, 280, 400, 600], np.int64)
NODES = _TAIL + 2 * len(TAILS)
# From this expected error on, in 1/16, numbers are large.
LARGE = 128
# Inputs of a mixer: one for each context, a constant last; and numbers of mixers by expected error and by shape.
SLOTS = 16
SETS, SHAPES = 8 * BINS, 49
# Nodes that share mixers chosen by expected error.
_KINDS = 8
KIND_OF = np.full(NODES, 3, np.int8)
KIND_OF[[ZERO_NODE, SIGN_NODE, _LOW, _LOW + _LOW_SIDE]] = 0, 1, 2, 2
KIND_OF[_HIGH + 1 : _TAIL] = 4, 5, 5, 6, 6, 6, 6
KIND_OF[_TAIL:] = 7
_EXPECTED = NODES * SLOTS
_SHAPED = _EXPECTED + SETS * _KINDS * SLOTS
_WEIGHTS = _SHAPED + SHAPES * NODES * SLOTS
_BIAS, _RATE, _LIMIT = 256, 20, 1000
_THIRD = 21845
_MOST = (1 << 31) - 1
# Counters of the middle of each bin, by its width, for either sign.
_CELLS, _WIDTHS = 16, 64
MIDDLES = 2 * _CELLS * _WIDTHS
# Of each fourth probability, since a small table stays in the processor's smallest cache.
STRETCHED = np.rint(STRETCH.reshape(-1, 4)[:, 1:3].mean(axis=1)).astype(np.int16)


def new_slots(contexts: int) -> Array:
    """Make the inputs of mixers of so many contexts, 7 or 15."""
    slots = np.zeros(contexts + 1, np.int32)
    slots[contexts] = _BIAS
    return slots


def new_signed_weights() -> Array:
    """Make weights of the three mixers, one mixer after the other; the first context counts most at first."""
    weights = np.full((_WEIGHTS // SLOTS, SLOTS), WEIGHT_ONE // 10, np.int32)
    weights[:, 0] = WEIGHT_ONE * 4 // 10
    return weights.reshape(-1)


def first_signed_counters(size: int, lines: int) -> Array:
    """Return counters of which the first context, of `lines` times 64 bins, starts from geometric distributions.

    For a bin of expected error m: P(|q| >= t) = (m / (1 + m))^t. Only exactly rounded operations are used.
    """
    counters = new_counters(size)
    for number in range(BINS):
        ratio = (number + 0.25 if number < 8 else (4 + number % 4 + 0.5) * 2.0 ** (number // 4 - 1)) / 16
        probability = ratio / (1 + ratio)
        chances = [(ZERO_NODE, probability)]
        for length in range(_LOW_LENGTHS):
            chances += [(_LOW + length, probability), (_LOW + _LOW_SIDE + length, probability)]
            probability *= probability
        for node, chance in chances:
            first = int(min(max(chance, 1 / 4096), 1 - 1 / 4096) * (1 << 22))
            counters[(np.arange(lines) * BINS + number) * NODES + node] = (first << 10) | 6
    return counters


@inlined
def code_signed_node(
    registers: Array, data: Array, counters: Array, weights: Array,
    mixed: tuple[Array, Array], chosen: tuple[Integer, Integer], node: Integer, bit: Integer,
) -> Integer:  # fmt: skip
    """Code one bit with the mixed probabilities of its counters, and learn from it.

    Parameters
    ----------
    mixed
        Where contexts keep their counters (int64), and inputs of mixers (int32). A place plus a node, which is below NODES,
        is one of the counters: contexts see to that.
    chosen
        The mixers by expected error, below SETS, and by shape, below SHAPES; none is negative.

    Notes
    -----
    Inputs are below 2^12, changes below 2^17: their products stay in 32 bits. Weights may wrap around, on both sides alike:
    what is made of them is kept within the reach of `squash`.
    """
    places, slots = mixed
    look_up(slots, counters, places, node)
    row = node * SLOTS
    other = _EXPECTED + (chosen[0] * _KINDS + np.int64(KIND_OF[node])) * SLOTS
    shaped = _SHAPED + (chosen[1] * NODES + node) * SLOTS
    first, second, third = (
        weighted(weights, row, slots),
        weighted(weights, other, slots),
        weighted(weights, shaped, slots),
    )
    bit = code_bit(registers, data, bit, squash(((first + second + third) * _THIRD) >> 16))
    target = 65535 if bit else 0
    add_halved(weights, row, slots, slots.size // LANES, np.int32(((target - squash(first)) * _RATE) >> 4))
    add_halved(weights, other, slots, slots.size // LANES, np.int32(((target - squash(second)) * _RATE) >> 4))
    add_halved(weights, shaped, slots, slots.size // LANES, np.int32(((target - squash(third)) * _RATE) >> 4))
    learn_places(counters, places, slots.size - 1, node, bit)
    return bit


# Of arrays that two loops of an inlined function look at, references would be counted for every bit: one loop each. Places
# are never negative, which the compiler knows of unsigned numbers: else it would check each one.
@inlined
def look_up(slots: Array, counters: Array, places: Array, node: Integer) -> None:
    """Fill in the inputs of mixers; counters are 32 bits, of which the table gets the upper 12."""
    for i in range(slots.size - 1):
        slots[place_of(i)] = STRETCHED[place_of(np.int64(counters[place_of(places[place_of(i)] + node)]) >> 20)]


@inlined
def weighted(weights: Array, row: Integer, slots: Array) -> Integer:
    """Return the weighted sum of the inputs, on the logistic scale; the weights of one mixer begin at `row`."""
    return weighted_sum(weights, row, slots, slots.size // LANES) >> 16


@inlined
def learn_places(counters: Array, places: Array, count: Integer, node: Integer, bit: Integer) -> None:
    """Move the counters of a node towards a bit."""
    for i in range(count):
        at = place_of(places[place_of(i)] + node)
        counters[at] = learned(np.int64(counters[at]), bit, _LIMIT)


@inlined
def code_signed(
    registers: Array, data: Array, counters: Array, weights: Array, middles: Array,
    mixed: tuple[Array, Array], chosen: tuple[Integer, Integer], number: Integer, expected: Integer,
) -> Integer:  # fmt: skip
    """Code a number of a magnitude below 2^31.

    Parameters
    ----------
    middles
        MIDDLES counters.
    expected
        16 x the error that is expected, from 0 to 2^44.
    """
    if expected < LARGE:
        if code_signed_node(registers, data, counters, weights, mixed, chosen, ZERO_NODE, 1 if number else 0) == 0:
            return np.int64(0)
        below = 1 if number < 0 else 0
        negative = code_signed_node(registers, data, counters, weights, mixed, chosen, SIGN_NODE, below)
        node = _LOW + _LOW_SIDE * negative
        value = code_small(registers, data, counters, weights, mixed, chosen, abs(number), node)
        return -value if negative else value
    below = 1 if number < 0 else 0
    negative = code_signed_node(registers, data, counters, weights, mixed, chosen, _HIGH + 1, below)
    value = -1 - number if number < 0 else number
    value = min(
        code_large(registers, data, counters, weights, middles, mixed, chosen, (value, negative, expected)), _MOST
    )
    return -1 - value if negative else value


@inlined
def code_small(
    registers: Array, data: Array, counters: Array, weights: Array,
    mixed: tuple[Array, Array], chosen: tuple[Integer, Integer], magnitude: Integer, base: Integer,
) -> Integer:  # fmt: skip
    """Code a magnitude of at least 1: its length in unary, then its bits, the first two of them modelled; nodes begin at `base`."""
    wanted, length = bit_length(magnitude), 1
    while length < LENGTHS - 1:
        node = base + min(length, _LOW_LENGTHS) - 1
        if code_signed_node(registers, data, counters, weights, mixed, chosen, node, 1 if wanted > length else 0) == 0:
            break
        length += 1
    value = np.int64(1)
    node = base + _LOW_LENGTHS + 3 * min(max(length - 2, 0), _LOW_SPELT - 1)
    for i in range(length - 1):
        bit = (magnitude >> (length - 2 - i)) & 1
        if i >= 2:
            bit = code_bit(registers, data, bit, 32768)
        else:
            bit = code_signed_node(registers, data, counters, weights, mixed, chosen, node, bit)
            node += 1 + bit
        value = (value << 1) | bit
    return value


@inlined
def code_large(
    registers: Array, data: Array, counters: Array, weights: Array, middles: Array,
    mixed: tuple[Array, Array], chosen: tuple[Integer, Integer], known: tuple[Integer, Integer, Integer],
) -> Integer:  # fmt: skip
    """Code a number >= 0 of one side, given it, whether that is the negative one, and the expected error.

    There are bins 0 .. 3 of the tree and 4 .. 11 of the tail; what is beyond all edges is coded as `code_rest` does.
    """
    number, negative, expected = known
    low, high, cell = np.int64(0), (EDGES[1] * expected) >> 8, np.int64(0)
    node = _HIGH + 2 + negative
    if code_signed_node(registers, data, counters, weights, mixed, chosen, node, 1 if number >= high else 0):
        low, high, cell = high, (EDGES[2] * expected) >> 8, np.int64(2)
        node = _HIGH + 4 + 2 * negative
        if code_signed_node(registers, data, counters, weights, mixed, chosen, node, 1 if number >= high else 0):
            low, high, cell = high, (TAILS[0] * expected) >> 8, np.int64(3)
            node = _TAIL + len(TAILS) * negative
            while code_signed_node(registers, data, counters, weights, mixed, chosen, node, 1 if number >= high else 0):
                cell += 1
                if cell == len(TAILS) + 3:
                    return high + code_rest(registers, data, number - high)
                low, high = high, (TAILS[cell - 3] * expected) >> 8
                node += 1
    else:
        middle, node = (EDGES[0] * expected) >> 8, _HIGH + 5 + 2 * negative
        if code_signed_node(registers, data, counters, weights, mixed, chosen, node, 1 if number >= middle else 0):
            low, cell = middle, np.int64(1)
        else:
            high = middle
    if high - low > 1:
        middle = (low + high) >> 1
        # cells are below 12, so that this is one of the counters
        place = (_CELLS * negative + cell) * _WIDTHS + min(high - low, _WIDTHS - 1)
        if code_simply(registers, data, middles, place, 1 if number >= middle else 0):
            low = middle
        else:
            high = middle
    return code_uniform(registers, data, number, low, high)


@inlined
def code_uniform(registers: Array, data: Array, number: Integer, low: Integer, high: Integer) -> Integer:
    """Code a number from low to high - 1, of which all are alike; they are below 2^47."""
    while high - low > 1:
        middle = (low + high) >> 1
        probability = max(1, min(65535, ((high - middle) << 16) // (high - low)))
        if code_bit(registers, data, 1 if number >= middle else 0, probability):
            low = middle
        else:
            high = middle
    return low


@inlined
def code_rest(registers: Array, data: Array, number: Integer) -> Integer:
    """Code a number from 0 to 2^31 - 2, without a model: the length of the next one in unary, then its bits."""
    wanted, length = bit_length(number + 1), 1
    while length < LENGTHS - 1:
        if code_bit(registers, data, 1 if wanted > length else 0, 32768) == 0:
            break
        length += 1
    value = np.int64(1)
    for i in range(length - 1):
        value = (value << 1) | code_bit(registers, data, ((number + 1) >> (length - 2 - i)) & 1, 32768)
    return value - 1
