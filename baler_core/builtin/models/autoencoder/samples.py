"""Variables of a group to the samples a network takes, normalised and without holes, and back."""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Literal

import numpy as np

from baler_core.builtin.training.scratch import RowsOnDisk, has_room, rows_on_disk
from baler_core.data.block import Block, values_of
from baler_core.data.bounds import ValueRange, usable, value_range
from baler_core.data.variables import Layout, Variable, with_events
from baler_core.errors import DataError, FormatError
from baler_core.machine.records import dataclass
from baler_core.plugin.interfaces import Tolerances

logger = logging.getLogger(__name__)
SampleForm = Literal["row", "series", "image", "volume"]
FRAMES = 8
"""Neighbouring frames that a volume holds."""
COUNTS = 2
"""Numbers that are told of a row's event."""
_COUNTED = 63
# How many of the last dimensions a sample has.
_DIMENSIONS = {"row": 0, "series": 1, "image": 2, "volume": 3}
# Outliers of later blocks must not drown a network.
CLIP = 4.0
# An epoch takes at most about this many values, which are in memory together.
_TRAINING_VALUES = 1 << 25
# Bytes for each: the sample, and its copies in another order, of which a part is set aside.
_PER_VALUE = 16


@dataclass(frozen=True)
class Normalisation:
    """How the values of each variable become about 0 .. 1.

    Attributes
    ----------
    low, width
        Minimum, and maximum less minimum, over finite, non-fill values: float64, one entry per variable. A constant variable, or
        one without any value, has width 1.
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


def survey(
    blocks: Iterable[Block], layout: Layout, variables: Sequence[Variable], tolerances: Tolerances, form: SampleForm
) -> tuple[Normalisation, int]:
    """The normalisation of the variables over all blocks, and how many samples these have."""
    ranges, total = [ValueRange() for _ in variables], 0
    for block in blocks:
        found = [value_range(values_of(block, v.name), tolerances[v.name].fill) for v in variables]
        ranges = [known.joined(new) for known, new in zip(ranges, found, strict=True)]
        total += sample_count(block_layout(layout, block, variables[0]), variables[0], form)
    return Normalisation.of(ranges), total


def sample_shape(layout: Layout, variables: Sequence[Variable], form: SampleForm) -> tuple[int, ...]:
    """Shape of one sample.

    Rows: everything at one index of the leading dimension, (variables x points,). Series, images and volumes: the
    variables, and the last one, two or three dimensions, of which the first of a volume is FRAMES long.
    """
    shape = layout.shape(variables[0])
    if form == "row":
        return (len(variables) * math.prod(shape[1:]),)
    own = shape[-_DIMENSIONS[form] :]
    return (len(variables), FRAMES, *own[1:]) if form == "volume" else (len(variables), *own)


def sample_count(layout: Layout, variable: Variable, form: SampleForm) -> int:
    """How many samples a block has."""
    shape = layout.shape(variable)
    if form == "row":
        return shape[0]
    count = math.prod(shape[: -_DIMENSIONS[form]])
    return count * -(-shape[-3] // FRAMES) if form == "volume" else count


def places_in_events(lengths: np.ndarray) -> np.ndarray:
    """How many rows of its event come before each row, and how many it has: float32 (rows, COUNTS), 0 .. 4.

    Parameters
    ----------
    lengths
        int64, rows of each event.
    """
    size = np.repeat(lengths, lengths)
    position = np.arange(len(size)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return np.minimum(np.stack([position, size], axis=1), _COUNTED).astype(np.float32) / np.float32(16)


def block_layout(layout: Layout, block: Block, variable: Variable) -> Layout:
    """The layout of any block of a group, from that of the first; `variable` is one of the group's."""
    sizes = dict(zip(variable.dims, values_of(block, variable.name).shape, strict=True))
    found = replace(layout, sizes={**layout.sizes, **sizes})
    return found if layout.lengths is None else with_events(found, values_of(block, layout.counts))


def check_form(layout: Layout, variable: Variable, form: SampleForm, name: str) -> None:
    """Refuse fields of fewer dimensions than a sample has.

    Raises
    ------
    DataError
        If there are fewer.
    """
    if len(variable.dims) < _DIMENSIONS[form]:
        raise DataError(
            f"{name} with 'dimensions: {_DIMENSIONS[form]}' needs fields of as many dimensions, and {variable.name!r} has "
            f"{len(variable.dims)}: state a smaller number"
        )


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
    if form == "volume":
        normalised = [_windows(values) for values in normalised]
        shape = normalised[0].shape
    own = _DIMENSIONS[form]
    return np.stack(normalised, axis=-own - 1).reshape(math.prod(shape[:-own]), len(variables), *shape[-own:])


def _windows(values: np.ndarray) -> np.ndarray:
    """Cut the third dimension from the end into windows of FRAMES, the last one filled up with its last frame."""
    *before, frames, height, width = values.shape
    more = [(0, 0)] * len(before) + [(0, -frames % FRAMES), (0, 0), (0, 0)]
    filled = np.pad(values, more, mode="edge") if frames else values
    return filled.reshape(*before, -(-frames // FRAMES), FRAMES, height, width)


@contextmanager
def training_rows(
    blocks: Iterable[Block], sampled: Callable[[Block], np.ndarray], total: int, memory: float, seed: int
) -> Iterator[np.ndarray | RowsOnDisk]:
    """Samples of all blocks, in memory where they fit, otherwise in a scratch file.

    Parameters
    ----------
    total
        How many there are.
    memory
        Bytes that training with them may take, about.
    seed
        Of their order in the file.
    """
    parts = (sampled(block) for block in blocks)
    first = next(parts, np.zeros((0,), np.float32))
    size, most = math.prod(first.shape[1:]), min(_TRAINING_VALUES, memory / _PER_VALUE)
    sample, everything = first.shape[1:], itertools.chain([first], parts)
    del first
    if total * size <= most or total < 2:
        yield np.concatenate(list(everything))
    elif has_room(total * size):
        with rows_on_disk(everything, total, sample, most, seed) as rows:
            yield rows
    else:
        stride = math.ceil(total * size / most)
        logger.warning(
            "the folder of temporary files (TMPDIR) has no room for %.1f GB of training data: one of %d samples is used",
            total * size * 4 / 1e9,
            stride,
        )
        yield np.concatenate([part[::stride] for part in everything])


def from_samples(
    samples: np.ndarray, layout: Layout, variables: Sequence[Variable], scaling: Normalisation, form: SampleForm
) -> Mapping[str, np.ndarray]:
    """Inverse of `to_samples`: float64 values by variable."""
    shape = layout.shape(variables[0])
    if form == "row":
        by_variable = np.moveaxis(samples.reshape(shape[0], len(variables), *shape[1:]), 1, 0)
    elif form == "volume":
        *before, frames, height, width = shape
        windows = samples.reshape(*before, -(-frames // FRAMES), len(variables), FRAMES, height, width)
        together = np.moveaxis(windows, -4, 0).reshape(len(variables), *before, -1, height, width)
        by_variable = together[..., :frames, :, :]
    else:
        own = _DIMENSIONS[form]
        by_variable = np.moveaxis(samples.reshape(*shape[:-own], len(variables), *shape[-own:]), -own - 1, 0)
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
