"""Bits with probabilities: the arithmetic decoder, counters, numbers and classes (format/coding.md)."""

from __future__ import annotations

import numpy as np

from reference.reading import Damaged

TOP = 0xFFFFFFFF
HALF = 1 << 31  # a counter that has seen nothing: probability 1/2 in the upper 22 bits
MOST_SEEN = 1023
RATES = [65536 * 2 // (2 * n + 3) for n in range(MOST_SEEN + 1)]
LENGTHS = 32  # lengths of numbers in bits are below
ROW = 4 * LENGTHS


class Decoder:
    """The arithmetic decoder: zeros follow the end of its bytes."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at, self.low, self.high = data, 4, 0, TOP
        self.told: int | None = None
        self.window = int.from_bytes(data[:4].ljust(4, b"\0"), "big")

    def bit(self, probability: int) -> int:
        """The next bit, which is 1 with `probability` / 65536; or one that is known, and not in the stream."""
        if self.told is not None:
            return self.told
        middle = self.low + ((self.high - self.low) * probability >> 16)
        bit = int(self.window <= middle)
        if bit:
            self.high = middle
        else:
            self.low = middle + 1
        while (self.low ^ self.high) >> 24 == 0:
            following = self.data[self.at] if self.at < len(self.data) else 0
            self.at += 1
            self.window = (self.window << 8 | following) & TOP
            self.low = self.low << 8 & TOP
            self.high = (self.high << 8 & TOP) | 255
        return bit

    def tell(self, value: int | None, middle: int) -> None:
        """Make known the next bit, whether a value is `middle` or above; None if it is in the stream."""
        self.told = None if value is None else int(value >= middle)

    def counted(self, counters: list[int], place: int, least: int, limit: int) -> int:
        """A bit by one counter, whose probability counts from `least` to 65536 - `least`; the counter learns."""
        bit = self.bit(max(least, min(65536 - least, counters[place] >> 16)))
        counters[place] = learned(counters[place], bit, limit)
        return bit


def learned(counter: int, bit: int, limit: int) -> int:
    """A counter after a bit: its probability in the upper 22 bits, how many bits it has seen in the lower 10."""
    seen, probability = counter & MOST_SEEN, counter >> 10
    probability += ((4194303 if bit else 0) - probability) * RATES[seen] >> 16
    return probability << 10 | min(seen + 1, limit) if seen < limit else probability << 10 | seen


class Numbers:
    """Signed numbers, of kinds with counters of their own."""

    def __init__(self, coder: Decoder, kinds: int) -> None:
        self.coder, self.counters = coder, [HALF] * (kinds * ROW)

    def next(self, kind: int) -> int:
        row, length = kind * ROW, 0
        while length < LENGTHS - 1 and self._bit(row + length):
            length += 1
        if length == 0:
            return 0
        value = 1
        for number in range(length - 1):
            bit = self._bit(row + LENGTHS + length) if number == 0 else self.coder.bit(32768)
            value = value << 1 | bit
        return -value if self._bit(row + 2 * LENGTHS) else value

    def _bit(self, place: int) -> int:
        return self.coder.counted(self.counters, place, 512, 120)


def decode_classes(data: bytes, shape: tuple[int, ...], count: int) -> np.ndarray:
    """Classes 0 .. count of (slices, y, x), each in the context of those around it."""
    if not 0 < count < 256:
        raise Damaged(f"a field with {count} special values")
    coder, patterns, kinds = Decoder(data), [HALF] * (1 << 15), [HALF] * (256 * 256)
    slices, ny, nx = shape
    classes = np.zeros((slices, ny, nx), "u1")
    before = [[0] * (nx + 4) for _ in range(ny + 4)]
    for number in range(slices):
        here = [[0] * (nx + 4) for _ in range(ny + 4)]
        for y in range(2, ny + 2):
            for x in range(2, nx + 2):
                here[y][x] = _class(coder, patterns, kinds, here, before, y, x, count)
        classes[number] = [row[2:-2] for row in here[2:-2]]
        before = here
    return classes


NEIGHBOURS = ((0, -1), (0, -2), (-1, 0), (-1, -1), (-1, 1), (-2, 0), (-1, 2), (-1, -2), (-2, -1), (-2, 1))
BEFORE = ((0, 0), (0, -1), (0, 1), (-1, 0), (1, 0))


def _class(
    coder: Decoder, patterns: list[int], kinds: list[int],
    here: list[list[int]], before: list[list[int]], y: int, x: int, count: int,
) -> int:  # fmt: skip
    around = [here[y + dy][x + dx] for dy, dx in NEIGHBOURS] + [before[y + dy][x + dx] for dy, dx in BEFORE]
    pattern = sum((found > 0) << bit for bit, found in enumerate(around))
    if not coder.counted(patterns, pattern, 16, 400):
        return 0
    near, kind = here[y][x - 1] or here[y - 1][x] or before[y][x], 1
    while kind < count and coder.counted(kinds, near * 256 + kind, 16, 400):
        kind += 1
    return kind
