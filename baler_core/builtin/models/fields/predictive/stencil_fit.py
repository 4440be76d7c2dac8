"""Fit stencils to a sample of a chunk, and code the whole chunk with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from baler_core.builtin.models.fields.predictive.classes import BITS_PER_WEIGHT, expected_bits, fit_classes
from baler_core.builtin.models.fields.predictive.coder import LOCAL
from baler_core.builtin.models.fields.predictive.field import Integers, counted_with, encode_with
from baler_core.builtin.models.fields.predictive.local_choice import hardly_pays, local_gain
from baler_core.builtin.models.fields.predictive.sampling import StencilSample, samples_of
from baler_core.builtin.models.fields.predictive.stencil import (
    COLUMNS,
    EDGE,
    FEATURES,
    FINE_BITS,
    HALF_STEP,
    LARGEST_EDGE,
    MOST_CLASSES,
    WEIGHT_BITS,
    Stencils,
    fitted,
    used_features,
)
from baler_core.plugin.interfaces import Effort

# Local fits are taken where they save so much of a part, and else tried where they save that much.
_MUCH, _SOME = 0.03, 0.01
# Numbers of contexts that are mixed, with a constant; and of series by medium effort, where few signed ones hardly pay.
MIXED: Mapping[Effort, int] = {"fast": 0, "balanced": 8, "max": 16}
_SERIES: Mapping[Effort, int] = {**MIXED, "balanced": 7}
# Values that stencils are learned from.
_ROWS: Mapping[Effort, int] = {"fast": 6_000, "balanced": 20_000, "max": 24_000}
_FEW_ROWS = 4_000
# For fewer values, far neighbours may not be worth their weights.
_MANY_VALUES = 1 << 18
# So few are coded by the stencils of lesser efforts too: which of them serve best is hardly foretold there, and measured
# in no time.
_FEW_VALUES = 1 << 16
_LESSER: Mapping[Effort, tuple[Effort, ...]] = {"fast": (), "balanced": ("fast",), "max": ("balanced", "fast")}


def encode_integers(integers: Integers, effort: Effort = "max", known: Stencils | None = None) -> bytes:
    """Write all values outside holes, and a checksum of what will be restored.

    Parameters
    ----------
    known
        Stencils that suited another file: then none are learned.
    """
    found = known if known is not None and _suits(known, integers.values.shape[1]) else None
    stencils = learn_stencils(integers, effort) if found is None else found
    gain = local_gain(integers, stencils, MIXED[effort]) if effort == "max" else 0.0
    fitted_locally = encode_with(integers, stencils, LOCAL)[0] if gain > _SOME else b""
    if gain > _MUCH and not few_values(integers) and not _few_bits(fitted_locally, integers):
        return fitted_locally
    data = _encoded(integers, stencils, effort)[0] if found is not None else _without_fits(integers, stencils, effort)
    return min(data, fitted_locally or data, key=len)


def _without_fits(integers: Integers, stencils: Stencils, effort: Effort) -> bytes:
    """Write all values without local fits, by the best of several stencils."""
    data, restored = _encoded(integers, stencils, effort)
    if few_values(integers):
        for lesser in _LESSER[effort]:
            data = min(data, _encoded(integers, learn_stencils(integers, lesser), effort)[0], key=len)
    # to know restored values instead of expecting their errors pays where few bits are left
    if effort != "max" or not integers.closed or not _few_bits(data, integers):
        return data
    again = learn_stencils(integers, effort, restored)
    return min(data, _encoded(integers, again, effort)[0], key=len)


def _encoded(integers: Integers, stencils: Stencils, effort: Effort) -> tuple[bytes, np.ndarray]:
    """Code all values, without mixing where that makes fewer bytes of few bits or noise; return what will be restored, too."""
    mixed = (_SERIES if len(integers.values) > 1 else MIXED)[effort]
    if effort == "balanced" and (integers.exact or hardly_pays(integers, stencils, mixed)):
        mixed = 0
    data, restored = encode_with(integers, stencils, mixed)
    if mixed and (integers.exact or _few_bits(data, integers)) and counted_with(integers, stencils)[0] < len(data):
        quick, restored_quickly = encode_with(integers, stencils, 0)
        if len(quick) < len(data):
            return quick, restored_quickly
    return data, restored


def few_values(integers: Integers) -> bool:
    """Return whether stencils are best chosen by coding with each."""
    return integers.values.size <= _FEW_VALUES


def _few_bits(data: bytes, integers: Integers) -> bool:
    """Return whether there is less than a bit per value."""
    return 8 * len(data) <= integers.values.size


def counted_size(integers: Integers) -> float:
    """Estimate how many bytes `encode_integers` makes with little effort, as fast as possible."""
    return counted_with(integers, learn_stencils(integers, "fast", roughly=True))[0]


def _suits(stencils: Stencils, variables: int) -> bool:
    """Return whether stencils that were read can be used."""
    known, bits = stencils
    if bits not in (WEIGHT_BITS, FINE_BITS):
        return False
    fits = known.ndim == 4 and known.dtype == np.int64 and known.shape[2] in range(1, MOST_CLASSES + 1)
    return fits and known.shape == (variables, 2, known.shape[2], COLUMNS) and int(np.abs(known).max()) <= LARGEST_EDGE


def learn_stencils(
    integers: Integers, effort: Effort, restored: np.ndarray | None = None, *, roughly: bool = False
) -> Stencils:
    """Learn stencils for each variable, without and with a slice before.

    Some places are looked at. There are classes, and far neighbours count, at most effort, where that pays. Weights are
    fine where whole steps are known and that pays.

    Parameters
    ----------
    restored
        What other stencils restored, if that is known; else errors of what will be are expected.
    """
    thorough, values = effort == "max", integers.values.size
    bits = WEIGHT_BITS if integers.closed else FINE_BITS
    stencils = np.zeros((integers.values.shape[1], 2, MOST_CLASSES, COLUMNS), np.int64)
    stencils[:, :, 0, EDGE] = LARGEST_EDGE
    most, gains = 1, []
    for sample in samples_of(integers, _FEW_ROWS if roughly else _ROWS[effort], far=thorough, restored=restored):
        own = stencils[sample.variable, int(sample.temporal)]
        start = np.zeros(FEATURES, np.int64)
        start[sample.used] = fitted(sample.features, sample.targets, base=sample.base, bits=bits)
        if thorough and values < _MANY_VALUES:
            sample, start = _nearer(sample, start, values, bits)
        own[0, :EDGE] = start
        if thorough and integers.closed:
            classes = fit_classes(sample, start, values)
            own[: len(classes)] = classes
            most = max(most, len(classes))
        gains.append(_fine_gain(sample, start, integers) if bits == FINE_BITS else 0.0)
    found = Stencils(stencils[:, :, :most], bits)
    return found if bits == WEIGHT_BITS or sum(gains) > 0 else _coarse(found)


def _fine_gain(sample: StencilSample, start: np.ndarray, integers: Integers) -> float:
    """Return about how many bits fine weights save, their own left out."""
    slices, variables = integers.values.shape[:2]
    count = integers.values.size / variables * ((slices - 1 if sample.temporal else 1) / slices)
    if not sample.targets.size:
        return 0.0
    fine = start[sample.used] / (1 << FINE_BITS)
    coarse = np.rint(fine * (1 << WEIGHT_BITS)) / (1 << WEIGHT_BITS)
    wrong, right = (np.abs(sample.targets - each @ sample.features).mean() + HALF_STEP for each in (coarse, fine))
    return float(np.log2(wrong / right)) * count - (FINE_BITS - WEIGHT_BITS) * np.count_nonzero(start)


def _coarse(fine: Stencils) -> Stencils:
    """Return stencils with their weights rounded to coarse ones."""
    weights = fine.weights.copy()
    weights[..., :EDGE] = np.rint(weights[..., :EDGE] / (1 << (fine.bits - WEIGHT_BITS)))
    return Stencils(weights)


def _nearer(sample: StencilSample, start: np.ndarray, values: int, bits: int) -> tuple[StencilSample, np.ndarray]:
    """Return a sample and its stencil (FEATURES,), without far neighbours if they are not worth their weights."""
    kept = used_features(sample.temporal, sample.variable > 0, far=False)[sample.used]
    near = replace(sample, used=sample.used[kept], features=sample.features[kept])
    if near.base is not None:
        near = replace(near, base=int(np.searchsorted(near.used, sample.used[sample.base])))
    found = np.zeros(FEATURES, np.int64)
    found[near.used] = fitted(near.features, near.targets, base=near.base, bits=bits)
    gain = expected_bits(near, found[None], bits=bits) - expected_bits(sample, start[None], bits=bits)
    return (sample, start) if gain * values > BITS_PER_WEIGHT * np.count_nonzero(~kept) else (near, found)
