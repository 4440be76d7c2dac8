"""Learns the weights of stencils from some values of a chunk, and again from what those before would restore."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from baler_core.builtin.models.predictive.classes import learned_classes
from baler_core.builtin.models.predictive.field import Integers, encode_with
from baler_core.builtin.models.predictive.sampling import samples_of, with_filled_holes
from baler_core.builtin.models.predictive.stencil import (
    COLUMNS,
    EDGE,
    LARGEST_EDGE,
    MOST_CLASSES,
    fitted,
)
from baler_core.interfaces import Effort

# Numbers of contexts that are mixed.
MIXED: Mapping[Effort, int] = {"fast": 0, "balanced": 3, "max": 7}
# Values that stencils are learned from, in runs of neighbours, which lie together in memory.
_ROWS: Mapping[Effort, int] = {"fast": 6_000, "balanced": 20_000, "max": 20_000}
_RUN = 8
# How often stencils are learned again, and from how many values of the first slices.
_PASSES: Mapping[Effort, int] = {"fast": 0, "balanced": 0, "max": 1}
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


def _suits(known: np.ndarray, variables: int) -> bool:
    """Whether stencils that were read can be used."""
    fits = known.ndim == 4 and known.dtype == np.int64 and known.shape[2] in range(1, MOST_CLASSES + 1)
    return fits and known.shape == (variables, 2, known.shape[2], COLUMNS) and int(np.abs(known).max()) <= LARGEST_EDGE


def refined_stencils(integers: Integers, effort: Effort, *, far: bool) -> np.ndarray:
    """Stencils, with more effort learned again from what was restored by those before."""
    stencils = learn_stencils(integers, None, effort, far=far)
    if not integers.closed or _PASSES[effort] == 0:
        return stencils
    return _relearned(_few_slices(integers, _FEW[effort]), stencils, effort, far)


def _relearned(integers: Integers, stencils: np.ndarray, effort: Effort, far: bool) -> np.ndarray:
    """Stencils learned from what was restored by those before, as long as quick coding says that this pays."""
    least, restored = encode_with(integers, stencils, MIXED["fast"])
    for _ in range(_PASSES[effort]):
        others = learn_stencils(integers, restored, effort, stencils, far=far)
        data, restored = encode_with(integers, others, MIXED["fast"])
        if len(data) >= len(least):
            break
        stencils, least = others, data
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
    seen = with_filled_holes(integers) if restored is None else restored
    for sample in samples_of(integers, seen, _ROWS[effort], far=far):
        own = stencils[sample.variable, int(sample.temporal), 0]
        known = None if start is None else start[sample.variable, int(sample.temporal), 0, sample.used]
        base = sample.base if restored is None and integers.closed else None
        own[sample.used] = fitted(sample.features, sample.targets, known, base=base)
    return stencils


def with_classes(integers: Integers, restored: np.ndarray, effort: Effort, stencils: np.ndarray) -> np.ndarray:
    """Stencils for calm and for lively surroundings, where that pays: int64 (variables, 2, classes, COLUMNS)."""
    found = np.repeat(stencils, MOST_CLASSES, axis=2)
    found[:, :, 1:, :EDGE] = 0
    most = 1
    for sample in samples_of(integers, restored, MOST_CLASSES * _ROWS[effort], far=True):
        start = stencils[sample.variable, int(sample.temporal), 0, :EDGE]
        classes = learned_classes(sample, start, integers.values.size)
        found[sample.variable, int(sample.temporal), : len(classes)] = classes
        most = max(most, len(classes))
    return found[:, :, :most]
