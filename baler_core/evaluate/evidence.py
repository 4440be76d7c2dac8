"""Collect what tells whether the loss of a variable matters: noise, distributions, lost sources, uneven residuals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import field

import numpy as np

from baler_core.data.block import values_of
from baler_core.data.bounds import Tolerance
from baler_core.data.comparison import difference, measured, pair_values
from baler_core.data.distribution_distance import distribution_distance, has_distribution
from baler_core.data.noise import Noise, noise_of
from baler_core.data.pairing import Piece
from baler_core.data.running_statistics import PairSample
from baler_core.data.uncertainties import Errors
from baler_core.data.variables import Variable
from baler_core.evaluate.peaks import lost_sources
from baler_core.machine.records import dataclass

# Planes of fewer rows and columns are no images.
_SMALLEST = 16
# Sources are looked for in so many cells of a variable at most.
_MOST_CELLS = 16_000_000
_TILES = 8
_BINS = 10
_FEWEST = 50
_STEPS = 8.0


@dataclass
class Evidence:
    """One lossy variable, fed piece by piece.

    Attributes
    ----------
    tolerance
        None where no bound is known.
    size
        Pairs of values to sample.
    errors
        The variable of the same rows that holds its errors, if there is one.
    has_planes
        Whether the last two dimensions are those of images or fields.
    noise
        Of the first planes; None until one has come.
    sources, lost
        Found in the original, and not in the restored values.
    """

    variable: Variable
    tolerance: Tolerance | None
    size: int
    errors: Errors | None = None
    has_planes: bool = True
    noise: Noise | None = None
    sources: int = 0
    lost: int = 0
    zeros: list[int] = field(default_factory=lambda: [0, 0, 0])
    emptied: int = 0
    all_positive: bool = True
    _cells: int = 0

    def __post_init__(self) -> None:
        self._pairs, self._against = PairSample(self.size), PairSample(self.size)
        self._tiles = np.zeros((3, _TILES, _TILES))

    def update(self, piece: Piece, lengths: Sequence[int]) -> None:
        """Take in a piece; `lengths` are those of the variable's dimensions in the file."""
        name = self.variable.name
        before, after = values_of(piece.original, name), values_of(piece.restored, name)
        pairs = pair_values(self.variable, before, after)
        self._pairs.update(pairs.original, pairs.residual)
        zero = pairs.original == 0
        self.zeros[0] += int(np.count_nonzero(zero))
        self.zeros[1] += int(np.count_nonzero(zero & (pairs.residual != 0)))
        self.zeros[2] += pairs.original.size
        self.emptied += int(np.count_nonzero(~zero & (pairs.residual == -pairs.original)))
        self.all_positive = self.all_positive and bool((pairs.original > 0).all())
        if self.errors is not None and self.errors.name in piece.original.variables:
            self._compare_with_errors(piece, before, after)
        if self.has_planes and before.ndim >= 2 and min(lengths[-2:]) >= _SMALLEST:
            self._look_at_planes(before, after, piece.start, lengths)

    def _compare_with_errors(self, piece: Piece, before: np.ndarray, after: np.ndarray) -> None:
        assert self.errors is not None
        sizes = values_of(piece.original, self.errors.name)
        if sizes.shape[: before.ndim] != before.shape or sizes.dtype.kind not in "iuf":
            return
        sigma = np.abs(sizes.astype(np.float64))
        if sigma.ndim > before.ndim:  # lower and upper errors
            sigma = sigma.reshape(*before.shape, -1).min(axis=-1)
        with np.errstate(all="ignore"):
            if self.errors.measure != "sigma":
                sigma = np.sqrt(sigma) if self.errors.measure == "variance" else 1 / np.sqrt(sigma)
            residual = np.abs(difference(after, before) * self.variable.scale)
        known = measured(self.variable, before) & np.isfinite(sigma) & (sigma > 0) & np.isfinite(residual)
        self._against.update(residual[known], sigma[known])

    def _look_at_planes(self, before: np.ndarray, after: np.ndarray, start: int, lengths: Sequence[int]) -> None:
        """Noise and sources of planes, and residuals by place in the plane."""
        shown = [self._physical(values) for values in (before, after)]
        planes = [values.reshape(-1, *values.shape[-2:]) for values in shown]
        if self.noise is None and min(planes[0].shape[-2:]) >= _SMALLEST:
            step = float(np.finfo(before.dtype).eps) if before.dtype.kind == "f" else 0.0
            known = planes[0][np.isfinite(planes[0])]
            self.noise = noise_of(planes[0], rounding=4 * step * float(np.abs(known).max(initial=0.0)))
        if self.noise is not None and self.noise.is_noise and self._cells < _MOST_CELLS:
            for one, other in zip(*planes, strict=True):
                found, lost = lost_sources(one, other, self.noise.sigma)
                self.sources, self.lost = self.sources + found, self.lost + lost
            self._cells += before.size
        self._add_tiles(planes[0], planes[1] - planes[0], start if before.ndim == 2 else 0, lengths[-2:])

    def _physical(self, values: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            physical = values.astype(np.float64) * self.variable.scale + self.variable.offset
        return np.where(measured(self.variable, values), physical, np.nan)

    def _add_tiles(self, original: np.ndarray, residual: np.ndarray, first: int, lengths: Sequence[int]) -> None:
        """Sums of residuals / allowed error in tiles of the plane: number, sum, sum of squares."""
        share = self._share(original, residual)
        rows = (first + np.arange(share.shape[1])) * _TILES // lengths[0]
        columns = np.arange(share.shape[2]) * _TILES // lengths[1]
        tile = (rows[:, None] * _TILES + columns)[None].repeat(len(share), 0).ravel()
        flat = share.ravel()
        known = np.isfinite(flat)
        for place, values in enumerate((known.astype(np.float64), flat, flat**2)):
            sums = np.bincount(tile, np.where(known, values, 0.0), minlength=_TILES**2)
            self._tiles[place] += sums.reshape(_TILES, _TILES)

    def _share(self, original: np.ndarray, residual: np.ndarray) -> np.ndarray:
        """Residuals as parts of what is allowed; residuals themselves where that is not one number or part of values."""
        if self.tolerance is None or self.tolerance.kind in ("free", "each"):
            return residual
        with np.errstate(all="ignore"):
            stored = (original - self.variable.offset) / self.variable.scale
            allowed = self.tolerance.allowed(stored) * abs(self.variable.scale)
            return np.asarray(np.where(allowed > 0, residual / allowed, np.nan))

    # ---- what it comes to

    @property
    def noise_share(self) -> float | None:
        """RMS residual / noise, or the root mean square of residuals / errors; None where neither is known."""
        residual, sigma = self._against.pairs
        if residual.size >= _FEWEST:
            with np.errstate(all="ignore"):
                # Of errors that are spread evenly, the mean square is 4/3 of the median square.
                return float(np.sqrt(np.median((residual / sigma) ** 2) * 4 / 3))
        if self.noise is None or not self.noise.is_noise or not self._pairs.seen:
            return None
        return float(np.sqrt(np.mean(self._pairs.pairs[1] ** 2)) / self.noise.sigma)

    @property
    def has_distribution(self) -> bool:
        """Whether there are enough values, and different ones, to compare distributions."""
        return has_distribution(self._pairs.pairs[0])

    @property
    def distance(self) -> float:
        """How far the distributions are apart, 0 where there are too few values to tell."""
        original, residual = self._pairs.pairs
        relative = self.tolerance is not None and self.tolerance.kind in ("rel", "bits")
        return distribution_distance(original, original + residual, relative=relative)

    @property
    def bias_by_value(self) -> tuple[float, float, float] | None:
        """The range of values with the strongest bias, and that as a part of the allowed error; None if there is none."""
        original, residual = self._pairs.pairs
        share = self._share(original, residual)
        known = np.isfinite(share)
        original, share = original[known], share[known]
        if original.size < _BINS * _FEWEST or self._unjudged:
            return None
        parts = np.array_split(np.argsort(original, kind="stable"), _BINS)
        means = [
            _significant_mean(share[part].sum(), (share[part] ** 2).sum(), part.size)
            if self._tells(original[part], residual[known][part])
            else 0.0
            for part in parts
        ]
        worst = int(np.argmax(np.abs(means)))
        return float(original[parts[worst]].min()), float(original[parts[worst]].max()), means[worst]

    @staticmethod
    def _tells(original: np.ndarray, residual: np.ndarray) -> bool:
        """Whether a mean residual means something: not of few values that most rows share, nor within a step or two."""
        wide = float(np.ptp(original)) >= _STEPS * float(np.abs(residual).max(initial=0.0))
        counts = np.unique(original, return_counts=True)[1]
        return wide and original.size**2 >= _FEWEST * float((counts.astype(np.float64) ** 2).sum())

    @property
    def bias_by_place(self) -> float | None:
        """The strongest mean residual of a tile of the planes, as a part of the allowed error."""
        count, total, squares = self._tiles
        if self._unjudged or not (count >= _FEWEST).any():
            return None
        means = [_significant_mean(*one) for one in zip(total.flat, squares.flat, count.flat, strict=True)]
        return max(means, key=abs)

    @property
    def _unjudged(self) -> bool:
        return self.tolerance is None or self.tolerance.kind in ("free", "each")


def _significant_mean(total: float, squares: float, count: float) -> float:
    """A mean that stands out of its own uncertainty by five deviations; else 0."""
    if count < _FEWEST:
        return 0.0
    mean = total / count
    deviation = math.sqrt(max(squares / count - mean**2, 0.0))
    return float(mean) if abs(mean) > 5 * deviation / math.sqrt(count) else 0.0


def errors_of(name: str, beside: Mapping[str, Sequence[Errors]]) -> Errors | None:
    """Return the variable that holds the errors of another; None if there is none."""
    return next(iter(beside.get(name, ())), None)
