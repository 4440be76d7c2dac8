"""Signed numbers with probabilities mixed from several contexts (format/coding.md: signed numbers)."""

from __future__ import annotations

from collections.abc import Sequence

from reference.arithmetic import HALF, LENGTHS, Decoder, learned
from reference.mixing import BIAS, BINS, STRETCH, squash, wrapped

LOW_LENGTHS = 11
SIDE = LOW_LENGTHS + 15
HIGH = 2 + 2 * SIDE
TAIL = HIGH + 8
EDGES = (5, 12, 22)
TAILS = (35, 52, 75, 105, 145, 200, 280, 400, 600)
NODES = TAIL + 2 * len(TAILS)
LARGE, SLOTS, SETS, SHAPES, KINDS = 128, 16, 512, 49, 8
RATE, LIMIT, THIRD, MOST = 20, 1000, 21845, (1 << 31) - 1
STRETCHED = [round((STRETCH[4 * i + 1] + STRETCH[4 * i + 2]) / 2) for i in range(4096)]


def kind_of(node: int) -> int:
    known = {0: 0, 1: 1, 2: 2, 2 + SIDE: 2, HIGH + 1: 4, HIGH + 2: 5, HIGH + 3: 5}
    return known.get(node, 7 if node >= TAIL else 6 if node >= HIGH + 4 else 3)


def new_counters(rows: int) -> list[int]:
    """Counters of which the first context starts from geometric distributions."""
    counters = [HALF] * (rows * NODES)
    for number in range(BINS):
        middle = number + 0.25 if number < 8 else (4 + number % 4 + 0.5) * 2.0 ** (number // 4 - 1)
        probability = middle / 16 / (1 + middle / 16)
        chances = {0: probability}
        for length in range(LOW_LENGTHS):
            chances[2 + length] = chances[2 + SIDE + length] = probability
            probability *= probability
        for node, chance in chances.items():
            first = int(min(max(chance, 1 / 4096), 1 - 1 / 4096) * 2**22)
            for line in range(8):
                counters[(line * BINS + number) * NODES + node] = first << 10 | 6
    return counters


class SignedNumbers:
    """Counters of all contexts, and the weights of the three mixers."""

    def __init__(self, coder: Decoder, rows: int) -> None:
        self.coder, self.counters, self.middles = coder, new_counters(rows), [HALF] * 2048
        self.weights = ([65536 * 4 // 10] + [65536 // 10] * (SLOTS - 1)) * (NODES + SETS * KINDS + SHAPES * NODES)

    def next(self, rows: Sequence[int], chosen: tuple[int, int], expected: int) -> int:
        """A number; `rows` are those of the contexts, `chosen` the mixers by expected error and by shape."""
        self.places, self.chosen = [row * NODES for row in rows], chosen
        if expected >= LARGE:
            negative = self._node(HIGH + 1)
            value = min(self._large(negative, expected), MOST)
            return -1 - value if negative else value
        if not self._node(0):
            return 0
        negative = self._node(1)
        value = self._small(2 + SIDE * negative)
        return -value if negative else value

    def _small(self, base: int) -> int:
        length = 1
        while length < LENGTHS - 1 and self._node(base + min(length, LOW_LENGTHS) - 1):
            length += 1
        value, node = 1, base + LOW_LENGTHS + 3 * min(max(length - 2, 0), 4)
        for number in range(length - 1):
            if number < 2:
                bit = self._node(node)
                node += 1 + bit
            else:
                bit = self.coder.bit(32768)
            value = value << 1 | bit
        return value

    def _large(self, negative: int, expected: int) -> int:
        edges = [0, *(edge * expected >> 8 for edge in EDGES + TAILS)]
        if not self._node(HIGH + 2 + negative):
            cell = self._node(HIGH + 5 + 2 * negative)
        else:
            cell = 2 + self._node(HIGH + 4 + 2 * negative)
            while cell >= 3 and self._node(TAIL + len(TAILS) * negative + cell - 3):
                cell += 1
                if cell == len(TAILS) + 3:
                    return edges[cell] + self._rest()
        low, high = edges[cell], edges[cell + 1]
        if high - low > 1:
            place = (16 * negative + cell) * 64 + min(high - low, 63)
            middle = (low + high) >> 1
            low, high = (middle, high) if self.coder.counted(self.middles, place, 16, 400) else (low, middle)
        while high - low > 1:
            middle = (low + high) >> 1
            probability = max(1, min(65535, ((high - middle) << 16) // (high - low)))
            low, high = (middle, high) if self.coder.bit(probability) else (low, middle)
        return low

    def _rest(self) -> int:
        length, value = 1, 1
        while length < LENGTHS - 1 and self.coder.bit(32768):
            length += 1
        for _ in range(length - 1):
            value = value << 1 | self.coder.bit(32768)
        return value - 1

    def _node(self, node: int) -> int:
        counters, weights = self.counters, self.weights
        inputs = [STRETCHED[counters[place + node] >> 20] for place in self.places] + [BIAS]
        by_error, by_shape = self.chosen
        mixers = (node, NODES + by_error * KINDS + kind_of(node), NODES + SETS * KINDS + by_shape * NODES + node)
        rows = [mixer * SLOTS for mixer in mixers]
        sums = [sum(weights[row + i] * x for i, x in enumerate(inputs)) >> 16 for row in rows]
        bit = self.coder.bit(squash(sum(sums) * THIRD >> 16))
        for row, total in zip(rows, sums, strict=True):
            change = ((65535 if bit else 0) - squash(total)) * RATE >> 4
            for i, x in enumerate(inputs):
                weights[row + i] = wrapped(weights[row + i] + ((x * change + 32768) >> 16))
        for place in self.places:
            counters[place + node] = learned(counters[place + node], bit, LIMIT)
        return bit
