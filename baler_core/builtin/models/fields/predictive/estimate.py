"""Estimates from errors of fitted stencils, without coding, how many bytes the values of a field will take."""

from __future__ import annotations

import numpy as np

from baler_core.builtin.models.fields.predictive.field import Integers
from baler_core.builtin.models.fields.predictive.predictor import FRACTION
from baler_core.builtin.models.fields.predictive.sampling import Sample, activities, samples_of
from baler_core.builtin.models.fields.predictive.stencil import WEIGHT_BITS, fitted, spread

_ROWS = 3000
# Errors are expected from those of neighbours: as alike as in so many runs of values by how lively the surroundings are.
_SHARES = 24
# Values without a slice before, or with one, do not count where they are so few.
_LEAST_SHARE = 0.04


def estimated_rate(integers: Integers, slices: int) -> float:
    """About the bytes per value, had all `slices` been given in place of some of them."""
    found = whole = 0.0
    held = 1.0 if integers.holes is None else 1 - float(integers.holes.mean())
    shares = (1 / slices, 1 - 1 / slices)
    wanted = tuple(share > _LEAST_SHARE for share in shares)
    for sample in samples_of(integers, _ROWS, far=False, wanted=wanted):
        share = shares[sample.temporal]
        whole += share
        if len(sample.targets) >= _SHARES:
            found += share * _bits(sample) / 8 * held
    return found / whole


def _bits(sample: Sample) -> float:
    """The entropy of the errors of a sample, in bits per value."""
    features, targets = sample.features, sample.targets
    weights = fitted(features, targets, base=sample.base, roughly=True) / (1 << WEIGHT_BITS)
    # errors are larger on values that the weights were not fitted to
    errors = (targets - weights @ features) * (1 + len(weights) / max(len(weights), len(targets)))
    if sample.base is not None:
        errors += np.random.default_rng(2).normal(size=len(errors)) * np.sqrt(spread(errors, weights))
    sizes = np.abs(np.rint(errors / (1 << FRACTION)))[np.argsort(activities(sample))]
    return float(_entropy(sizes[: len(sizes) // _SHARES * _SHARES].reshape(_SHARES, -1).mean(axis=1)).mean())


def _entropy(mean: np.ndarray) -> np.ndarray:
    """Bits of whole numbers of geometrically distributed sizes with these means, and of their signs."""
    mean = np.maximum(mean, 1e-9)
    return np.asarray(np.log2(1 + mean) + mean * np.log2(1 + 1 / mean) + mean / (1 + mean))
