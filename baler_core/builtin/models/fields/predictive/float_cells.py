"""Number floats by cells that hold several of them, and tell which of a cell each is: exact, whatever the values.

Cells are of one size (then a prediction of values foretells numbers), or hold as many floats each (for values of very
different sizes). The rest, which of its cell a value is, is mostly noise.
"""

from __future__ import annotations

import numpy as np

from baler_core.builtin.models.fields.predictive.bit_planes import pack_planes, unpack_planes
from baler_core.builtin.models.fields.predictive.float_bits import (
    Geometry,
    find_widths,
    join_rests,
    number_cells,
    take_rests,
)
from baler_core.entropy.integers import pack_fast, unpack_integers
from baler_core.entropy.varint import ByteReader, unzigzag, write_sized, write_varint, zigzag
from baler_core.errors import FormatError
from baler_core.machine.records import dataclass

# No exponent of a float64 is beyond this.
_MOST_EXPONENT = 1200
# So low a power of two tells nothing.
LOWEST = -_MOST_EXPONENT
SAME_SIZE, SAME_COUNT = range(2)


@dataclass(frozen=True)
class FloatCells:
    """Cells of floats. Cell n >= 0 holds positive floats, ~n those of the same magnitudes with a sign.

    Attributes
    ----------
    dtype
        float32 or float64, in any order of bytes.
    kind
        `SAME_SIZE`: cell n holds magnitudes from n * 2^size up to below (n + 1) * 2^size. `SAME_COUNT`: 2^size floats.
    zeros
        How many low bits of the mantissa are 0 in all values.
    lowest
        All values that are not next to 0 are multiples of two to this power.
    """

    dtype: str
    kind: int
    size: int
    zeros: int = 0
    lowest: int = LOWEST

    def numbers(self, values: np.ndarray) -> np.ndarray:
        """Return the cells of finite values: int64, same shape; anything for others."""
        found = np.empty(values.size, np.int64)
        number_cells(found, _bits(values), self._geometry(), self._sign())
        return found.reshape(values.shape)

    def encode_rests(self, values: np.ndarray, numbers: np.ndarray) -> bytes:
        """Write which of their cells values are: 1-D, in the order of coding; the `numbers` of the cells are known.

        Those next to 0 come first, packed as integers. Others are written in planes of bits, each XOR that before it if
        both are of one cell, so that constant stretches are zeros.
        """
        rests, widths = np.empty(values.size, np.uint64), np.empty(values.size, np.uint8)
        near = np.empty(values.size, np.int64)
        count = int(take_rests(rests, widths, near, _bits(values), np.ascontiguousarray(numbers), self._geometry()))
        beside = near[: values.size - count]
        return write_sized(pack_fast(beside) if beside.size else b"") + pack_planes(rests[:count], widths[:count])

    def decode_rests(self, data: bytes, numbers: np.ndarray) -> np.ndarray:
        """Return the values of cells, 1-D.

        Raises
        ------
        FormatError
            If the bytes are damaged.
        """
        reader = ByteReader(data, "a field of floats")
        stored, widths = reader.sized(), np.empty(numbers.size, np.uint8)
        count = int(find_widths(widths, numbers, self._geometry()))
        beside = numbers.size - count
        if stored and not beside:
            raise FormatError("a field of floats is damaged: it has values next to 0, and no places for them")
        near = unpack_integers(stored, beside) if beside else np.zeros(0, np.int64)
        rests, bits = unpack_planes(reader, widths[:count]), np.empty(numbers.size, np.int64)
        join_rests(bits, numbers, rests, near, self._geometry(), self._sign())
        size = np.dtype(self.dtype).itemsize
        return bits.astype(f"i{size}").view(f"f{size}").astype(self.dtype)

    def rest_bits(self, values: np.ndarray) -> float:
        """Return about how many bits the rest of a value takes."""
        widths = np.empty(values.size, np.uint8)
        count = int(find_widths(widths, self.numbers(values.ravel()), self._geometry()))
        near = min(values.size - count, int(np.count_nonzero(values)))
        total = float(widths[:count].sum(dtype=np.int64)) + near * (8 * values.dtype.itemsize - 4)
        return total / max(1, values.size)

    def to_bytes(self) -> bytes:
        """Write a few bytes."""
        return bytes([self.kind, self.zeros]) + b"".join(write_varint(zigzag(n)) for n in (self.size, self.lowest))

    def _sign(self) -> int:
        return 8 * np.dtype(self.dtype).itemsize - 1

    def _geometry(self) -> Geometry:
        info = np.finfo(self.dtype)
        lowest = max(self.lowest, int(info.minexp) - int(info.nmant))
        even = int(self.kind == SAME_SIZE)
        return Geometry(even, int(info.nmant), 1 - int(info.minexp), self.size, self.zeros, lowest)


def read_cells(reader: ByteReader, dtype: str) -> FloatCells:
    """Invert `FloatCells.to_bytes`.

    Raises
    ------
    FormatError
        If there are no such cells of this dtype.
    """
    kind, zeros = reader.varint(2), reader.varint(64)
    size, lowest = (unzigzag(reader.varint(2 * _MOST_EXPONENT + 2)) for _ in range(2))
    known = np.dtype(dtype)
    bits = int(np.finfo(known).nmant) if known.kind == "f" and known.itemsize in (4, 8) else 0
    if not bits or zeros > bits or (kind == SAME_COUNT and not 0 <= size <= bits - zeros):
        raise FormatError(f"cells of {dtype} values are impossible")
    return FloatCells(dtype, kind, size, zeros, lowest)


def _bits(values: np.ndarray) -> np.ndarray:
    """Return the bits of floats: int64, 1-D."""
    native = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("="), copy=False)).ravel()
    return native.view(f"u{native.dtype.itemsize}").astype(np.uint64).view(np.int64)
