"""Compute histograms of a variable before and after in common bins, and of its residuals."""

from __future__ import annotations

import math

import numpy as np

from baler_core.data.bounds import Tolerance, ValueRange
from baler_core.data.comparison import pair_values, responses
from baler_core.data.running_statistics import Moments, Sample
from baler_core.data.variables import Variable
from baler_core.evaluate.drawings import Distribution, Histogram
from baler_core.machine.records import dataclass

_BINS = 100
_FEWEST_BINS = 20
_LOSS_BINS = 80
_DECADES = 2.5
_NORMAL = np.finfo(np.float64)
# What lies farther out is counted, not drawn: widths of bins are finite, and so are the ticks beyond that axes try.
_FARTHEST = 1e150


@dataclass(frozen=True)
class Bins:
    """Edges of common bins (float64, ascending, physical units), and whether they are equal in the logarithm."""

    edges: np.ndarray
    logarithmic: bool = False


def choose_bins(values: np.ndarray, low: float, high: float, allowed: np.ndarray | None = None) -> Bins:
    """Return bins for a variable, from a sample of its values and its smallest and largest value.

    `allowed` holds the error allowed to each value of the sample: bins are no narrower than twice the steps that
    restored values may lie apart, lest a histogram show the steps and not the distribution.

    Whole numbers, of whatever dtype, get bins around whole numbers. Positive (or zero) values spanning decades get logarithmic bins. A range
    made by few far values is cut to the bulk: what lies outside is counted, not drawn.
    """
    low, high = (min(max(end, -_FARTHEST), _FARTHEST) for end in (low, high))
    bins = _bins_of(np.clip(values, -_FARTHEST, _FARTHEST), low, high, allowed)
    first, last = float(bins.edges[0]), float(bins.edges[-1])
    least = 4 * float(np.spacing(max(abs(first), abs(last))))
    if bins.logarithmic or (last - first) / (len(bins.edges) - 1) >= least:
        return bins
    last = max(last, first + least)
    return Bins(np.linspace(first, last, max(1, int((last - first) / least)) + 1))


def _bins_of(values: np.ndarray, low: float, high: float, allowed: np.ndarray | None = None) -> Bins:
    """Return bins as `choose_bins` describes them, perhaps narrower than float64 can tell apart."""
    whole = bool(np.all(values == np.round(values))) and high - low < 2.0**50
    if not values.size or not low < high:
        centre = low if math.isfinite(low) else 0.0
        half = 0.5 if whole or centre == 0 else abs(centre) * 1e-3
        return Bins(np.array([centre - half, centre + half]))
    if whole:
        return Bins(_whole_edges(*_bulk(values, low, high)))
    positive = values[values > 0]
    if low >= 0 and positive.size > 0.02 * values.size and _decades(positive) > _DECADES:
        first = low if low > 0 else float(positive.min())
        first = max(first, float(np.quantile(positive, 0.001)) / 10)
        with np.errstate(over="ignore"):  # beside the smallest numbers
            relative = _typical(allowed[values > 0] / positive) if allowed is not None else 0.0
        span = math.log(high) - math.log(first)
        bins = _count(span, math.log1p(4 * relative))
        margin = math.exp(span / bins)
        ends = max(first / margin, 1 / _FARTHEST), min(high, _FARTHEST / margin) * margin
        return Bins(np.geomspace(*ends, bins + 1), logarithmic=True)
    first, last = _bulk(values, low, high)
    typical = _typical(allowed) if allowed is not None else 0.0
    bins = _count(last - first, 4 * typical)
    width = (last - first) / bins  # for restored values a little beyond the original's range
    if allowed is not None and 0 < typical == allowed.max() and width < 40 * typical < _FARTHEST:
        return Bins(_stepped_edges(first, last, 2 * typical, width))
    first = max(0.0, first - width) if low >= 0 else first - width
    return Bins(np.linspace(first, last + width, bins + 1))


def _stepped_edges(first: float, last: float, step: float, width: float) -> np.ndarray:
    """Edges between multiples of a step, each bin the same number of them: else bins with one more step stand out."""
    width = step * max(1, round(width / step))
    first = (math.floor(first / step) - 0.5) * step
    count = math.ceil((last - first) / width) + 1
    return np.asarray(first + width * np.arange(count + 1))


def _typical(allowed: np.ndarray) -> float:
    """The median of the finite ones; 0 if there is none."""
    finite = allowed[np.isfinite(allowed)]
    return float(np.median(finite)) if finite.size else 0.0


def _count(span: float, narrowest: float) -> int:
    """How many bins, none narrower than wanted as long as there remain a few."""
    return int(np.clip(span / narrowest, _FEWEST_BINS, _BINS)) if narrowest > 0 else _BINS


def _decades(positive: np.ndarray) -> float:
    """Decades that the bulk of positive values spans."""
    low, high = np.quantile(positive, [0.01, 0.999])
    return float(np.log10(high) - np.log10(low))


def _bulk(values: np.ndarray, low: float, high: float) -> tuple[float, float]:
    """The whole range, or where all but a few values lie if that is much narrower."""
    inner_low, inner_high = (float(q) for q in np.quantile(values, [0.0005, 0.9995], method="nearest"))
    margin = 0.1 * (inner_high - inner_low)
    if margin > 0 and high - low > 5 * (inner_high - inner_low):
        return max(low, inner_low - margin), min(high, inner_high + margin)
    return low, high


def _whole_edges(low: float, high: float) -> np.ndarray:
    """Edges halfway between whole numbers, several of them per bin if the range is wide."""
    low, high = math.floor(low), math.ceil(high)
    width = max(1, math.ceil((high - low + 1) / _BINS))
    count = math.ceil((high - low + 1) / width)
    return np.asarray(low - 0.5 + width * np.arange(count + 1, dtype=np.float64))


class _Counter:
    """A histogram being filled."""

    def __init__(self, bins: Bins) -> None:
        self._bins = bins
        self._counts = np.zeros(len(bins.edges) - 1, np.int64)
        self._below = self._above = self.zeros = 0

    def update(self, values: np.ndarray) -> None:
        """Take in physical values, 1-D."""
        low, high = self._bins.edges[0], self._bins.edges[-1]
        if self._bins.logarithmic:
            self.zeros += int(np.count_nonzero(values == 0))
            self._below += int(np.count_nonzero(values < 0))
            low, high, values = np.log(low), np.log(high), np.log(values[values > 0])
        self._counts += np.histogram(values, self._counts.size, (low, high))[0]
        self._below += int(np.count_nonzero(values < low))
        self._above += int(np.count_nonzero(values > high))

    def histogram(self) -> Histogram:
        return Histogram(self._bins.edges, self._counts, self._below, self._above)


class DistributionRecorder:
    """One variable's distributions, filled block by block.

    Parameters
    ----------
    limits, sample
        Range (stored units) and sample (physical units) of the original, from a first walk.
    tolerance
        None where no bound is known.
    size
        Values to sample for the histograms of response and residual.
    """

    def __init__(
        self, variable: Variable, limits: ValueRange, sample: Sample, *, tolerance: Tolerance | None, size: int
    ) -> None:
        ends = sorted(value * variable.scale + variable.offset for value in (limits.low, limits.high))
        with np.errstate(all="ignore"):
            stored = (sample.values - variable.offset) / variable.scale
            alike = tolerance is not None and tolerance.kind != "each"
            allowed = tolerance.allowed(stored) * abs(variable.scale) if tolerance is not None and alike else None
        bins = choose_bins(sample.values, ends[0], ends[1], allowed)
        self._variable = variable
        self._logarithmic = bins.logarithmic
        self._before, self._after = _Counter(bins), _Counter(bins)
        self._response, self._residual = Sample(size), Sample(size)
        self._response_moments, self._residual_moments = Moments(), Moments()
        self._undefined = [0, 0]

    def update(self, original: np.ndarray, restored: np.ndarray) -> None:
        """Take in the stored values of a block: same shape and dtype both."""
        pairs = pair_values(self._variable, original, restored)
        self._before.update(pairs.original)
        self._after.update(pairs.restored)
        self._residual.update(pairs.residual)
        self._residual_moments.update(pairs.residual)
        ratio = responses(pairs)
        defined = ratio[np.isfinite(ratio)]
        self._response.update(defined)
        self._response_moments.update(defined)
        infinite = int(np.count_nonzero(np.isinf(ratio)))
        self._undefined[0] += infinite
        self._undefined[1] += ratio.size - defined.size - infinite + pairs.not_finite

    def distribution(self) -> Distribution:
        """Return what was recorded."""
        return Distribution(
            before=self._before.histogram(),
            after=self._after.histogram(),
            response=_loss_histogram(self._response.values),
            residual=_loss_histogram(self._residual.values),
            logarithmic=self._logarithmic,
            zeros=(self._before.zeros, self._after.zeros),
            values=self._residual.seen,
            sampled=self._residual.values.size,
            undefined=(self._undefined[0], self._undefined[1]),
            response_moments=(self._response_moments.mean, self._response_moments.rms),
            residual_moments=(self._residual_moments.mean, self._residual_moments.rms),
        )


def _loss_histogram(values: np.ndarray) -> Histogram:
    """Bins symmetric about 0 that hold the bulk of a sample of losses."""
    if not values.size:
        return Histogram(np.array([-1.0, 1.0]), np.zeros(1, np.int64))
    magnitude = np.abs(values)
    largest, bulk = float(magnitude.max()), float(np.quantile(magnitude, 0.995))
    end = largest if largest <= 3 * bulk else 1.5 * bulk
    end = min(end or largest or 1.0, _FARTHEST) * (1 + 1e-9)
    edges = np.linspace(-end, end, _LOSS_BINS + 1)
    counts = np.histogram(values, edges)[0].astype(np.int64)
    return Histogram(edges, counts, int(np.count_nonzero(values < -end)), int(np.count_nonzero(values > end)))
