"""Compute statistics of a stream of values in bounded memory: moments, extremes and a random sample."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np


class Moments:
    """Count, mean, root mean square, smallest and largest of all values seen.

    Feed it finite values only; squares beyond the float64 range make the RMS infinite, not an error.
    """

    def __init__(self) -> None:
        self.count = 0
        self.low = math.inf
        self.high = -math.inf
        self._sum = 0.0
        self._squares = 0.0

    def update(self, values: np.ndarray) -> None:
        """Take in an array of any shape."""
        if not values.size:
            return
        self.count += values.size
        self.low = min(self.low, float(values.min()))
        self.high = max(self.high, float(values.max()))
        with np.errstate(over="ignore"):
            self._sum += float(values.sum(dtype=np.float64))
            self._squares += float(np.square(values, dtype=np.float64).sum())

    @property
    def mean(self) -> float:
        """Arithmetic mean; NaN without values."""
        return self._sum / self.count if self.count else math.nan

    @property
    def rms(self) -> float:
        """Root mean square about zero; NaN without values."""
        return math.sqrt(self._squares / self.count) if self.count else math.nan


class Sample:
    """A uniform random sample of all values seen, of at most `size`; the same for the same pieces and seed.

    Every value draws a random key, and those with the smallest keys stay (Efraimidis & Spirakis, Inf. Proc. Lett. 97
    (2006) 181, with equal weights): unlike every n-th value it cannot fall in step with the rows of a grid. Once few
    values have a chance to stay, the gaps between them are drawn instead of a key for each.
    """

    def __init__(self, size: int, *, seed: int = 1) -> None:
        self.size = size
        self.seen = 0
        self._random = np.random.default_rng(seed)
        self._cut = 1.0
        self._keys = np.empty(0)
        self._values = np.empty(0)

    def update(self, values: np.ndarray) -> None:
        """Take in an array of any shape, as float64."""
        flat = values.ravel()
        self.seen += flat.size
        places = self._places(flat.size)
        self._keys = np.concatenate([self._keys, self._cut * self._random.random(places.size)])
        self._values = np.concatenate([self._values, flat[places].astype(np.float64)])
        if self._keys.size > self.size:
            smallest = np.argpartition(self._keys, self.size)[: self.size]
            self._keys, self._values = self._keys[smallest], self._values[smallest]
            self._cut = float(self._keys.max())

    def _places(self, count: int) -> np.ndarray:
        """Which of the next `count` values draw a key below the largest that stays: each with that probability."""
        if self._cut == 1:
            return np.arange(count)
        expected = count * self._cut
        places = np.empty(0, np.int64)
        while not places.size or places[-1] < count:
            gaps = self._random.geometric(self._cut, int(expected + 6 * math.sqrt(expected)) + 16)
            places = np.concatenate([places, (places[-1] if places.size else -1) + np.cumsum(gaps)])
        return places[places < count]

    @property
    def values(self) -> np.ndarray:
        """The sample so far: float64, 1-D, in no particular order."""
        return self._values

    def quantiles(self, fractions: Iterable[float]) -> list[float]:
        """Return quantiles of the sample; NaN without values."""
        wanted = list(fractions)
        if not self._values.size:
            return [math.nan] * len(wanted)
        return [float(q) for q in np.quantile(self._values, wanted)]


def sample_size(variables: int, *, most: int, total: int = 4_000_000) -> int:
    """Values to sample of each of so many variables: `most`, or fewer so that all together stay below `total`."""
    return max(1000, min(most, total // max(1, variables)))


class PairSample:
    """Samples of two streams of equal length, at the same places."""

    def __init__(self, size: int) -> None:
        # Which places stay depends on the seed and on how many values there are, not on the values.
        self._samples = Sample(size), Sample(size)

    def update(self, first: np.ndarray, second: np.ndarray) -> None:
        """Take in two arrays of the same shape."""
        for sample, values in zip(self._samples, (first, second), strict=True):
            sample.update(values)

    @property
    def seen(self) -> int:
        """How many pairs were taken in."""
        return self._samples[0].seen

    @property
    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Both samples so far: float64, 1-D, pair by pair."""
        return self._samples[0].values, self._samples[1].values
