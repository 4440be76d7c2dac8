"""Learns stencils of their own for values in calm and in lively surroundings, where that pays."""

from __future__ import annotations

import numpy as np

from baler_core.builtin.models.predictive.sampling import Sample, activities
from baler_core.builtin.models.predictive.stencil import (
    COLUMNS,
    EDGE,
    LARGEST_EDGE,
    MOST_CLASSES,
    WEIGHT_BITS,
    fitted,
)

# Classes must leave so much less to code, and save so many bits for each further weight.
_PAYS, _BITS_PER_WEIGHT = 0.985, 12
# Errors are told apart from this size on, in 1/1024 of a step; the mean ones of so many shares of the values count.
_HALF_STEP, _SHARES = 512, 32


def learned_classes(sample: Sample, start: np.ndarray, values: int) -> np.ndarray:
    """Stencils for equally many values each, from calm to lively ones, or one for all: int64 (classes, COLUMNS).

    Parameters
    ----------
    start
        Weights of one stencil for all values: int64 (FEATURES,); features without a weight get none.
    values
        How many will be coded.
    """
    known = np.flatnonzero(start[sample.used])
    columns, features, targets = sample.used[known], sample.features[known], sample.targets
    common = start[columns]
    single = np.append(start, LARGEST_EDGE)[None]
    if not features.size:
        return single
    lively = activities(sample)
    edges = np.quantile(lively, np.arange(1, MOST_CLASSES) / MOST_CLASSES).astype(np.int64)
    classes = np.searchsorted(edges, lively, side="right")
    found = np.zeros((MOST_CLASSES, COLUMNS), np.int64)
    found[:-1, EDGE] = np.minimum(edges, LARGEST_EDGE)
    for number, stencil in enumerate(found):
        own = classes == number
        stencil[columns] = fitted(features[:, own], targets[own], common, loyal=True)
    together = _bits(features, targets, single[:, columns], np.zeros_like(classes), lively)
    apart = _bits(features, targets, found[:, columns], classes, lively)
    cost = _BITS_PER_WEIGHT * len(columns) * (MOST_CLASSES - 1)
    return found if apart < _PAYS * together and (together - apart) * values > cost else single


def _bits(
    features: np.ndarray, targets: np.ndarray, weights: np.ndarray, classes: np.ndarray, lively: np.ndarray
) -> float:
    """About the bits that a value's error takes, beyond what it takes at least."""
    predictions = weights / (1 << WEIGHT_BITS) @ features
    predicted = predictions[classes, np.arange(len(targets))]
    errors = np.abs(targets - predicted)[np.argsort(lively, kind="stable")]
    return float(
        np.mean([np.log2(1 + part.mean() / _HALF_STEP) for part in np.array_split(errors, _SHARES) if part.size])
    )
