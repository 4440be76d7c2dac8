"""Learns the weights of stencils from some values of a chunk, and again from what those before would restore."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from baler_core.builtin.models.predictive.field import Integers, encode_with
from baler_core.builtin.models.predictive.predictor import FRACTION
from baler_core.builtin.models.predictive.series import BEFORE, OWN, find_sources
from baler_core.builtin.models.predictive.stencil import (
    COLUMNS,
    EDGE,
    FEATURES,
    LARGEST_WEIGHT,
    MOST_CLASSES,
    NEIGHBOURS,
    SOURCES,
    activities,
    fitted,
    used_features,
)
from baler_core.compiled import Array, Integer, compiled, inlined
from baler_core.interfaces import Effort

# Numbers of contexts that are mixed.
MIXED: Mapping[Effort, int] = {"fast": 0, "balanced": 3, "max": 7}
# Values that stencils are learned from, in runs of neighbours, which lie together in memory.
_ROWS: Mapping[Effort, int] = {"fast": 6_000, "balanced": 20_000, "max": 40_000}
_RUN = 8
# How often stencils are learned again, and from how many values of the first slices.
_PASSES: Mapping[Effort, int] = {"fast": 0, "balanced": 1, "max": 2}
_LARGEST_EDGE = 1 << 30
_FEW: Mapping[Effort, int] = {"fast": 0, "balanced": 1 << 18, "max": 1 << 30}


def encode_integers(integers: Integers, effort: Effort = "max", known: np.ndarray | None = None) -> bytes:
    """All values outside holes, and a checksum of what will be restored.

    Parameters
    ----------
    known
        Stencils that suited another file: then none are learned.
    """
    if known is not None and known.shape == (integers.values.shape[1], 2, 1, COLUMNS):
        weights = np.clip(known.astype(np.int64), -LARGEST_WEIGHT, LARGEST_WEIGHT)
        return encode_with(integers, weights, MIXED[effort])[0]
    best, restored = encode_with(integers, refined_stencils(integers, effort), MIXED[effort])
    if integers.closed and effort == "max":
        again, _ = encode_with(integers, learn_stencils(integers, restored, effort, MOST_CLASSES), MIXED[effort])
        best = min(best, again, key=len)
    return best


def refined_stencils(integers: Integers, effort: Effort) -> np.ndarray:
    """Stencils, with more effort learned again from what was restored by those before."""
    weights = learn_stencils(integers, None if integers.closed else integers.values, effort)
    if not integers.closed or _PASSES[effort] == 0:
        return weights
    return _relearned(_few_slices(integers, _FEW[effort]), weights, effort)


def _relearned(integers: Integers, weights: np.ndarray, effort: Effort) -> np.ndarray:
    """Stencils learned from what was restored by those before, as long as quick coding says that this pays."""
    least, restored = encode_with(integers, weights, MIXED["fast"])
    for _ in range(_PASSES[effort]):
        others = learn_stencils(integers, restored, effort)
        data, restored = encode_with(integers, others, MIXED["fast"])
        if len(data) >= len(least):
            break
        weights, least = others, data
    return weights


def _few_slices(integers: Integers, values: int) -> Integers:
    """The first slices, whole stacks of them."""
    per_stack = integers.stack * int(np.prod(integers.values.shape[1:]))
    count = integers.stack * max(3, -(-values // max(1, per_stack)))
    holes = None if integers.holes is None else integers.holes[:count]
    return replace(integers, values=integers.values[:count], holes=holes)


def learn_stencils(integers: Integers, restored: np.ndarray | None, effort: Effort, classes: int = 1) -> np.ndarray:
    """Stencils for each variable, without and with a slice before: int64 (variables, 2, classes, COLUMNS).

    Values of some places are looked at, and neighbours of them as a decoder will see them: as in `restored` (same shape
    as the values), or with errors of up to half a step if that is not known yet.
    """
    slices, variables, ny, nx = integers.values.shape
    stencils = np.zeros((variables, 2, classes, COLUMNS), np.int64)
    random = np.random.default_rng(1)
    seen, blurred = (integers.values, 1) if restored is None else (restored, 0)
    for variable in range(variables):
        for temporal, numbers in enumerate((range(min(1, slices)), range(1, slices))):
            if not numbers:
                continue
            places = _places(numbers, ny, nx, _ROWS[effort] * (1 + (classes > 1)), random)
            if integers.holes is not None:
                places = places[~integers.holes[places[:, 0], variable, places[:, 1], places[:, 2]]]
            used = used_features(temporal > 0, variable > 0, effort == "max")
            features, targets = np.zeros((len(places), FEATURES)), np.zeros(len(places))
            look_up(features, targets, integers.values, seen, places, variable, integers.stack, blurred)
            stencils[variable, temporal] = _classes(features, targets, used, temporal > 0, classes)
    return stencils


def _classes(features: np.ndarray, targets: np.ndarray, used: np.ndarray, temporal: bool, count: int) -> np.ndarray:
    """Stencils of equally many values each, from calm to lively ones: int64 (count, COLUMNS)."""
    found = np.zeros((count, COLUMNS), np.int64)
    found[:, np.flatnonzero(used)] = common = fitted(features[:, used], targets)
    if count == 1 or not len(features):
        return found
    lively = activities(features, temporal)
    edges = np.quantile(lively, np.arange(1, count) / count).astype(np.int64)
    number = np.searchsorted(edges, lively, side="right")
    found[:-1, EDGE] = np.minimum(edges, _LARGEST_EDGE)
    for own in range(count):
        chosen = number == own
        found[own, np.flatnonzero(used)] = fitted(features[np.ix_(chosen, used)], targets[chosen], common)
    return found


def _places(numbers: range, ny: int, nx: int, rows: int, random: np.random.Generator) -> np.ndarray:
    """Places (slice, y, x) in some slices: all of them if there are few, else at random."""
    total = len(numbers) * ny * nx
    if total <= rows:
        flat = np.arange(total)
    else:
        flat = ((random.integers(0, total, (rows // _RUN, 1)) + np.arange(_RUN)) % total).ravel()
    return np.stack([numbers.start + flat // (ny * nx), flat // nx % ny, flat % nx], 1)


@compiled
def look_up(
    features: Array, targets: Array, values: Array, seen: Array, places: Array, variable: Integer, stack: Integer,
    blurred: Integer,
) -> None:  # fmt: skip
    """Fill in how far neighbours lie from the base, and the values; the edge repeats beyond it."""
    _, variables, ny, nx = values.shape
    sources = np.zeros(4, np.int64)
    for row in range(places.shape[0]):
        number, y, x = places[row]
        find_sources(sources, number, variable, variables, stack)
        if sources[BEFORE] >= 0:
            base = seen_value(seen, sources[BEFORE], y, x, blurred)
        else:
            base = seen_value(seen, sources[OWN], y, max(x - 1, 0), blurred)
        targets[row] = values[number, variable, y, x] - base
        for i in range(features.shape[1]):
            if sources[SOURCES[i]] >= 0:
                there, beyond = y + NEIGHBOURS[i, 0], x + NEIGHBOURS[i, 1]
                near = seen_value(
                    seen, sources[SOURCES[i]], min(max(there, 0), ny - 1), min(max(beyond, 0), nx - 1), blurred
                )
                features[row, i] = near - base


@inlined
def seen_value(seen: Array, plane: Integer, y: Integer, x: Integer, blurred: Integer) -> Integer:
    """A value, with an error that is always the same for one place if they are blurred."""
    _, variables, ny, nx = seen.shape
    value = seen[plane // variables, plane % variables, y, x]
    if blurred == 0:
        return value
    scrambled = (((plane * ny + y) * nx + x) * 0x9E3779B1) & 0xFFFFFFFF
    scrambled = ((scrambled ^ (scrambled >> 15)) * 0x85EBCA77) & 0xFFFFFFFF
    return value + ((scrambled >> 13) & ((1 << FRACTION) - 1)) - (1 << (FRACTION - 1))
