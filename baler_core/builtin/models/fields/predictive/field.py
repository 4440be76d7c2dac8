"""Write a chunk of integers (slices, variables, y, x) as bytes, given its stencils, and read it back."""

from __future__ import annotations

import zlib

import numpy as np

from baler_core.builtin.models.fields.predictive import stencil
from baler_core.builtin.models.fields.predictive.coder import LOCAL, SIGNED, code_fast, code_values
from baler_core.builtin.models.fields.predictive.fast_rows import CONTEXTS
from baler_core.builtin.models.fields.predictive.local_fit import MOST_COLUMNS
from baler_core.builtin.models.fields.predictive.predictor import FRACTION
from baler_core.builtin.models.fields.predictive.series import new_series, restored
from baler_core.builtin.models.fields.predictive.stencil import (
    COLUMNS,
    EDGE,
    FINE_BITS,
    MOST_CLASSES,
    WEIGHT_BITS,
    Stencils,
)
from baler_core.entropy.arithmetic import OVERRUN, Coder, finish, new_decoder, new_encoder
from baler_core.entropy.numbers import NumberCoder
from baler_core.entropy.symbol_stream import (
    counted_bytes,
    new_collector,
    new_head,
    read_head,
    read_stream,
    write_stream,
)
from baler_core.entropy.symbols import Stream
from baler_core.errors import FormatError
from baler_core.machine.records import dataclass

LARGEST = 1 << 30
# Numbers of contexts that may be mixed (with none, the stencil alone predicts), and the signed ones.
MIXED = (0, 3, 7, *SIGNED, LOCAL)
# Values of fewer steps, with a fraction of 10 bits, are kept in 32 bits while they are coded fast.
_NARROW = 1 << 20
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
    exact
        Whether something is written beside them that tells floats exactly: mostly noise, so that little is to be gained.
    """

    values: np.ndarray
    holes: np.ndarray | None
    stack: int = 1
    closed: bool = False
    exact: bool = False


def fits(values: np.ndarray) -> bool:
    """Return whether numbers of steps are small enough to be predicted in 64 bits."""
    return not values.size or (int(values.min()) > -LARGEST and int(values.max()) < LARGEST)


def encode_with(integers: Integers, stencils: Stencils, mixed: int) -> tuple[bytes, np.ndarray]:
    """Write all values outside holes, with a checksum of what will be restored; and that."""
    if mixed == 0:
        head, stream, values = _collected(integers, stencils)
        return bytes([mixed]) + _checksum(values) + write_stream(stream, CONTEXTS, head), values
    capacity = 4096 + 4 * integers.values.size
    while True:
        coder = new_encoder(capacity)
        limits = code_common(coder, _limits(integers), stencils, len(integers.values))
        values = _code_mixed(coder, integers, stencils, limits, mixed)
        if not coder.registers[OVERRUN]:
            return bytes([mixed]) + _checksum(values) + finish(coder), values
        capacity *= 4


def counted_with(integers: Integers, stencils: Stencils) -> tuple[float, np.ndarray]:
    """Return how many bytes `encode_with` would make without mixing, in less time; and what will be restored."""
    head, stream, values = _collected(integers, stencils)
    return counted_bytes(stream, CONTEXTS, head), values


def decode_integers(
    data: bytes, shape: tuple[int, ...], holes: np.ndarray | None, stack: int, closed: bool, last: int | None = None
) -> np.ndarray:
    """Decode the values: int64 (slices, variables, y, x) in 1/1024 of a step; predictions in holes.

    Parameters
    ----------
    shape
        Of all values.
    last
        Slices, of which each follows from those before it, are decoded up to here; None for all. `holes` are of these.

    Raises
    ------
    FormatError
        If the bytes are damaged.
    """
    if len(data) < 4 or data[0] not in MIXED:
        raise FormatError("a predicted field is cut short, or damaged")
    mixed = data[0]
    if mixed == LOCAL and shape[3] > MOST_COLUMNS:
        raise FormatError(f"a predicted field is damaged: local fits of {shape[3]} columns")
    coder, rest = (new_decoder(data[4:]), None) if mixed else read_head(data[4:], "a predicted field")
    decoded = shape[0] if last is None else last
    integers = Integers(np.zeros((decoded, *shape[1:]), np.int64), holes, stack, closed)
    limits, stencils = read_common(coder, shape)
    if rest is None:
        values = _code_mixed(coder, integers, stencils, limits, mixed)
    else:
        values = _code_fast(read_stream(coder, rest, CONTEXTS), integers, stencils, limits, encoding=False)
    # the checksum is that of all values: pages that a part is read from have checksums of their own
    if decoded == shape[0] and _checksum(values) != data[1:4]:
        raise FormatError("a predicted field is damaged: its integers have another checksum")
    return values


def _limits(integers: Integers) -> tuple[int, int]:
    ordinary = integers.values if integers.holes is None else integers.values[~integers.holes]
    if not ordinary.size:
        return 0, 0
    return int(ordinary.min()) >> FRACTION, -(-int(ordinary.max()) >> FRACTION)


def _collected(integers: Integers, stencils: Stencils) -> tuple[Coder, Stream, np.ndarray]:
    """Return the start of a stream, all symbols of the values, and what will be restored."""
    head = new_head(8 * stencils.weights.size)
    limits = code_common(head, _limits(integers), stencils, len(integers.values))
    stream = new_collector(integers.values.size, 0)
    return head, stream, _code_fast(stream, integers, stencils, limits, encoding=True)


def read_common(coder: Coder, shape: tuple[int, ...]) -> tuple[tuple[int, int], Stencils]:
    """Read the limits of values, and the stencils."""
    numbers = NumberCoder(coder)
    low, high = numbers.code(0, _LIMIT_KIND), numbers.code(0, _LIMIT_KIND)
    if not -LARGEST < low <= high < LARGEST:
        raise FormatError("a predicted field is damaged: its limits are impossible")
    told = numbers.code(0, _LIMIT_KIND)
    if not 1 <= told <= 2 * MOST_CLASSES:
        raise FormatError(f"a predicted field of {told} classes of stencils")
    classes, fine = (told - 1) % MOST_CLASSES + 1, told > MOST_CLASSES
    weights = np.zeros((shape[1], 2, classes, COLUMNS), np.int64)
    _code_weights(numbers, weights, shape[0] > 1)
    return (low, high), Stencils(weights, FINE_BITS if fine else WEIGHT_BITS)


def code_common(coder: Coder, limits: tuple[int, int], stencils: Stencils, slices: int) -> tuple[int, int]:
    """Write what `read_common` reads; returns the limits."""
    numbers = NumberCoder(coder)
    for limit in limits:
        numbers.code(limit, _LIMIT_KIND)
    # classes beyond the most there are tell that weights are fine
    numbers.code(stencils.weights.shape[2] + MOST_CLASSES * (stencils.bits == FINE_BITS), _LIMIT_KIND)
    _code_weights(numbers, stencils.weights, slices > 1)
    return limits


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


def _code_mixed(
    coder: Coder, integers: Integers, stencils: Stencils, limits: tuple[int, int], mixed: int
) -> np.ndarray:
    """Write the values, or read them, with mixed contexts; what is restored."""
    shape = integers.values.shape
    low, high = limits
    ends = low << FRACTION, high << FRACTION
    series = new_series(integers.values, integers.holes, stencils, ends, closed=integers.closed)
    code_values(coder, series, shape[1], integers.stack, mixed)
    return restored(series, shape)


def _code_fast(
    stream: Stream, integers: Integers, stencils: Stencils, limits: tuple[int, int], *, encoding: bool
) -> np.ndarray:
    """Collect the values, or read them, by the stencil alone; what is restored."""
    shape = integers.values.shape
    low, high = limits
    ends = low << FRACTION, high << FRACTION
    dtypes = np.int32 if max(-low, high) < _NARROW else np.int64, np.int32
    series = new_series(integers.values, integers.holes, stencils, ends, closed=integers.closed, dtypes=dtypes)
    code_fast(stream, int(encoding), series, shape[1], integers.stack)
    return restored(series, shape).astype(np.int64)


def _checksum(values: np.ndarray) -> bytes:
    return zlib.crc32(np.ascontiguousarray(values, "<i8").data).to_bytes(4, "little")[:3]
