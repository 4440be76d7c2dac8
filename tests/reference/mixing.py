"""Magnitudes along a binary tree, with probabilities mixed from several contexts (format/coding.md)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from reference.arithmetic import HALF, LENGTHS, Decoder, learned

REACH = 12 * 256 - 1
SQUASH = [min(65535, max(1, round(65536 / (1 + math.exp(-x / 256))))) for x in range(-REACH, REACH + 1)]
STRETCH = [
    min(REACH, max(-REACH, round(256 * math.log((i + 0.5) / (16384 - i - 0.5))))) for i in range(16384)
]  # fmt: skip
NODES, INPUTS, BINS, SETS = 4 * LENGTHS, 8, 64, 256
RATE, BIAS = 24, 256
FIRST_LIMIT, OTHER_LIMIT = 1000, 400


def squash(x: int) -> int:
    return SQUASH[min(REACH, max(-REACH, x)) + REACH]


def quarter_octave(number: int) -> int:
    length = number.bit_length()
    return number if number < 8 else 4 * (length - 2) + ((number >> (length - 3)) & 3)


def bin_of(number: int) -> int:
    return min(BINS - 1, quarter_octave(number))


def first_of(symbol: int) -> int:
    """The smallest number of a quarter octave."""
    return symbol if symbol < 8 else (4 + symbol % 4) << (symbol // 4 - 1)


def new_weights() -> list[int]:
    return ([65536 * 6 // 10] + [65536 // 6] * (INPUTS - 1)) * (NODES + 4 * SETS)


def new_counters(size: int) -> list[int]:
    """Counters of which the first context starts from geometric distributions."""
    counters = [HALF] * (size * NODES)
    for number in range(BINS):
        middle = number + 0.25 if number < 8 else (4 + number % 4 + 0.5) * 2.0 ** (number // 4 - 1)
        ratio = middle / 16
        probability = tail = ratio / (1 + ratio)
        for length in range(LENGTHS):
            first = int(min(max(probability, 1 / 4096), 1 - 1 / 4096) * 2**22)
            for context_set in range(4):
                counters[(context_set * BINS + number) * NODES + length] = first << 10 | 6
            probability = tail if length == 0 else probability * probability
    return counters


class Magnitudes:
    """Counters of all contexts, and the weights of the two mixers."""

    def __init__(self, coder: Decoder, size: int) -> None:
        self.coder, self.counters, self.weights = coder, new_counters(size), new_weights()

    def next(self, places: Sequence[int], chosen: int, length: int = 0) -> int:
        """A magnitude; `places` are those of the contexts, in counters; `length` 1 if it is known not to be 0."""
        places = [place * NODES for place in places]
        while length < LENGTHS - 1 and self._node(places, length, chosen):
            length += 1
        if length <= 1:
            return length
        value, node = 1, LENGTHS + 3 * length
        for number in range(length - 1):
            if number < 2:
                bit = self._node(places, node, chosen)
                node += 1 + bit
            else:
                bit = self.coder.bit(32768)
            value = value << 1 | bit
        return value

    def _node(self, places: Sequence[int], node: int, chosen: int) -> int:
        counters, weights = self.counters, self.weights
        inputs = [STRETCH[counters[place + node] >> 18] for place in places] + [BIAS]
        rows = (node * INPUTS, (NODES + chosen * 4 + min(node, 3)) * INPUTS)
        sums = [sum(weights[row + i] * x for i, x in enumerate(inputs)) >> 16 for row in rows]
        bit = self.coder.bit(squash((sums[0] + sums[1]) >> 1))
        for row, total in zip(rows, sums, strict=True):
            change = ((65535 if bit else 0) - squash(total)) * RATE
            for i, x in enumerate(inputs):
                weights[row + i] = wrapped(weights[row + i] + ((x * change + 524288) >> 20))
        for i, place in enumerate(places):
            counters[place + node] = learned(counters[place + node], bit, OTHER_LIMIT if i else FIRST_LIMIT)
        return bit


def wrapped(number: int) -> int:
    """Signed, of 32 bits."""
    return (number + HALF) % (1 << 32) - HALF
