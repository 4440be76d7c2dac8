"""The integers of a band with mixed contexts (format/transform.md: mixed contexts)."""

from __future__ import annotations

import numpy as np

from reference.arithmetic import HALF, Decoder
from reference.mixing import BINS, Magnitudes, bin_of
from reference.transform_bands import View, means_of

SIZES = (4 * BINS, 1024, 1024, 1024, 2048, 432, 1024)
OFFSETS = [sum(SIZES[:number]) for number in range(len(SIZES))]
RUNS, CLASSES, SIGNS = 64, 64, 3**5 * 4
SHORTEST_RUN, LONGEST_RUN = 8, 64
LARGEST = 1 << 22
Rows = list[list[int]]


def half(number: int) -> int:
    return bin_of(number) >> 1


class MixedBands:
    """The counters of one of the two parts of a tile."""

    def __init__(self, coder: Decoder, contexts: int) -> None:
        self.coder, self.contexts = coder, contexts
        self.magnitudes = Magnitudes(coder, sum(SIZES))
        self.empty, self.zeros, self.signs = [HALF] * (RUNS * 5), [HALF] * CLASSES, [HALF] * SIGNS

    def flag(self, place: int) -> int:
        return self.coder.counted(self.empty, place, 16, 400)

    def means(self, values: np.ndarray) -> np.ndarray:
        return means_of(values)

    def decode(self, view: View) -> np.ndarray:
        return np.array(BandCoder(self, view).run(), "<i8").reshape(view.band.shape)


class BandCoder:
    """One band: `values` and `near`, their magnitudes up to a limit, have margins of 2."""

    def __init__(self, own: MixedBands, view: View) -> None:
        self.own, self.view, self.band = own, view, view.band
        (self.nz, self.ny, self.nx), (self.deep, self.high) = view.band.shape, view.band.deep_high
        self.weight = 2 + self.deep + self.high
        self.own_scale = (16 << 16) // (6 + 9 * self.deep + 9 * self.high) + 1
        self.scale, self.number = view.total_scale(), view.band_class()
        second = view.second if view.there[1] else 0
        self.totals = (2 * view.first + 2 * view.third + (view.parent * 7 >> 4) + second).tolist()
        self.known = ((view.first | view.second | view.third | view.parent | view.sibling) != 0).tolist()
        self.near = np.zeros((self.nz + 4, self.ny + 4, self.nx + 4), "<i8").tolist()
        self.values = np.zeros((self.nz + 4, self.ny + 4, self.nx + 4), "<i8").tolist()

    def run(self) -> list[int]:
        for z in range(self.nz):
            for y in range(self.ny):
                self._row(z, y)
        return [value for plane in self.values[2:-2] for row in plane[2:-2] for value in row[2:-2]]

    def _row(self, z: int, y: int) -> None:
        above, x, resume = [self._above(z, y, x) for x in range(self.nx)], 0, 0
        near, counted = self.near[z + 2][y + 2], self.own.coder.counted
        while x < self.nx:
            run = 0
            if near[x + 1] == near[x] == 0:
                while (
                    run < LONGEST_RUN and x + run < self.nx and not above[x + run][0] and not self.known[z][y][x + run]
                ):
                    run += 1
            if run >= SHORTEST_RUN and x >= resume:
                taken = min(run, LONGEST_RUN)
                resume = x + taken
                if not self.own.flag(RUNS + self.number * 4 + taken.bit_length() - 4):
                    x = resume
                    continue
            if not run or counted(self.own.zeros, self.number, 16, 400):
                self._value(z, y, x, above[x], run > 0)
            x += 1

    def _above(self, z: int, y: int, x: int) -> tuple[int, int]:
        """The weighted sum of the rows before, and small magnitudes of them, packed."""
        here, y, x = self.near[z + 2], y + 2, x + 2
        north, diagonal = here[y - 1][x], here[y - 1][x - 1] + here[y - 1][x + 1]
        total = 4 * north + here[y - 2][x] + 2 * diagonal
        if self.deep:
            front = self.near[z + 1]
            total += 4 * front[y][x] + self.near[z][y][x] + front[y][x - 1] + front[y][x + 1]
            total += front[y - 1][x] + front[y + 1][x]
            diagonal += front[y][x]
        return total, 3 * min(north, 3) + min(diagonal, 2)

    def _value(self, z: int, y: int, x: int, above: tuple[int, int], nonzero: bool) -> None:
        near = self.near[z + 2][y + 2]
        west, far = near[x + 1], near[x]
        local = ((above[0] + 4 * west + 2 * far) * self.own_scale) >> 16
        close = min(west, 3) * 108 + above[1] * 9 + (0 if self.high else 27 * min(far, 3))
        chosen, places = self._places(z, y, x, local, close)
        size = self.own.magnitudes.next(places[: self.own.contexts], chosen, int(nonzero))
        near[x + 2] = min(size, LARGEST)
        self.values[z + 2][y + 2][x + 2] = -size if size and self._negative(z, y, x) else size

    def _places(self, z: int, y: int, x: int, local: int, close: int) -> tuple[int, list[int]]:
        view, at = self.view, (z, y, x)
        first, second, third = (int(means[at]) for means in (view.first, view.second, view.third))
        parent, sibling = int(view.parent[at]), int(view.sibling[at])
        expected = bin_of(((self.totals[z][y][x] + local * self.weight) * self.scale) >> 16)
        chosen = (self.band.depth if view.hinted is None else int(view.hinted[at])) * BINS + expected
        found = (
            chosen,
            half(local) * 32 + half(first),
            half(parent) * 32 + half(sibling),
            half(first + second) * 32 + half(third),
            self.number * 32 + (expected >> 1),
            close + 3 * min(abs(int(view.ahead[at])), 2) + min(abs(int(view.beside[at])), 2),
            half(local + first) * 32 + half(parent + sibling),
        )
        return chosen, [offset + number for offset, number in zip(OFFSETS, found, strict=True)]

    def _negative(self, z: int, y: int, x: int) -> int:
        values, at = self.values, (z, y, x)
        own = (values[z + 2][y + 2][x + 1], values[z + 2][y + 1][x + 2], values[z + 1][y + 2][x + 2])
        place = 0
        for value in (*own, int(self.view.ahead[at]), int(self.view.beside[at])):
            place = place * 3 + (value > 0) + 2 * (value < 0)
        return self.own.coder.counted(self.own.signs, place * 4 + self.band.depth, 16, 400)
