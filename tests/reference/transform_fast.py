"""The integers of a band by frequency tables (format/transform.md: fast)."""

from __future__ import annotations

import numpy as np

from reference.arithmetic import HALF, Decoder
from reference.mixing import first_of
from reference.reading import Bytes
from reference.symbols import Symbols
from reference.transform_bands import View, beside_sum
from reference.transform_mixed import LONGEST_RUN, RUNS, SHORTEST_RUN

SETS, FLAGS, KINDS, PATTERNS = 4, RUNS * 5, 32, 14
MOST_NEAR, MOST_MEAN, WEIGHT_BITS = (1 << 14) - 1, 1 << 18, 8
SHARES = (21, 16, 13)


def _patterns() -> list[tuple[int, int]]:
    """For three signs (0 none, 1 positive, 2 negative) their context, and whether they are inverted."""
    found, contexts = [(0, 0)] * 27, 1
    for pattern in range(1, 27):
        signs = pattern // 9, pattern // 3 % 3, pattern % 3
        inverse = ((3 - signs[0]) % 3 * 3 + (3 - signs[1]) % 3) * 3 + (3 - signs[2]) % 3
        if inverse > pattern:
            found[pattern], found[inverse] = (contexts, 0), (contexts, 1)
            contexts += 1
    return found


SIGN_CONTEXTS = _patterns()


class FastStream:
    """What both parts of a tile share: symbols, and an arithmetic decoder for flags."""

    def __init__(self, data: bytes) -> None:
        stream = Bytes(data)
        self.coder = Decoder(stream.sized())
        self.symbols = Symbols(self.coder, stream, 2 * SETS, 2 * KINDS * PATTERNS)
        self.counters = [HALF] * (2 * FLAGS)


class FastBands:
    """The contexts of one of the two parts: 0 for coefficients, 1 for corrections."""

    def __init__(self, stream: FastStream, part: int) -> None:
        self.stream, self.symbols, self.part = stream, stream.symbols, part

    def flag(self, place: int) -> int:
        return self.stream.coder.counted(self.stream.counters, self.part * FLAGS + place, 16, 400)

    def means(self, values: np.ndarray) -> np.ndarray:
        near = np.minimum(np.abs(values), MOST_NEAR)
        share = SHARES[(values.shape[0] > 1) + (values.shape[1] > 1)]
        return np.minimum((8 * near + 2 * beside_sum(near)) * share >> 4, MOST_MEAN)

    def decode(self, view: View) -> np.ndarray:
        (nz, ny, nx), (deep, high), scale = view.band.shape, view.band.deep_high, view.total_scale()
        own_scale = (16 << 16) // (6 + 9 * deep + 9 * high) + 1
        weight, other = ((own_scale * (2 + deep + high) >> 8) * scale) >> 16, (scale + 128) >> 8
        second = view.second if view.there[1] else 0
        base = (2 * (view.first + view.third) + second + (view.parent * 7 >> 4)) * other
        values, near = np.zeros((nz, ny, nx), "<i8"), np.zeros((nz + 4, ny + 4, nx + 4), "<i8")
        for z in range(nz):
            for y in range(ny):
                row = base[z, y] + weight * _before(near, z + 2, y + 2)
                self._row(view, values, z, y, row.tolist(), weight)
                near[z + 2, y + 2, 2:-2] = np.minimum(np.abs(values[z, y]), MOST_NEAR)
        return values

    def _row(self, view: View, values: np.ndarray, z: int, y: int, base: list[int], weight: int) -> None:
        sets = [view.band.depth] * len(base) if view.hinted is None else view.hinted[z, y].tolist()
        west = far = left = resume = x = 0
        while x < len(base):
            if base[x] == west == far == 0 and x >= resume:
                resume = x
                while resume < min(len(base), x + LONGEST_RUN) and base[resume] == 0:
                    resume += 1
                place = RUNS + view.band_class() * 4 + (resume - x).bit_length() - 4
                if resume - x >= SHORTEST_RUN and not self.flag(place):
                    x = resume
                    continue
            expected = (base[x] + (4 * west + 2 * far) * weight) >> WEIGHT_BITS
            symbol = self.symbols.symbol(self.part * SETS + sets[x], expected)
            size, before, left = self.symbols.magnitude(symbol), left, 0
            if symbol:
                left = 2 if self._negative(view, values, (z, y, x), before) else 1
                values[z, y, x] = -size if left == 2 else size
            far, west = west, min(first_of(symbol), MOST_NEAR)
            x += 1

    def _negative(self, view: View, values: np.ndarray, at: tuple[int, int, int], left: int) -> bool:
        z, y, x = at
        place = left
        for value in (values[z, y - 1, x] if y else 0, view.ahead[at]):
            place = place * 3 + int(value > 0) + 2 * int(value < 0)
        context, inverted = SIGN_CONTEXTS[place]
        bit = self.symbols.bit((self.part * KINDS + view.band.sign_kind) * PATTERNS + context)
        return bit != inverted


def _before(near: np.ndarray, z: int, y: int) -> np.ndarray:
    """The weighted sums of magnitudes in the rows and planes before; `near` has margins of 2."""
    here, front, inside = near[z], near[z - 1], slice(2, -2)
    west, east = slice(1, -3), slice(3, -1)
    above = 4 * here[y - 1, inside] + here[y - 2, inside] + 2 * (here[y - 1, west] + here[y - 1, east])
    ahead = 4 * front[y, inside] + near[z - 2, y, inside] + front[y, west] + front[y, east]
    return np.asarray(above + ahead + front[y - 1, inside] + front[y + 1, inside])
