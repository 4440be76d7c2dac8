"""Estimate the bytes of fields from the errors of fitted stencils, or from one chunk that is coded or counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from baler_core.builtin.models.fields.codec import JointFields
from baler_core.builtin.models.fields.layout import Box
from baler_core.builtin.models.fields.predictive.field import Integers, counted_with, encode_with
from baler_core.builtin.models.fields.predictive.joint_fields import chunks_of, gather
from baler_core.builtin.models.fields.predictive.predictor import FRACTION
from baler_core.builtin.models.fields.predictive.sampling import StencilSample, activities, samples_of
from baler_core.builtin.models.fields.predictive.stencil import FINE_BITS, WEIGHT_BITS, Stencils, fitted, spread
from baler_core.builtin.models.fields.predictive.stencil_fit import MIXED, few_values, learn_stencils
from baler_core.machine.records import dataclass
from baler_core.plugin.interfaces import Effort

# The part of a chunk's rows that a glance is at, and how many these are at least.
_GLANCE, _FEWEST_ROWS = 4, 16
# What mixing takes of what the same stencils take without.
_MIXED_SIZE: Mapping[Effort, float] = {"balanced": 0.97, "max": 0.93}


@dataclass(frozen=True)
class Probe:
    """Findings from one chunk of a group of fields that are coded jointly.

    Attributes
    ----------
    place
        Where it is.
    stencils
        What was learned of it; None if that is not thorough enough for coding.
    data
        The chunk as it will be stored, if it has been coded already; else nothing.
    """

    place: Box
    stencils: Stencils | None
    data: bytes = b""


def glance(joint: JointFields, effort: Effort) -> JointFields:
    """Return the family, with the bytes to expect from counting some rows of its middle chunk."""
    places = chunks_of(joint, effort)
    frames, depth, rows, columns = places[len(places) // 2]
    count = (rows.stop - rows.start) // _GLANCE
    if count < _FEWEST_ROWS:
        return joint
    first = (rows.start + rows.stop - count) // 2
    fields = [member.field for member in joint.members]
    integers = gather(fields, joint.arrangement, (frames, depth, slice(first, first + count), columns))
    size, _ = counted_with(integers, learn_stencils(integers, effort))
    return replace(joint, expected=size * _share(joint, integers) + _rest_bytes(joint))


def _share(joint: JointFields, integers: Integers) -> float:
    """Return of how many times as many values these are a sample."""
    return len(joint.members) * joint.members[0].field.values.size / max(1, integers.values.size)


def _rest_bytes(joint: JointFields) -> float:
    return sum(member.field.rest_bytes * member.field.values.size for member in joint.members)


def probe(joint: JointFields, effort: Effort) -> JointFields:
    """Return the family, with the bytes to expect from its middle chunk: coded with little effort, else counted."""
    fields, arrangement = [member.field for member in joint.members], joint.arrangement
    places = chunks_of(joint, effort)
    place = places[len(places) // 2]
    integers = gather(fields, arrangement, place)
    stencils = learn_stencils(integers, "balanced" if effort == "max" else effort)
    if effort == "fast" or (integers.exact and effort == "balanced" and not few_values(integers)):
        found = Probe(place, stencils, encode_with(integers, stencils, 0)[0])
        size = float(len(found.data))
    else:
        found = Probe(place, stencils if effort == "balanced" and not few_values(integers) else None)
        size = _MIXED_SIZE[effort] * counted_with(integers, stencils)[0]
        # where few bits are left, what mixing takes of them cannot be foretold
        if effort == "max" and 8 * size < integers.values.size:
            size = min(size, len(encode_with(integers, stencils, MIXED[effort])[0]))
    return replace(joint, expected=size * _share(joint, integers) + _rest_bytes(joint), recipe=found)


# Values that stencils are fitted to for an estimate.
_ROWS = 3000
# Errors are expected from those of neighbours: as alike as in so many runs of values in order of activity.
_SHARES = 24
# Values without a slice before, or with one, do not count where they are so few.
_LEAST_SHARE = 0.04


def estimated_rate(integers: Integers, slices: int) -> float:
    """Estimate the bytes per value, had all `slices` been given in place of some of them."""
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


def _bits(sample: StencilSample) -> float:
    """Return the entropy of the errors of a sample, in bits per value."""
    features, targets = sample.features, sample.targets
    bits = FINE_BITS if sample.base is None else WEIGHT_BITS
    weights = fitted(features, targets, base=sample.base, roughly=True, bits=bits) / (1 << bits)
    # errors are larger on values that the weights were not fitted to
    errors = (targets - weights @ features) * (1 + len(weights) / max(len(weights), len(targets)))
    if sample.base is not None:
        errors += np.random.default_rng(2).normal(size=len(errors)) * np.sqrt(spread(errors, weights))
    sizes = np.abs(np.rint(errors / (1 << FRACTION)))[np.argsort(activities(sample))]
    return float(_entropy(sizes[: len(sizes) // _SHARES * _SHARES].reshape(_SHARES, -1).mean(axis=1)).mean())


def _entropy(mean: np.ndarray) -> np.ndarray:
    """Return bits of whole numbers of geometrically distributed sizes with these means, and of their signs."""
    mean = np.maximum(mean, 1e-9)
    return np.asarray(np.log2(1 + mean) + mean * np.log2(1 + 1 / mean) + mean / (1 + mean))
