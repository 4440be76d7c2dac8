"""Estimates from errors of fitted stencils, without coding, how many bytes the values of a field will take."""

from __future__ import annotations

import numpy as np

from baler_core.builtin.models.predictive.field import Integers
from baler_core.builtin.models.predictive.predictor import FRACTION
from baler_core.builtin.models.predictive.sampling import Sample, activities, samples_of, with_filled_holes
from baler_core.builtin.models.predictive.stencil import ROUNDING, WEIGHT_BITS, fitted

_ROWS = 3000
# Errors are expected from those of neighbours: as alike as in so many runs of values by how lively the surroundings are.
_SHARES = 24


def estimated_rate(integers: Integers, slices: int) -> float:
    """About the bytes per value, had all `slices` been given in place of some of them."""
    seen, found, whole = with_filled_holes(integers), 0.0, 0.0
    held = 1.0 if integers.holes is None else 1 - float(integers.holes.mean())
    for sample in samples_of(integers, seen, _ROWS, far=False):
        share = (slices - 1) / slices if sample.temporal else 1 / slices
        whole += share
        if sample.targets.size:
            found += share * _bits(sample, closed=integers.closed) / 8 * held
    return found / whole


def _bits(sample: Sample, *, closed: bool) -> float:
    """The entropy of the errors of a sample, in bits per value."""
    features, targets = sample.features, sample.targets
    weights = fitted(features, targets, base=sample.base if closed else None) / (1 << WEIGHT_BITS)
    errors = targets - weights @ features
    # errors are larger on values that the weights were not fitted to
    errors *= 1 + len(weights) / max(len(weights), len(errors))
    if closed:
        # neighbours are restored with errors of up to half a step, or as large as their own where those are smaller
        noise = np.minimum(errors**2, ROUNDING).mean() * (weights @ weights + (1 - weights.sum()) ** 2)
        errors += np.random.default_rng(2).normal(size=len(errors)) * np.sqrt(noise)
    sizes = np.abs(np.rint(errors / (1 << FRACTION)))[np.argsort(activities(sample), kind="stable")]
    return float(np.mean([_entropy(float(part.mean())) for part in np.array_split(sizes, _SHARES) if part.size]))


def _entropy(mean: float) -> float:
    """Bits of a whole number of geometrically distributed size with this mean, and of its sign."""
    if mean <= 0:
        return 0.0
    return float(np.log2(1 + mean) + mean * np.log2(1 + 1 / mean) + mean / (1 + mean))
