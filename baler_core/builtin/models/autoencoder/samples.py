"""Variables of a group to the samples a network takes, normalised and without holes, and back."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from baler_core.data.block import Block, values_of
from baler_core.data.bounds import ValueRange, usable, value_range
from baler_core.data.variables import Layout, Variable
from baler_core.errors import FormatError
from baler_core.plugin.interfaces import Tolerances

SampleForm = Literal["row", "image"]
# Outliers of later blocks must not drown a network.
CLIP = 4.0
# Training holds at most about this many values in memory.
_TRAINING_VALUES = 1 << 25


@dataclass(frozen=True)
class Normalisation:
    """Minimum and width of each variable over its finite, non-fill values: float64, one entry per variable.

    A constant variable, or one without any value, has width 1.
    """

    low: np.ndarray
    width: np.ndarray

    @classmethod
    def of(cls, ranges: Sequence[ValueRange]) -> Normalisation:
        """The normalisation that brings each range to 0 .. 1."""
        widths = [r.width or 1.0 for r in ranges]
        return cls(np.array([r.low if r.low <= r.high else 0.0 for r in ranges]), np.array(widths))

    def checked(self) -> Normalisation:
        """Itself.

        Raises
        ------
        FormatError
            If the arrays, from a file, cannot be a normalisation.
        """
        for array in (self.low, self.width):
            if array.dtype != np.float64 or array.ndim != 1 or not np.isfinite(array).all():
                raise FormatError("the normalisation of a network's variables is damaged")
        if self.low.shape != self.width.shape or not (self.width > 0).all():
            raise FormatError("the normalisation of a network's variables is damaged")
        return self


def learned_variables(layout: Layout, tolerances: Tolerances) -> list[Variable]:
    """The variables that a network may change: those with a lossy tolerance."""
    return [v for v in layout.variables if tolerances[v.name].lossy and v.numpy_dtype.kind in "iuf"]


def scaling_of(blocks: Iterable[Block], variables: Sequence[Variable], tolerances: Tolerances) -> Normalisation:
    """The normalisation of the variables over all blocks."""
    ranges = [ValueRange() for _ in variables]
    for block in blocks:
        found = [value_range(values_of(block, v.name), tolerances[v.name].fill) for v in variables]
        ranges = [known.joined(new) for known, new in zip(ranges, found, strict=True)]
    return Normalisation.of(ranges)


def sample_shape(layout: Layout, variables: Sequence[Variable], form: SampleForm) -> tuple[int, ...]:
    """Shape of one sample.

    Rows: everything at one index of the leading dimension, (variables x points,). Images: (variables, height, width),
    the last two dimensions.
    """
    shape = layout.shape(variables[0])
    if form == "image":
        return (len(variables), *shape[-2:])
    return (len(variables) * math.prod(shape[1:]),)


def to_samples(
    block: Block, variables: Sequence[Variable], scaling: Normalisation, tolerances: Tolerances, form: SampleForm
) -> np.ndarray:
    """The block's samples: float32, (samples, *sample shape). Holes and fill values become the variable's mean."""
    normalised = []
    for variable, low, width in zip(variables, scaling.low, scaling.width, strict=True):
        values = values_of(block, variable.name)
        good = usable(values, tolerances[variable.name].fill)
        with np.errstate(all="ignore"):
            scaled = ((values.astype(np.float64) - low) / width).clip(-CLIP, CLIP)
        mean = float(scaled[good].mean()) if good.any() else 0.0
        normalised.append(np.where(good, scaled, mean).astype(np.float32))
    shape = normalised[0].shape
    if form == "row":
        return np.stack(normalised, axis=1).reshape(shape[0], len(variables) * math.prod(shape[1:]))
    return np.stack(normalised, axis=-3).reshape(math.prod(shape[:-2]), len(variables), *shape[-2:])


def training_samples(
    blocks: Iterable[Block],
    variables: Sequence[Variable],
    scaling: Normalisation,
    tolerances: Tolerances,
    form: SampleForm,
) -> tuple[np.ndarray, int]:
    """Samples of all blocks, and how many there are in all; every second, fourth, ... one of files that are large."""
    parts: list[np.ndarray] = []
    total, stride = 0, 1
    for block in blocks:
        samples = to_samples(block, variables, scaling, tolerances, form)
        total += len(samples)
        parts.append(samples[::stride])
        while sum(part.size for part in parts) > _TRAINING_VALUES and sum(map(len, parts)) > len(parts):
            parts = [part[::2].copy() for part in parts]
            stride *= 2
    return np.concatenate(parts), total


def from_samples(
    samples: np.ndarray, layout: Layout, variables: Sequence[Variable], scaling: Normalisation, form: SampleForm
) -> Mapping[str, np.ndarray]:
    """Inverse of `to_samples`: float64 values by variable."""
    shape = layout.shape(variables[0])
    if form == "row":
        by_variable = np.moveaxis(samples.reshape(shape[0], len(variables), *shape[1:]), 1, 0)
    else:
        by_variable = np.moveaxis(samples.reshape(*shape[:-2], len(variables), *shape[-2:]), -3, 0)
    # Predictions of the largest numbers may lie beyond them: the residual, or an exact value, makes up for it.
    with np.errstate(over="ignore"):
        return {
            v.name: values.reshape(shape) * width + low
            for v, values, low, width in zip(variables, by_variable, scaling.low, scaling.width, strict=True)
        }


def as_dtype(prediction: np.ndarray, variable: Variable) -> np.ndarray:
    """A prediction as it stands when nothing bounds it: integers rounded, everything within the dtype."""
    dtype = variable.numpy_dtype
    limits = np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype)
    plain = np.nan_to_num(prediction, nan=0.0)
    if dtype.kind in "iu":
        # The largest float64 that is no larger than the largest integer.
        top = float(limits.max) if int(float(limits.max)) <= int(limits.max) else float(np.nextafter(limits.max, 0.0))
        return np.rint(plain).clip(float(limits.min), top).astype(dtype)
    return plain.clip(float(limits.min), float(limits.max)).astype(dtype)
