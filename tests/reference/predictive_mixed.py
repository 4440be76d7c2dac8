"""Values with mixed contexts (format/predictive.md: mixed)."""

from __future__ import annotations

from typing import Any

from reference.arithmetic import HALF, Decoder
from reference.mixing import BINS, Magnitudes, bin_of
from reference.predictive_local import BLOCK, Fits, local_neighbours, trust_of
from reference.predictive_series import BEFORE, BESIDE, FRACTION_BITS, NEIGHBOURS, OWN, Series
from reference.signed import SignedNumbers

STATISTICS = 4
SIZES = (4 * BINS, 1024, 1024, 1024, 1024, 1024, 2048)
OFFSETS = [sum(SIZES[:number]) for number in range(len(SIZES))]
SIGNS = 17 * 8 * 9
SIGNED, LOCAL = (8, 16), 17
SIGNED_SIZES = (512, 1024, 1024, 1024, 49 * 32, 729, 16 * 49, 1024, 1024, 1024, 2048, 343, 686, 343, 1024)
SIGNED_OFFSETS = [sum(SIGNED_SIZES[:number]) for number in range(len(SIGNED_SIZES))]
LARGEST_ERROR = 1 << 40
STEP, HALF_STEP = 1 << FRACTION_BITS, 1 << (FRACTION_BITS - 1)
COARSE_BITS, MOST_COARSE = 4, 1 << 26
CORRECTION_BITS, SHIFTS, MOST_CORRECTION = 16, (13, 16), 1 << 24


def coarse(value: int) -> int:
    return min(max(value >> COARSE_BITS, -MOST_COARSE), MOST_COARSE)


def code_mixed(coder: Decoder, series: Series, contexts: int) -> None:
    signed = contexts in (*SIGNED, LOCAL)
    sets = range(min(series.variables, STATISTICS))
    if signed:
        statistics = [(SignedNumbers(coder, sum(SIGNED_SIZES)), [0]) for _ in sets]
    else:
        statistics = [(Magnitudes(coder, sum(SIZES)), [HALF] * SIGNS) for _ in sets]
    decoder, count = (SignedSliceDecoder, min(contexts, 16) - 1) if signed else (SliceDecoder, contexts)
    decoder = LocalSliceDecoder if contexts == LOCAL else decoder
    corrections = {
        (variable, temporal): [[0] * len(NEIGHBOURS) for _ in range(2)]
        for variable in range(series.variables)
        for temporal in (0, 1)
    }
    for number in range(series.slices):
        for variable in range(series.variables):
            sources = series.sources(number, variable)
            temporal = int(sources[BEFORE] >= 0)
            own = statistics[min(variable, STATISTICS - 1)]
            decoder(coder, series, sources, variable, *own, corrections[variable, temporal], count).run()
            series.close_plane(sources[OWN])


class SliceDecoder:
    """One slice of one variable."""

    def __init__(
        self, coder: Decoder, series: Series, sources: list[int], variable: int,
        magnitudes: Magnitudes, signs: list[int], corrections: list[list[int]], contexts: int,
    ) -> None:  # fmt: skip
        self.coder, self.series, self.magnitudes, self.signs = coder, series, magnitudes, signs
        self.contexts, self.own, self.before, self.beside = contexts, sources[OWN], sources[BEFORE], sources[BESIDE]
        self.temporal = int(self.before >= 0)
        stencils, self.edges = series.stencils[variable][self.temporal], series.edges[variable][self.temporal]
        self.steps, used = [], []
        for feature, (source, y, x) in enumerate(NEIGHBOURS):
            if sources[source] >= 0 and any(stencil[feature] for stencil in stencils):
                self.steps.append((sources[source] - self.own) * series.size + y * series.width + x)
                used.append(feature)
        self.stencils = [[stencil[feature] for feature in used] for stencil in stencils]
        self.used, self.corrections = used, corrections
        self.back = (self.before - self.own) * series.size if self.temporal else -1
        self.recent = [[[0] * (series.nx + 4) for _ in range(2)] for _ in range(3)]
        self.residuals = [[0] * (series.nx + 4) for _ in range(2)]

    def run(self) -> None:
        series = self.series
        series.open_slice(self.own, self.before)
        for y in range(series.ny):
            series.open_row(self.own, y)
            for x in range(series.nx):
                self._value(y, x)
            series.close_row(self.own, y)

    def _value(self, y: int, x: int) -> None:
        series, planes = self.series, self.series.planes
        place = series.place(self.own, y, x)
        base = planes[place + self.back]
        inputs = [planes[place + step] - base for step in self.steps]
        near = [coarse(value) for value in inputs]
        predictions = self._predictions(place, base, inputs, near)
        mean = self._blend(predictions, y % 2, x + 2)
        guess = mean if series.closed else (mean + HALF_STEP) >> FRACTION_BITS << FRACTION_BITS
        planes[place] = guess
        if series.holes[(self.own * series.ny + y) * series.nx + x]:
            return
        size = self._distance(y, x, place, predictions, mean, guess)
        actual = guess + size * STEP
        planes[place], self.residuals[y % 2][x + 2] = actual, size
        series.errors[series.error_place(self.own, y, x)] = min(
            abs(actual - mean) >> (FRACTION_BITS - 4), LARGEST_ERROR
        )
        for k, prediction in enumerate(predictions):
            self.recent[k][y % 2][x + 2] = abs(actual - prediction)
        self._adapt(near, predictions, actual)

    def _distance(self, y: int, x: int, place: int, predictions: list[int], mean: int, guess: int) -> int:
        fraction = (mean - guess) >> (FRACTION_BITS - 6)
        chosen, places = self._places(y, x, place, predictions, fraction, guess - self.series.low)
        size = self.magnitudes.next(places[: self.contexts], chosen)
        return -size if size and self._negative(fraction, chosen, y % 2, x + 2) else size

    def _predictions(self, place: int, base: int, inputs: list[int], near: list[int]) -> list[int]:
        low, high = self.series.low, self.series.high
        plain = self._plain(place, base, inputs)
        found = [plain]
        for weights in self.corrections:
            moved = sum(weights[f] * v for f, v in zip(self.used, near, strict=True)) >> CORRECTION_BITS
            found.append(min(max(plain + moved, low), high))
        return found

    def _plain(self, place: int, base: int, inputs: list[int]) -> int:
        stencil = self.stencils[self._class(place)]
        plain = base + (sum(w * v for w, v in zip(stencil, inputs, strict=True)) >> self.series.weight_bits)
        return min(max(plain, self.series.low), self.series.high)

    def _class(self, place: int) -> int:
        """The class of stencils by how much neighbours differ."""
        if len(self.stencils) == 1:
            return 0
        planes, width = self.series.planes, self.series.width
        west, north, corner, east = (planes[place - step] for step in (1, width, width + 1, width - 1))
        activity = abs(west - corner) + abs(north - corner) + abs(north - east)
        if self.temporal:
            past = [planes[place + self.back - step] for step in (1, width, width + 1, width - 1)]
            activity += 2 * (abs(west - past[0]) + abs(north - past[1])) + abs(corner - past[2]) + abs(east - past[3])
        number = 0
        while number < len(self.stencils) - 1 and activity >= self.edges[number]:
            number += 1
        return number

    def _blend(self, predictions: list[int], row: int, x: int) -> int:
        near = []
        for errors in self.recent:
            here, above = errors[row], errors[1 - row]
            near.append(2 * here[x - 1] + here[x - 2] + 2 * above[x] + above[x - 1] + above[x + 1])
        shares = [(((min(near) + 128) << 8) // (each + 128)) ** 2 for each in near]
        total = sum(share * (each - predictions[0]) for share, each in zip(shares, predictions, strict=True))
        return predictions[0] + total // sum(shares)

    def _places(
        self, y: int, x: int, place: int, predictions: list[int], fraction: int, level: int
    ) -> tuple[int, list[int]]:
        """The bin of the expected error, and the counters of all contexts."""
        errors, planes, pitch, width = self.series.errors, self.series.planes, self.series.pitch, self.series.width
        here, local, ahead, aside, mean = self._expected(y, x)
        expected = bin_of(mean)
        apart = abs(predictions[1] - predictions[0]) + abs(predictions[2] - predictions[0])
        west, north, corner, east = (planes[place - step] for step in (1, width, width + 1, width - 1))
        texture = abs(west - corner) + abs(north - corner) + abs(north - east)
        half = expected >> 1
        found = (
            min(3, abs(fraction) >> 3) * BINS + expected,
            (bin_of(local) >> 1) * 32 + (bin_of(ahead) >> 1),
            (bin_of(errors[here - 1]) >> 1) * 32 + (bin_of(errors[here - pitch]) >> 1),
            (bin_of(apart >> (FRACTION_BITS - 4)) >> 1) * 32 + half,
            (bin_of((local + ahead) >> 1) >> 1) * 32 + (bin_of(aside) >> 1),
            (bin_of(texture >> (FRACTION_BITS - 3)) >> 1) * 32 + half,
            min(2 * (max(0, level) >> FRACTION_BITS).bit_length(), 63) * 32 + half,
        )
        return expected, [offset + number for offset, number in zip(OFFSETS, found, strict=True)]

    def _expected(self, y: int, x: int) -> tuple[int, int, int, int, int]:
        """Where the error of a value is, the mean errors nearby, before and beside, and the error that is expected."""
        errors, pitch, here = self.series.errors, self.series.pitch, self.series.error_place(self.own, y, x)
        local = 4 * errors[here - 1] + errors[here - 2] + 4 * errors[here - pitch] + errors[here - 2 * pitch]
        local = (local + 2 * (errors[here - pitch - 1] + errors[here - pitch + 1])) // 14
        others, sources = [], (self.before, self.beside)
        for source in sources:
            there = here + (source - self.own) * self.series.area
            edge = [errors[there + step] for step in (-1, 1, -pitch, pitch)] if source >= 0 else []
            others.append((4 * errors[there] + sum(edge)) // 8 if edge else 0)
        ahead, aside = others
        mean = (3 * local + 2 * ahead + 2 * aside) // (3 + 2 * sum(source >= 0 for source in sources))
        return here, local, ahead, aside, mean

    def _negative(self, fraction: int, chosen: int, row: int, x: int) -> int:
        sides = [(n > 0) + 2 * (n < 0) for n in (self.residuals[row][x - 1], self.residuals[1 - row][x])]
        place = (((fraction + 32) >> 2) * 8 + min(7, chosen >> 2)) * 9 + 3 * sides[0] + sides[1]
        return self.coder.counted(self.signs, place, 16, 400)

    def _adapt(self, near: list[int], predictions: list[int], actual: int) -> None:
        norm = 256 + sum(value * value for value in near)
        for weights, shift, prediction in zip(self.corrections, SHIFTS, predictions[1:], strict=True):
            ratio = (coarse(actual - prediction) << 28) // norm
            for feature, value in zip(self.used, near, strict=True):
                moved = weights[feature] + ((ratio * value + (1 << (shift - 1))) >> shift)
                weights[feature] = min(max(moved, -MOST_CORRECTION), MOST_CORRECTION)


def graded(difference: int, size: int, edges: tuple[int, ...]) -> int:
    """A difference in units of a size, in as many classes below as above the middle one."""
    k = sum(8 * abs(difference) >= edge * size for edge in edges)
    return len(edges) + (k if difference > 0 else -k)


def seven(difference: int, size: int) -> int:
    return graded(difference, size, (3, 10, 22))


def nine(difference: int, size: int) -> int:
    return graded(difference, size, (2, 6, 13, 30))


def pair(first: int, second: int) -> int:
    return (bin_of(first) >> 1) * 32 + (bin_of(second) >> 1)


class SignedSliceDecoder(SliceDecoder):
    """One slice of one variable, with signed contexts."""

    magnitudes: SignedNumbers  # type: ignore[assignment]

    def _distance(self, y: int, x: int, place: int, predictions: list[int], mean: int, guess: int) -> int:
        errors, planes, pitch, width = self.series.errors, self.series.planes, self.series.pitch, self.series.width
        here, local, ahead, aside, expected = self._expected(y, x)
        size, half = expected + 6, bin_of(expected) >> 1
        first = min((((mean - guess) >> 4) + 32) >> 3, 7) * BINS + bin_of(expected)
        height = max(0, guess - self.series.low) >> FRACTION_BITS
        apart = abs(predictions[1] - predictions[0]) + abs(predictions[2] - predictions[0])
        steps = (1, width, width + 1, width - 1)
        texture = sum(
            abs(planes[place - a] - planes[place - b]) for a, b in zip(steps[:2], steps[2:3] * 2, strict=True)
        )
        texture += abs(planes[place - width] - planes[place - width + 1])
        around = [(planes[place - step] - guess) >> 6 for step in steps]
        plain, moved = (seven((prediction - guess) >> 6, size) for prediction in predictions[:2])
        to_west, to_north, to_east = seven(around[0], size), seven(around[1], size), seven(around[3], size)
        west, north, east = errors[here - 1], errors[here - pitch], errors[here - pitch + 1] + errors[here - pitch - 1]
        far = seven((planes[place - 2] - planes[place - 1]) >> 6, size)
        row, above = self.residuals[y % 2], self.residuals[1 - y % 2]
        left = [seven(number << 4, size) for number in (row[x + 1], above[x + 2], above[x + 3])]
        found = (
            first,
            pair(local, ahead),
            pair(west, north),
            (bin_of(texture >> 7) >> 1) * 32 + half,
            (plain * 7 + moved) * 32 + half,
            nine(around[0], size) * 81 + nine(around[1], size) * 9 + nine(around[2], size),
            min(height.bit_length(), 15) * 49 + to_west * 7 + to_north,
            pair(west + north, east),
            (bin_of(apart >> 6) >> 1) * 32 + half,
            pair((local + ahead) >> 1, aside),
            min(2 * height.bit_length(), 63) * 32 + half,
            to_west * 49 + to_north * 7 + to_east,
            (seven(max(around), size) * 49 + seven(min(around), size) * 7 + far) * 2
            + (planes[place - 2 * width] > planes[place - width]),
            left[0] * 49 + left[1] * 7 + left[2],
            min(height, 1023),
        )
        rows = [offset + number for offset, number in zip(SIGNED_OFFSETS, found, strict=True)]
        return self.magnitudes.next(rows[: self.contexts], (first, to_west * 7 + to_north), expected)


class LocalSliceDecoder(SignedSliceDecoder):
    """One slice of one variable, with signed contexts and local fits."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        series, sources = self.series, arguments[2]
        steps = [
            (sources[source] - self.own) * series.size + y * series.width + x
            for source, y, x in local_neighbours()
            if sources[source] >= 0
        ]
        self.near = [step for step in steps if step != self.back]
        self.fits = Fits(len(self.near), -(-series.nx // BLOCK))
        self.recent = self.recent[:2]

    def _value(self, y: int, x: int) -> None:
        series, planes = self.series, self.series.planes
        place = series.place(self.own, y, x)
        base = planes[place + self.back]
        if x % BLOCK == 0:
            self.fits.open(x // BLOCK)
        plain = self._plain(place, base, [planes[place + step] - base for step in self.steps])
        features = [float(planes[place + step] - base) for step in self.near]
        moved = min(max(plain + self.fits.change(features), series.low), series.high)
        mean = self._blend([plain, moved], y % 2, x + 2)
        guess = mean if series.closed else (mean + HALF_STEP) >> FRACTION_BITS << FRACTION_BITS
        planes[place] = guess
        if series.holes[(self.own * series.ny + y) * series.nx + x]:
            return
        trust = trust_of(self._expected(y, x)[-1])
        size = self._distance(y, x, place, [plain, moved, plain], mean, guess)
        actual = guess + size * STEP
        planes[place], self.residuals[y % 2][x + 2] = actual, size
        series.errors[series.error_place(self.own, y, x)] = min(
            abs(actual - mean) >> (FRACTION_BITS - 4), LARGEST_ERROR
        )
        for k, prediction in enumerate((plain, moved)):
            self.recent[k][y % 2][x + 2] = abs(actual - prediction)
        self.fits.known.append((trust, [*features, float(actual - plain)]))
