"""A chunk of integers (slices, variables, y, x) to bytes and back: learned stencils, then slice after slice."""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from baler_core.arithmetic import OVERRUN, Coder, finish, new_decoder, new_encoder
from baler_core.builtin.models.numbers import NumberCoder
from baler_core.builtin.models.predictive import stencil
from baler_core.builtin.models.predictive.contexts import Memory, code_slice, new_memory
from baler_core.builtin.models.predictive.predictor import FRACTION, PREDICTIONS
from baler_core.builtin.models.predictive.quick import code_slice_quickly
from baler_core.builtin.models.predictive.stencil import BEFORE, BESIDE, EARLIER, FEATURES, WITHIN
from baler_core.errors import FormatError
from baler_core.interfaces import Effort

_STARTS = np.cumsum([0, len(WITHIN), len(BEFORE), len(EARLIER), len(BESIDE)]).astype(np.int64)
_LARGEST = 1 << 24
# Numbers of contexts that are mixed; with none, the stencil alone predicts.
_MIXED: Mapping[Effort, int] = {"fast": 0, "balanced": 3, "max": 7}
_PASSES = 2
# Of slices whose values are so many times more than are learned from, some are left out.
_LOOKED_AT = 20
_PLANES_KEPT = 8
_Planes = Callable[[int, int], np.ndarray]
# Values that stencils are learned from.
_ROWS: Mapping[Effort, int] = {"fast": 10_000, "balanced": 20_000, "max": 40_000}
# Values of the slices from which stencils are learned again.
_FEW = 1 << 17
_WEIGHT_KIND, _LIMIT_KIND = 0, 1


@dataclass(frozen=True)
class Integers:
    """What is coded.

    Attributes
    ----------
    values
        int64 (slices, variables, y, x) in 1/1024 of a quantisation step.
    holes
        Boolean, same shape: places that need not be restored; or None.
    stack
        How many slices lie behind each other at one time; the slice before is that many back, and within a stack the
        neighbour counts as the earlier one. 1 for plain series.
    closed
        Whether values may be restored anywhere within half a step, or are whole steps and must come back exactly.
    """

    values: np.ndarray
    holes: np.ndarray | None
    stack: int = 1
    closed: bool = False


def fits(values: np.ndarray) -> bool:
    """Whether numbers of steps are small enough to be predicted in 64 bits."""
    return not values.size or (int(values.min()) > -_LARGEST and int(values.max()) < _LARGEST)


def _links(number: int, stack: int) -> tuple[int, int]:
    """The slice before and the earlier one; -1 for none."""
    before = number - stack
    if stack > 1:
        within = number - 1 if number % stack else before
        return (before, within) if before >= 0 else (number - 1, number - 1)
    return before, (number - 2 if number > 1 else before)


def learn_stencils(integers: Integers, restored: np.ndarray, rows: int) -> np.ndarray:
    """Weights for each variable, without and with a slice before: int64 (variables, 2, FEATURES).

    Neighbours are taken from `restored` (same shape as the values), as a decoder will see them; values of about `rows`
    places are looked at.
    """
    slices, variables, ny, nx = integers.values.shape
    weights = np.zeros((variables, 2, FEATURES), np.int64)

    @functools.lru_cache(maxsize=_PLANES_KEPT)
    def padded(number: int, variable: int) -> np.ndarray:
        return stencil.padded(restored[number, variable])

    for variable in range(variables):
        for temporal in (False, True):
            numbers = [s for s in range(slices) if (_links(s, integers.stack)[0] >= 0) == temporal]
            if not numbers:
                continue
            numbers = numbers[:: max(1, len(numbers) * ny * nx // (_LOOKED_AT * rows))]
            share = min(1.0, 1.5 * rows / max(1, len(numbers) * ny * nx))
            sample = stencil.Sample(rows)
            for number in numbers:
                sources = _sources(padded, number, variable, integers.stack)
                good = np.ones((ny, nx), bool) if integers.holes is None else ~integers.holes[number, variable]
                sample.add(integers.values[number, variable], sources, good, share)
            weights[variable, int(temporal), stencil.used_features(temporal, variable > 0)] = sample.weights()
    return weights


def _sources(padded: _Planes, number: int, variable: int, stack: int) -> list[np.ndarray]:
    before, earlier = _links(number, stack)
    sources = [padded(number, variable)]
    if before >= 0:
        sources += [padded(before, variable), padded(earlier, variable)]
    if variable > 0:
        sources.append(padded(number, variable - 1))
    return sources


def refined_stencils(integers: Integers, effort: Effort) -> np.ndarray:
    """Stencils, learned again from what was restored by those before, of a few slices or (at `max`) of all."""
    rows = _ROWS[effort]
    weights = learn_stencils(integers, integers.values, rows)
    if not integers.closed:
        return weights
    return _relearned(integers if effort == "max" else _few_slices(integers), weights, rows)


def encode_integers(integers: Integers, effort: Effort = "max", known: np.ndarray | None = None) -> bytes:
    """All values outside holes, and a checksum of what will be restored.

    Parameters
    ----------
    known
        Stencils that suited another file: then none are learned.
    """
    if known is not None and known.shape == (integers.values.shape[1], 2, FEATURES):
        weights = np.clip(known.astype(np.int64), -stencil.LARGEST_WEIGHT, stencil.LARGEST_WEIGHT)
        return _encode_once(integers, weights, _MIXED[effort])[0]
    best, restored = _encode_once(integers, refined_stencils(integers, effort), _MIXED[effort])
    if integers.closed and effort == "max":
        again, _ = _encode_once(integers, learn_stencils(integers, restored, _ROWS[effort]), _MIXED[effort])
        best = min(best, again, key=len)
    return best


def _relearned(integers: Integers, weights: np.ndarray, rows: int) -> np.ndarray:
    """Stencils learned from what was restored by those before, as long as quick coding says that this pays."""
    least, restored = _encode_once(integers, weights, _MIXED["fast"])
    for _ in range(_PASSES):
        others = learn_stencils(integers, restored, rows)
        data, restored = _encode_once(integers, others, _MIXED["fast"])
        if len(data) >= len(least):
            break
        weights, least = others, data
    return weights


def _few_slices(integers: Integers) -> Integers:
    """The first slices, whole stacks of them."""
    per_stack = integers.stack * int(np.prod(integers.values.shape[1:]))
    count = integers.stack * max(3, -(-_FEW // max(1, per_stack)))
    holes = None if integers.holes is None else integers.holes[:count]
    return replace(integers, values=integers.values[:count], holes=holes)


def _encode_once(integers: Integers, weights: np.ndarray, mixed: int) -> tuple[bytes, np.ndarray]:
    low, high = _limits(integers)
    capacity = 4096 + 4 * integers.values.size
    while True:
        coder = new_encoder(capacity)
        numbers = NumberCoder(coder)
        for limit in (low, high):
            numbers.code(limit, _LIMIT_KIND)
        _code_weights(numbers, weights, integers)
        values = integers.values.copy()
        _code(coder, replace(integers, values=values), weights, (low << FRACTION, high << FRACTION), mixed)
        if not coder.registers[OVERRUN]:
            return bytes([mixed]) + _checksum(values) + finish(coder), values
        capacity *= 4


def decode_integers(
    data: bytes, shape: tuple[int, ...], holes: np.ndarray | None, stack: int, closed: bool
) -> np.ndarray:
    """The values: int64 (slices, variables, y, x) in 1/1024 of a step; predictions in holes.

    Raises
    ------
    FormatError
        If the bytes are damaged.
    """
    if len(data) < 4 or data[0] not in _MIXED.values():
        raise FormatError("a predicted field is cut short, or damaged")
    coder = new_decoder(data[4:])
    numbers = NumberCoder(coder)
    low, high = numbers.code(0, _LIMIT_KIND), numbers.code(0, _LIMIT_KIND)
    if not -_LARGEST < low <= high < _LARGEST:
        raise FormatError("a predicted field is damaged: its limits are impossible")
    integers = Integers(np.zeros(shape, np.int64), holes, stack, closed)
    weights = np.zeros((shape[1], 2, FEATURES), np.int64)
    _code_weights(numbers, weights, integers)
    _code(coder, integers, weights, (low << FRACTION, high << FRACTION), data[0])
    if _checksum(integers.values) != data[1:4]:
        raise FormatError("a predicted field is damaged: its integers have another checksum")
    return integers.values


def _limits(integers: Integers) -> tuple[int, int]:
    ordinary = integers.values if integers.holes is None else integers.values[~integers.holes]
    if not ordinary.size:
        return 0, 0
    return int(ordinary.min()) >> FRACTION, -(-int(ordinary.max()) >> FRACTION)


def _code_weights(numbers: NumberCoder, weights: np.ndarray, integers: Integers) -> None:
    """Write or read (in place) the weights of the stencils that are used."""
    temporal_is_used = len(integers.values) > 1
    for variable in range(weights.shape[0]):
        for temporal in (False, True) if temporal_is_used else (False,):
            row = weights[variable, int(temporal)]
            for place in np.flatnonzero(stencil.used_features(temporal, variable > 0)):
                row[place] = numbers.code(int(row[place]), _WEIGHT_KIND)


def _code(coder: Coder, integers: Integers, weights: np.ndarray, limits: tuple[int, int], mixed: int) -> None:
    slices, variables, ny, nx = integers.values.shape
    memories = [new_memory() for _ in range(min(variables, 4))]
    adaptive = np.zeros((variables, 2, PREDICTIONS - 1, FEATURES), np.int64)
    padded = np.zeros((slices, variables, ny + 2 * stencil.MARGIN, nx + 2 * stencil.MARGIN), np.int64)
    inner = (slice(stencil.MARGIN, -stencil.MARGIN),) * 2
    padded[(..., *inner)] = integers.values
    errors = np.zeros((slices, variables, ny + 4, nx + 4), np.int64)
    offsets = stencil.linear_offsets(nx + 2 * stencil.MARGIN)
    no_holes = np.zeros((ny, nx), np.uint8)
    for number in range(slices):
        for variable in range(variables):
            holes = no_holes if integers.holes is None else integers.holes[number, variable].astype(np.uint8)
            step = _Step(number, variable, *_links(number, integers.stack))
            temporal = int(step.before >= 0)
            _code_one(
                coder,
                memories[min(variable, len(memories) - 1)],
                step,
                padded,
                errors,
                holes,
                (weights[variable, temporal], adaptive[variable, temporal]),
                offsets,
                limits,
                integers.closed,
                mixed,
            )
            integers.values[number, variable] = padded[number, variable][inner]


@dataclass(frozen=True)
class _Step:
    """Which slice of which variable is coded, and which slices tell about it."""

    number: int
    variable: int
    before: int
    earlier: int


def _code_one(
    coder: Coder,
    memory: Memory,
    step: _Step,
    padded: np.ndarray,
    errors: np.ndarray,
    holes: np.ndarray,
    stencils: tuple[np.ndarray, np.ndarray],
    offsets: np.ndarray,
    limits: tuple[int, int],
    closed: bool,
    mixed: int,
) -> None:
    """One slice; takes up what is coded into `padded` and `errors`."""
    temporal, beside = step.before >= 0, step.variable > 0
    empty = np.zeros_like(padded[0, 0])
    sources = np.stack(
        [
            padded[step.number, step.variable],
            padded[step.before, step.variable] if temporal else empty,
            padded[step.earlier, step.variable] if temporal else empty,
            padded[step.number, step.variable - 1] if beside else empty,
        ]
    )
    near = np.stack(
        [
            np.zeros_like(errors[0, 0]),
            errors[step.before, step.variable],
            errors[step.number, step.variable - 1],
        ]
    )
    shape, limit = np.array(holes.shape, np.int64), np.array(limits, np.int64)
    known = np.array([1, temporal, temporal, beside, 0], np.int64)
    flat, weights, adaptive = sources.reshape(4, -1), *stencils
    if mixed:
        code_slice(
            *coder, *memory, shape, flat, known, holes, near, weights, adaptive, _STARTS, offsets, limit, int(closed), mixed
        )  # fmt: skip
    else:
        code_slice_quickly(
            *coder, *memory, shape, flat, known, holes, near, weights, _STARTS, offsets, limit, int(closed)
        )  # fmt: skip
    inner = sources[0][stencil.MARGIN : -stencil.MARGIN, stencil.MARGIN : -stencil.MARGIN]
    padded[step.number, step.variable] = np.pad(inner, stencil.MARGIN, mode="edge")
    errors[step.number, step.variable] = near[0]


def _checksum(values: np.ndarray) -> bytes:
    return zlib.crc32(values.astype("<i8").tobytes()).to_bytes(4, "little")[:3]
