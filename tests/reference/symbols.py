"""Symbols with frequency tables by rANS, signs, raw bits (format/coding.md)."""

from __future__ import annotations

import bisect
import math
from itertools import accumulate

from reference.arithmetic import Decoder, Numbers
from reference.mixing import first_of, quarter_octave
from reference.reading import Bytes, Damaged

TOTAL_BITS, LOWEST = 12, 1 << 31
TOTAL = 1 << TOTAL_BITS
LINE, MOST_EXPECTED, MOST_SYMBOLS = 44, 4095, 120
LEVELS = [0] + [round(16 * 2 ** (i / 8)) for i in range(97)]
MOST_LEANING = 20
LEANINGS = [round(TOTAL / (1 + math.exp(-i / 4))) for i in range(-MOST_LEANING, MOST_LEANING + 1)]
MAP, LENGTH = 0, 1


class Symbols:
    """Symbols in lines of contexts, bits in contexts of their own, and raw bits."""

    def __init__(self, coder: Decoder, stream: Bytes, lines: int, signs: int) -> None:
        self.members = _members(Numbers(coder, 2), lines)
        levels, self.ones = _levels(Numbers(coder, 5), 1 + max(map(max, self.members)), signs)
        self.starts = [list(accumulate(_frequencies(row), initial=0)) for row in levels]
        self.state, self.other, self.words, self.raw, self.at = LOWEST, LOWEST, Bytes(b""), 0, 0
        if stream.left:
            count = stream.below(1 << 32)
            self.state, self.other = (int.from_bytes(stream.take(8), "little") % (1 << 63) for _ in range(2))
            self.words = Bytes(stream.take(4 * count))
            self.raw = int.from_bytes(stream.rest(), "little")

    def symbol(self, line: int, expected: int) -> int:
        starts = self.starts[self.members[line][quarter_octave(min(expected, MOST_EXPECTED))]]
        share, rest = self.state % TOTAL, self.state >> TOTAL_BITS
        symbol = bisect.bisect_right(starts, share) - 1
        self._next((starts[symbol + 1] - starts[symbol]) * rest + share - starts[symbol])
        return symbol

    def bit(self, context: int) -> int:
        ones, share, rest = self.ones[context], self.state % TOTAL, self.state >> TOTAL_BITS
        bit = int(share < ones)
        self._next(ones * rest + share if bit else (TOTAL - ones) * rest + share - ones)
        return bit

    def _next(self, state: int) -> None:
        """Take a word if need be; the other state is next."""
        if state < LOWEST:
            word = self.words.take(4) if self.words.left else bytes(4)
            state = state << 32 | int.from_bytes(word, "little")
        self.state, self.other = self.other, state

    def magnitude(self, symbol: int) -> int:
        """The magnitude of a symbol, whose lower bits are raw."""
        below = max(0, (symbol >> 2) - 1)
        bits = self.raw >> self.at & (1 << below) - 1
        self.at += below
        return first_of(symbol) + bits


def _members(numbers: Numbers, lines: int) -> list[list[int]]:
    """The table of each context: lines of runs."""
    members: list[list[int]] = []
    known = 0
    for _ in range(lines):
        row: list[int] = []
        segments = numbers.next(LENGTH)
        for number in range(min(segments, LINE)):
            length = numbers.next(LENGTH) if number + 1 < segments else LINE - len(row)
            pointer = numbers.next(MAP)
            table = pointer - 1 if pointer else known
            known += pointer == 0
            if not (0 < length <= LINE - len(row) and 0 <= table < known):
                raise Damaged("contexts of symbols are impossible")
            row += [table] * length
        if len(row) < LINE:
            raise Damaged("contexts without a table")
        members.append(row)
    return members


def _levels(numbers: Numbers, tables: int, signs: int) -> tuple[list[list[int]], list[int]]:
    """The levels of each table, and the frequencies of a 1 in each context of bits."""
    levels: list[list[int]] = []
    before, used = [0] * MOST_SYMBOLS, 0
    for _ in range(tables):
        used = min(max(used + numbers.next(0), 0), MOST_SYMBOLS)
        row, west, corner = [0] * MOST_SYMBOLS, 0, 0
        for symbol in range(used):
            north = before[symbol]
            guess = north
            if symbol:
                guess = min(max(west + north - corner, min(west, north)), max(west, north))
            kind = 1 if symbol < 2 else 2 if west else 3
            row[symbol] = west = min(max(guess + numbers.next(kind), 0), len(LEVELS) - 1)
            corner = north
        if not any(row):
            raise Damaged("a table without symbols")
        levels.append(row)
        before = row
    ones = [LEANINGS[min(max(numbers.next(4), -MOST_LEANING), MOST_LEANING) + MOST_LEANING] for _ in range(signs)]
    return levels, ones


def _frequencies(levels: list[int]) -> list[int]:
    weights = [LEVELS[level] for level in levels]
    frequencies = [max(weight * TOTAL // sum(weights), weight > 0) for weight in weights]
    frequencies[weights.index(max(weights))] += TOTAL - sum(frequencies)
    return frequencies
