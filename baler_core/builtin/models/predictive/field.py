"""A chunk of integers (slices, variables, y, x) to bytes and back, given its stencils."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from baler_core.arithmetic import OVERRUN, Coder, finish, new_decoder, new_encoder
from baler_core.builtin.models.numbers import NumberCoder
from baler_core.builtin.models.predictive import stencil
from baler_core.builtin.models.predictive.predictor import FRACTION
from baler_core.builtin.models.predictive.series import new_series, restored
from baler_core.builtin.models.predictive.stencil import COLUMNS, EDGE, MOST_CLASSES
from baler_core.builtin.models.predictive.walk import code_values
from baler_core.errors import FormatError

LARGEST = 1 << 24
# Numbers of contexts that may be mixed; with none, the stencil alone predicts.
MIXED = (0, 3, 7)
_WEIGHT_KIND, _LIMIT_KIND, _EDGE_KIND = 0, 1, 2


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
    return not values.size or (int(values.min()) > -LARGEST and int(values.max()) < LARGEST)


def encode_with(integers: Integers, weights: np.ndarray, mixed: int) -> tuple[bytes, np.ndarray]:
    """All values outside holes, with a checksum of what will be restored; and that.

    Parameters
    ----------
    weights
        Stencils of each variable, without and with a slice before: int64 (variables, 2, classes, COLUMNS).
    """
    low, high = _limits(integers)
    capacity = 4096 + 4 * integers.values.size
    while True:
        coder = new_encoder(capacity)
        numbers = NumberCoder(coder)
        for limit in (low, high):
            numbers.code(limit, _LIMIT_KIND)
        numbers.code(weights.shape[2], _LIMIT_KIND)
        _code_weights(numbers, weights, len(integers.values) > 1)
        values = _code(coder, integers, weights, (low << FRACTION, high << FRACTION), mixed)
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
    if len(data) < 4 or data[0] not in MIXED:
        raise FormatError("a predicted field is cut short, or damaged")
    coder = new_decoder(data[4:])
    numbers = NumberCoder(coder)
    low, high = numbers.code(0, _LIMIT_KIND), numbers.code(0, _LIMIT_KIND)
    if not -LARGEST < low <= high < LARGEST:
        raise FormatError("a predicted field is damaged: its limits are impossible")
    integers = Integers(np.zeros(shape, np.int64), holes, stack, closed)
    classes = numbers.code(0, _LIMIT_KIND)
    if not 1 <= classes <= MOST_CLASSES:
        raise FormatError(f"a predicted field of {classes} classes of stencils")
    weights = np.zeros((shape[1], 2, classes, COLUMNS), np.int64)
    _code_weights(numbers, weights, shape[0] > 1)
    values = _code(coder, integers, weights, (low << FRACTION, high << FRACTION), data[0])
    if _checksum(values) != data[1:4]:
        raise FormatError("a predicted field is damaged: its integers have another checksum")
    return values


def _limits(integers: Integers) -> tuple[int, int]:
    ordinary = integers.values if integers.holes is None else integers.values[~integers.holes]
    if not ordinary.size:
        return 0, 0
    return int(ordinary.min()) >> FRACTION, -(-int(ordinary.max()) >> FRACTION)


def _code_weights(numbers: NumberCoder, weights: np.ndarray, several: bool) -> None:
    """Write or read (in place) the stencils that are used for one slice, or for `several`."""
    for variable in range(weights.shape[0]):
        for temporal in (False, True) if several else (False,):
            used = np.flatnonzero(stencil.used_features(temporal, variable > 0))
            for number, row in enumerate(weights[variable, int(temporal)]):
                for place in used:
                    row[place] = numbers.code(int(row[place]), _WEIGHT_KIND)
                if number + 1 < weights.shape[2]:
                    row[EDGE] = numbers.code(int(row[EDGE]), _EDGE_KIND)


def _code(coder: Coder, integers: Integers, weights: np.ndarray, limits: tuple[int, int], mixed: int) -> np.ndarray:
    """Write the values, or read them; what is restored."""
    shape = integers.values.shape
    series = new_series(integers.values, integers.holes, weights, limits, closed=integers.closed)
    code_values(coder, series, shape[1], integers.stack, mixed)
    return restored(series, shape)


def _checksum(values: np.ndarray) -> bytes:
    return zlib.crc32(np.ascontiguousarray(values, "<i8").data).to_bytes(4, "little")[:3]
