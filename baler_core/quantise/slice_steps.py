"""Number floats by the points of steps that count from an origin, of all values or of each slice: what packing left of them.

Files in GRIB store each field as whole numbers of steps above its least value, steps being powers of two that differ from
field to field; NetCDF and FITS have one step and one origin. Both are lost when such values are written as floats.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np

from baler_core.entropy.bytes import squeeze, unsqueeze
from baler_core.entropy.integers import pack_integers, unpack_integers
from baler_core.entropy.varint import ByteReader, write_sized, write_varint
from baler_core.errors import FormatError
from baler_core.machine.records import dataclass

# Steps of fewer units in the last place are none.
_LEAST_UNITS = 8
# Values of a slice that are looked at first.
_SOME = 2048
_MOST_POINTS = 2.0**30
# Slices of fewer values are only looked at by themselves if they are few: each takes about as long.
_LONG, _FEW = 1 << 10, 64
# How many times as far apart points of single slices must be.
_COARSER = 1.5
# Values may lie so many floats beside their points.
_MOST_APART = 2
_MOST_DOUBLINGS = 60
# As steps are found from so many values, their numbers must be determined by a first guess of it this far up.
_GROWTH = 64


class PlacedSteps(NamedTuple):
    """Steps and origins of some values, float64 of their shape."""

    apart: np.ndarray
    origins: np.ndarray

    def numbers(self, values: np.ndarray) -> np.ndarray:
        """Return the numbers of the nearest points; see `numbers`."""
        return numbers(values, self)

    def points(self, found: np.ndarray, dtype: str) -> np.ndarray:
        """Return the points of numbers."""
        return points(found, self, dtype)


Steps: TypeAlias = PlacedSteps | tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class SliceSteps:
    """Points of floats: origin + number * step.

    Attributes
    ----------
    dtype
        float32 or float64, in any order of bytes.
    step
        The smallest step.
    doublings
        int64 (slices,): how many times it is doubled in each slice along the last two axes; of one slice if all are alike.
    origins
        float64 (slices,).
    """

    dtype: str
    step: float
    doublings: np.ndarray
    origins: np.ndarray

    def spread(self, shape: tuple[int, ...]) -> Steps:
        """Return steps and origins, float64, as views of the `shape` of all values."""
        leading = shape[:-2] if len(self.origins) > 1 else (1,) * len(shape[:-2])
        steps = np.ldexp(self.step, self.doublings)
        apart, origins = (np.broadcast_to(n.reshape(*leading, 1, 1), shape) for n in (steps, self.origins))
        return apart, origins

    def placed(self, shape: tuple[int, ...], part: Callable[[np.ndarray], np.ndarray]) -> PlacedSteps:
        """Return steps and origins of a part of all values, which have a shape; `part` returns that of an array."""
        return PlacedSteps(*map(part, self.spread(shape)))

    def to_bytes(self) -> bytes:
        """Write the step and what is known of each slice."""
        origins = squeeze(
            np.ascontiguousarray(
                np.frombuffer(self.origins.astype("<f8").tobytes(), np.uint8).reshape(-1, 8).T
            ).tobytes()
        )
        head = struct.pack("<d", self.step) + write_varint(len(self.origins))
        return head + write_sized(pack_integers(self.doublings)) + write_sized(origins)


def numbers(values: np.ndarray, steps: Steps) -> np.ndarray:
    """Return the numbers of the nearest points, counted from the point that is nearest to 0: int64; anything for others."""
    apart, origins = steps
    with np.errstate(all="ignore"):
        found = np.rint((values.astype(np.float64) - origins) / apart) + np.rint(origins / apart)
        return np.where(np.abs(found) < _MOST_POINTS, found, 0).astype(np.int64)


def points(found: np.ndarray, steps: Steps, dtype: str) -> np.ndarray:
    """Return the points of numbers."""
    apart, origins = steps
    with np.errstate(all="ignore"):
        return np.asarray(((found - np.rint(origins / apart)) * apart + origins).astype(dtype))


def read_slice_steps(reader: ByteReader, dtype: str, slices: int) -> SliceSteps:
    """Invert `SliceSteps.to_bytes`.

    Raises
    ------
    FormatError
        If there are no such steps of this dtype and of so many slices.
    """
    (step,), count = struct.unpack("<d", reader.take(8)), reader.varint()
    if count not in (1, slices) or np.dtype(dtype).kind != "f" or not 0 < step < math.inf:
        raise FormatError(f"steps of {dtype} values are impossible")
    doublings = unpack_integers(reader.sized(), count)
    raw = np.frombuffer(unsqueeze(reader.sized(), 8 * count), np.uint8)
    origins = np.ascontiguousarray(raw.reshape(8, count).T).view("<f8").ravel()
    if doublings.min() < 0 or doublings.max() > _MOST_DOUBLINGS or not np.isfinite(origins).all():
        raise FormatError(f"steps of {dtype} values are impossible")
    return SliceSteps(dtype, step, doublings, origins.astype(np.float64))


def ordered(values: np.ndarray) -> np.ndarray:
    """Return floats as int64 in the same order: neighbours differ by 1."""
    native = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("="), copy=False))
    signed = native.view(f"i{native.dtype.itemsize}").astype(np.int64)
    lowest = np.int64(np.iinfo(f"i{native.dtype.itemsize}").min)
    return np.where(signed < 0, lowest - signed, signed)


def from_ordered(codes: np.ndarray, dtype: str) -> np.ndarray:
    """Invert `ordered`; -0.0 is 0.0."""
    size = np.dtype(dtype).itemsize
    lowest = np.int64(np.iinfo(f"i{size}").min)
    with np.errstate(over="ignore"):
        signed = np.where(codes < 0, lowest - codes, codes).astype(f"i{size}")
    return signed.view(f"f{size}").astype(dtype)


# ---- finding them


def fit_slice_steps(values: np.ndarray, ordinary: np.ndarray | None) -> SliceSteps | None:
    """Find the steps on which finite values of rank 2 or more lie; None if there are none.

    Parameters
    ----------
    ordinary
        Boolean, same shape: which values count; None if all do.
    """
    slices = values.reshape(-1, *values.shape[-2:])
    masks = None if ordinary is None else ordinary.reshape(slices.shape)
    middle = len(slices) // 2
    if _gap(_taken(slices[middle], None if masks is None else masks[middle])) is None:
        return None
    found = _of_all(values, ordinary)
    own = find_line(_taken(slices[middle], None if masks is None else masks[middle]))
    long = slices[0].size >= _LONG or len(slices) <= _FEW
    if own is None or len(slices) == 1 or not long or (found is not None and own[0] < _COARSER * found.step):
        return found
    return _of_each(values, slices, masks) or found


def _taken(values: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
    return values.ravel() if mask is None else values[mask]


def _of_all(values: np.ndarray, ordinary: np.ndarray | None) -> SliceSteps | None:
    flat = _taken(values, ordinary)
    found = find_line(flat)
    if found is None:
        return None
    steps = SliceSteps(values.dtype.str, found[0], np.zeros(1, np.int64), np.array([found[1]]))
    return steps if _is_held(flat, *found) else None


def _of_each(values: np.ndarray, slices: np.ndarray, masks: np.ndarray | None) -> SliceSteps | None:
    lines = []
    for number, part in enumerate(slices):
        flat = _taken(part, None if masks is None else masks[number])
        line = find_line(flat) if flat.size else (0.0, 0.0)
        if line is None or (line[0] > 0 and not _is_held(flat, *line)):
            return None
        lines.append(line)
    apart, origins = np.array(lines).T
    least = float(apart[apart > 0].min())
    doublings = np.rint(np.log2(np.where(apart > 0, apart, least) / least)).astype(np.int64)
    if doublings.max() > _MOST_DOUBLINGS or not ((apart == 0) | (apart == np.ldexp(least, doublings))).all():
        return None
    return SliceSteps(values.dtype.str, least, doublings, origins)


def least_and_largest(values: np.ndarray, ordinary: np.ndarray | None, found: SliceSteps) -> tuple[int, int]:
    """Return the smallest and the largest number of the ordinary values, slice by slice."""
    slices = values.reshape(-1, *values.shape[-2:])
    masks = None if ordinary is None else ordinary.reshape(slices.shape)
    apart, origins = np.ldexp(found.step, found.doublings), found.origins
    ends = []
    for number, part in enumerate(slices):
        flat = _taken(part, None if masks is None else masks[number])
        own = number if len(origins) > 1 else 0
        if flat.size:
            ends.append(numbers(np.array([flat.min(), flat.max()]), (apart[own], origins[own])))
    together = np.array(ends)
    return int(together.min()), int(together.max())


def _gap(flat: np.ndarray) -> float | None:
    """Return the smallest distance of two values of a piece; None if it is no more than rounding leaves."""
    first = max(0, (flat.size - _SOME) // 2)
    distinct = np.unique(flat[first : first + _SOME].astype(np.float64))
    if distinct.size < 3 or not np.isfinite(distinct[[0, -1]]).all():
        return None
    largest = max(abs(distinct[0]), abs(distinct[-1]))
    unit = float(np.spacing(flat.dtype.type(largest)))
    gap = float(np.diff(distinct).min())
    return gap if gap >= _LEAST_UNITS * unit and np.ptp(distinct) / gap < _MOST_POINTS else None


def find_line(flat: np.ndarray) -> tuple[float, float] | None:
    """Return (step, origin): from the smallest distance, ever longer distances tell the step more exactly."""
    gap = _gap(flat)
    if gap is None:
        return None
    numbers_ = flat.astype(np.float64)
    origin = float(numbers_.min())
    away = numbers_ - origin
    unit = float(np.spacing(flat.dtype.type(np.abs(numbers_).max())))
    step, farthest = gap, float(away.max())
    reach = gap * _GROWTH
    while True:
        near = away[away <= reach]
        count = np.rint(near / step)
        weight = float(count @ count)
        if weight > 0:
            step = float(near @ count) / weight
        if step <= 0 or float(np.abs(near - np.rint(near / step) * step).max(initial=0.0)) > 1.01 * unit * _MOST_APART:
            return None
        if reach >= farthest:
            break
        reach = min(farthest, reach * _GROWTH)
    power = 2.0 ** round(math.log2(step))
    if abs(step / power - 1) < 1e-4 and _is_held(flat, power, origin, 0):
        return power, origin
    return _centred(numbers_, step, origin, flat.dtype)


def _centred(values: np.ndarray, step: float, origin: float, dtype: np.dtype) -> tuple[float, float]:
    """Return step and origin as the middle of what rounding to the dtype leaves of them."""
    count = np.rint((values - origin) / step)
    mean_count, mean = count.mean(), values.mean()
    apart = count - mean_count
    weight = float(apart @ apart)
    step = float(apart @ (values - mean)) / weight if weight > 0 else step
    return step, float(mean - step * mean_count)


def _is_held(flat: np.ndarray, step: float, origin: float, apart: int = _MOST_APART) -> bool:
    """Return whether values lie on their points, or so few floats beside."""
    steps = np.array(step), np.array(origin)
    back = points(numbers(flat, steps), steps, flat.dtype.str)
    return bool((np.abs(ordered(flat) - ordered(back)) <= apart).all())
