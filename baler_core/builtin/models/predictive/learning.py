"""Learns the weights of stencils from some values of a chunk, and again from what those before would restore."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from baler_core.builtin.models.predictive.classes import learned_classes
from baler_core.builtin.models.predictive.field import Integers, counted_with, encode_with
from baler_core.builtin.models.predictive.predictor import FRACTION
from baler_core.builtin.models.predictive.series import BEFORE, OWN, find_sources
from baler_core.builtin.models.predictive.stencil import (
    COLUMNS,
    EDGE,
    FEATURES,
    LARGEST_EDGE,
    MOST_CLASSES,
    NEIGHBOURS,
    SOURCES,
    fitted,
    used_features,
)
from baler_core.compiled import Array, Integer, compiled, inlined
from baler_core.interfaces import Effort

# Numbers of contexts that are mixed.
MIXED: Mapping[Effort, int] = {"fast": 0, "balanced": 3, "max": 7}
# Values that stencils are learned from, in runs of neighbours, which lie together in memory.
_ROWS: Mapping[Effort, int] = {"fast": 6_000, "balanced": 20_000, "max": 20_000}
_RUN = 8
# How often stencils are learned again, and from how many values of the first slices.
_PASSES: Mapping[Effort, int] = {"fast": 0, "balanced": 1, "max": 1}
_FEW: Mapping[Effort, int] = {"fast": 0, "balanced": 1 << 18, "max": 1 << 30}
# Of fewer values, more ways are tried, as far neighbours and classes may not be worth their weights.
_FEW_VALUES = 1 << 18


def encode_integers(integers: Integers, effort: Effort = "max", known: np.ndarray | None = None) -> bytes:
    """All values outside holes, and a checksum of what will be restored.

    Parameters
    ----------
    known
        Stencils that suited another file: then none are learned.
    """
    if known is not None and _suits(known, integers.values.shape[1]):
        return encode_with(integers, known, MIXED[effort])[0]
    few = integers.values.size < _FEW_VALUES
    stencils = refined_stencils(integers, effort, far=effort == "max" and not few)
    best, restored = encode_with(integers, stencils, MIXED[effort])
    if not integers.closed or effort != "max":
        return best
    again = learn_stencils(integers, restored, effort, None if few else stencils, far=True)
    apart = with_classes(integers, restored, effort, again)
    tries = [apart] if apart.shape[2] > 1 else []
    if not tries or few or 8 * len(best) < integers.values.size:
        tries.append(again)
    return min([best, *(encode_with(integers, weights, MIXED[effort])[0] for weights in tries)], key=len)


def counted_size(integers: Integers) -> float:
    """About how many bytes `encode_integers` makes with little effort."""
    return counted_with(integers, refined_stencils(integers, "fast", far=False))[0]


def _suits(known: np.ndarray, variables: int) -> bool:
    """Whether stencils that were read can be used."""
    fits = known.ndim == 4 and known.dtype == np.int64 and known.shape[2] in range(1, MOST_CLASSES + 1)
    return fits and known.shape == (variables, 2, known.shape[2], COLUMNS) and int(np.abs(known).max()) <= LARGEST_EDGE


def refined_stencils(integers: Integers, effort: Effort, *, far: bool) -> np.ndarray:
    """Stencils, with more effort learned again from what was restored by those before."""
    stencils = learn_stencils(integers, None if integers.closed else integers.values, effort, far=far)
    if not integers.closed or _PASSES[effort] == 0:
        return stencils
    return _relearned(_few_slices(integers, _FEW[effort]), stencils, effort, far)


def _relearned(integers: Integers, stencils: np.ndarray, effort: Effort, far: bool) -> np.ndarray:
    """Stencils learned from what was restored by those before, as long as quick coding says that this pays."""
    least, restored = counted_with(integers, stencils)
    for _ in range(_PASSES[effort]):
        others = learn_stencils(integers, restored, effort, stencils, far=far)
        size, restored = counted_with(integers, others)
        if size >= least:
            break
        stencils, least = others, size
    return stencils


def _few_slices(integers: Integers, values: int) -> Integers:
    """The first slices, whole stacks of them."""
    per_stack = integers.stack * int(np.prod(integers.values.shape[1:]))
    count = integers.stack * max(3, -(-values // max(1, per_stack)))
    holes = None if integers.holes is None else integers.holes[:count]
    return replace(integers, values=integers.values[:count], holes=holes)


def learn_stencils(
    integers: Integers, restored: np.ndarray | None, effort: Effort, start: np.ndarray | None = None, *, far: bool
) -> np.ndarray:
    """Stencils for each variable, without and with a slice before: int64 (variables, 2, 1, COLUMNS).

    Values of some places are looked at, and neighbours of them as a decoder will see them: as in `restored` (same shape
    as the values), or with errors of up to half a step if that is not known yet.

    Parameters
    ----------
    start
        Stencils that are about right.
    far
        Whether neighbours further away count, too.
    """
    stencils = np.zeros((integers.values.shape[1], 2, 1, COLUMNS), np.int64)
    stencils[..., EDGE] = LARGEST_EDGE
    for variable, temporal, features, targets in _samples(integers, restored, _ROWS[effort]):
        used = np.flatnonzero(used_features(temporal, variable > 0, far))
        known = None if start is None else start[variable, int(temporal), 0, used]
        stencils[variable, int(temporal), 0, used] = fitted(
            features[:, used], targets, known, steady=restored is not None
        )
    return stencils


def with_classes(integers: Integers, restored: np.ndarray, effort: Effort, stencils: np.ndarray) -> np.ndarray:
    """Stencils for calm and for lively surroundings, where that pays: int64 (variables, 2, classes, COLUMNS)."""
    found = np.repeat(stencils, MOST_CLASSES, axis=2)
    found[:, :, 1:, :EDGE] = 0
    most = 1
    for variable, temporal, features, targets in _samples(integers, restored, MOST_CLASSES * _ROWS[effort]):
        start = stencils[variable, int(temporal), 0, :EDGE]
        classes = learned_classes(features, targets, start, temporal, integers.values.size)
        found[variable, int(temporal), : len(classes)] = classes
        most = max(most, len(classes))
    return found[:, :, :most]


def _samples(
    integers: Integers, restored: np.ndarray | None, rows: int
) -> Iterator[tuple[int, bool, np.ndarray, np.ndarray]]:
    """For each variable, without and with a slice before: features and values of places that are coded."""
    slices, variables, ny, nx = integers.values.shape
    random = np.random.default_rng(1)
    seen, blurred = (integers.values, 1) if restored is None else (restored, 0)
    for variable in range(variables):
        for temporal, numbers in enumerate((range(min(1, slices)), range(1, slices))):
            if not numbers:
                continue
            places = _places(numbers, ny, nx, rows, random)
            if integers.holes is not None:
                places = places[~integers.holes[places[:, 0], variable, places[:, 1], places[:, 2]]]
            features, targets = np.zeros((len(places), FEATURES)), np.zeros(len(places))
            look_up(features, targets, integers.values, seen, places, variable, integers.stack, blurred)
            yield variable, temporal > 0, features, targets


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
