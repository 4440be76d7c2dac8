"""Fit separate stencils for values whose neighbours differ little and much, where that pays."""

from __future__ import annotations

import numpy as np

from baler_core.builtin.models.fields.predictive.sampling import StencilSample, activities
from baler_core.builtin.models.fields.predictive.stencil import (
    COLUMNS,
    EDGE,
    HALF_STEP,
    LARGEST_EDGE,
    MOST_CLASSES,
    WEIGHT_BITS,
    fitted,
    spread,
)

# Classes must leave so much less to code, and save so many bits, about what it takes, for each further weight.
_PAYS = 0.985
BITS_PER_WEIGHT = 12
# The mean errors of so many shares of the values count.
_SHARES = 32


def fit_classes(sample: StencilSample, start: np.ndarray, values: int) -> np.ndarray:
    """Fit stencils for equally many values each, in order of activity, or one for all: int64 (classes, COLUMNS).

    Parameters
    ----------
    start
        Weights of one stencil for all values: int64 (FEATURES,).
    values
        How many will be coded.
    """
    single = np.append(start, LARGEST_EDGE)[None]
    if not sample.targets.size:
        return single
    activity = activities(sample)
    edges = np.quantile(activity, np.arange(1, MOST_CLASSES) / MOST_CLASSES).astype(np.int64)
    classes = np.searchsorted(edges, activity, side="right")
    found = np.zeros((MOST_CLASSES, COLUMNS), np.int64)
    found[:-1, EDGE] = np.minimum(edges, LARGEST_EDGE)
    for number, stencil in enumerate(found):
        own = classes == number
        part = sample.features[:, own]
        stencil[sample.used] = fitted(part, sample.targets[own], start[sample.used], base=sample.base, loyal=True)
    together = expected_bits(sample, single, activity=activity)
    apart = expected_bits(sample, found, classes, activity)
    cost = BITS_PER_WEIGHT * len(sample.used) * (MOST_CLASSES - 1)
    return found if apart < _PAYS * together and (together - apart) * values > cost else single


def expected_bits(
    sample: StencilSample,
    stencils: np.ndarray,
    classes: np.ndarray | None = None,
    activity: np.ndarray | None = None,
    bits: int = WEIGHT_BITS,
) -> float:
    """Estimate the bits that a value's error takes with its class of stencils, beyond what it takes at least.

    `activity` are the `activities`, where they are known.
    """
    if not sample.targets.size:
        return 0.0
    classes = np.zeros(len(sample.targets), np.intp) if classes is None else classes
    activity = activities(sample) if activity is None else activity
    errors = np.empty(len(classes))
    for number, weights in enumerate(stencils[:, sample.used] / (1 << bits)):
        own = classes == number
        left = sample.targets[own] - weights @ sample.features[:, own]
        errors[own] = (
            np.sqrt(left**2 + spread(left, weights)) if sample.base is not None and left.size else np.abs(left)
        )
    errors *= 1 + len(sample.used) / max(1, len(errors))
    shares = np.array_split(errors[np.argsort(activity, kind="stable")], _SHARES)
    return float(np.mean([np.log2(1 + part.mean() / HALF_STEP) for part in shares if part.size]))
