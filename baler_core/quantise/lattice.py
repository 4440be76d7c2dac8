"""Round values to the points of a lattice, numbered by integers, and back; keep special values apart."""

from __future__ import annotations

import math
import struct
from abc import ABC, abstractmethod
from dataclasses import field
from typing import Any, ClassVar

import numpy as np

from baler_core.data.sides import Reach, as_value, keep_off
from baler_core.entropy.varint import ByteReader, unzigzag, write_varint, zigzag
from baler_core.errors import FormatError
from baler_core.machine.records import dataclass
from baler_core.quantise.exponential import exp
from baler_core.quantise.number_codes import as_int64, below, float_bits, in_pieces, to_codes

# How often each code must occur, on average, for values to be looked up.
_REPEATED = 4
# So few values are restored sooner than it is found whether they repeat.
_SHORT = 512
# step, divisor, merge, offset, lowest: what bytes can hold of a lattice, whatever its kind
_DEFAULTS = (1.0, 1.0, 1, 0, 0)
Parameters = tuple[float, float, int, int]


@dataclass(frozen=True)
class Lattice(ABC):
    """The points that values of one variable are rounded to, numbered by int64 codes.

    Attributes
    ----------
    dtype
        numpy dtype string of the values.
    specials
        Values outside the lattice (NaN, infinities, -0.0, fill values, 0 under `rel`), which get the codes
        `lowest - 1`, `lowest - 2`, ... in merged form.
    lowest
        Smallest code of the ordinary values that the lattice was made for; in merged form smaller ones move down to
        make room for the special values.
    """

    dtype: str
    specials: tuple[float, ...] = field(default=(), kw_only=True)
    lowest: int = field(default=0, kw_only=True)
    exact: ClassVar[bool] = True
    """Whether points are restored by additions, multiplications and divisions alone."""

    @abstractmethod
    def _quantise(self, values: np.ndarray) -> np.ndarray:
        """Return the int64 code of the point next to each value."""

    @abstractmethod
    def _dequantise(self, codes: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
        """Return the points of codes."""

    def reach(self) -> Reach:
        """Return how far values may lie from their points: by less than 1, where these are integers."""
        return Reach(absolute=1.0)

    @abstractmethod
    def _parameters(self) -> Parameters:
        """Return step, divisor, merge and offset as they are stored."""

    def quantise(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Round values of any shape to points.

        Returns
        -------
        codes
            int64, same shape; 0 at special values.
        special
            uint8, same shape; 0 for ordinary values, 1 + index into `specials` for the others.
        """
        special = classify(values, self.specials)
        with np.errstate(all="ignore"):
            codes = in_pieces(self._quantise, values, np.dtype(np.int64))
        if self.specials:
            codes[special > 0] = 0
        return codes, special

    def codes(self, values: np.ndarray) -> np.ndarray:
        """Round values to codes, the special values merged in as the lowest codes: int64, same shape."""
        return self.merge_specials(*self.quantise(values))

    def merge_specials(self, codes: np.ndarray, special: np.ndarray) -> np.ndarray:
        """Join the two arrays that `quantise` returns."""
        if not self.specials:
            return codes
        moved = np.where(codes < self.lowest, codes - len(self.specials), codes)
        return np.where(special > 0, self.lowest - special.astype(np.int64), moved)

    def split_specials(self, merged: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Invert `merge_specials`."""
        count = len(self.specials)
        if not count:
            return merged, np.zeros(merged.shape, np.uint8)
        # compared, not subtracted: codes and `lowest` may be further apart than int64 reaches
        below, first = merged < self.lowest, self.lowest - count
        moved = np.where(merged < first, merged + count, merged)
        is_special = below & (merged >= first)
        special = np.where(is_special, self.lowest - np.where(is_special, merged, 0), 0)
        return np.where(is_special, 0, moved), special.astype(np.uint8)

    def restore(self, codes: np.ndarray) -> np.ndarray:
        """Restore values from merged codes: same shape, this lattice's dtype.

        Where codes lie closely together, each possible one is restored once, and looked up.
        """
        if codes.size <= _SHORT:
            return self.dequantise(*self.split_specials(codes))
        low, high = int(codes.min()), int(codes.max())
        if high - low >= codes.size // _REPEATED:
            return self.dequantise(*self.split_specials(codes))
        known = self.dequantise(*self.split_specials(low + np.arange(high - low + 1)))
        return known[codes - low]

    def dequantise(self, codes: np.ndarray, special: np.ndarray) -> np.ndarray:
        """Restore values from what `quantise` returns."""
        dtype = np.dtype(self.dtype)
        with np.errstate(all="ignore"):
            values = in_pieces(lambda piece: self._dequantise(piece, dtype), codes, dtype)
        if not self.specials:
            return values
        if dtype.kind != "b":
            keep_off(values, None, self.specials, self.reach())
        with np.errstate(all="ignore"):  # of a damaged file: what is beyond the dtype becomes infinite
            for index, value in enumerate(self.specials):
                values[special == index + 1] = np.asarray(value).astype(dtype)
        return values

    def to_bytes(self) -> bytes:
        """Write a few bytes from which `from_bytes` makes this lattice again, given the dtype; two for plain integers."""
        present, body = 0, b""
        for bit, (value, default) in enumerate(zip((*self._parameters(), self.lowest), _DEFAULTS, strict=True)):
            if value != default:
                present |= 1 << bit
                body += struct.pack("<d", value) if bit < 2 else write_varint(zigzag(int(value)))
        if self.specials:
            body += bytes([len(self.specials)]) + struct.pack(f"<{len(self.specials)}d", *self.specials)
        return bytes([_KINDS.index(type(self)) | (8 if self.specials else 0), present]) + body

    @staticmethod
    def read(reader: ByteReader, dtype: str) -> Lattice:
        """Read the lattice that stands next in `reader`.

        Raises
        ------
        FormatError
            If the bytes are not a lattice for this dtype.
        """
        kind = reader.varint(16)
        present = reader.varint(32)
        stored: list[float] = list(_DEFAULTS)
        for bit in range(len(_DEFAULTS)):
            if present >> bit & 1:
                stored[bit] = _double(reader) if bit < 2 else unzigzag(reader.varint(2**64))
        specials = tuple(_double(reader) for _ in range(reader.varint(128))) if kind & 8 else ()
        step, divisor, merge, offset, lowest = stored
        fits = kind & 7 < len(_KINDS) and (_KINDS[kind & 7] in _FLOAT_KINDS) == (np.dtype(dtype).kind == "f")
        whole = 0 <= merge < 2**62 and -(2**63) <= offset < 2**63 and -(2**63) <= lowest < 2**63
        if not (fits and whole and math.isfinite(step) and step > 0 and divisor > 0):
            raise FormatError(f"a lattice for {dtype} values has impossible parameters")
        parameters = step, divisor, int(merge), int(offset)
        return _made(_KINDS[kind & 7], dtype, parameters, specials, int(lowest))

    @staticmethod
    def starts(stored: bytes, count: int) -> list[int]:
        """Return where each of so many lattices begins that lie one after the other, and where the last one ends.

        Raises
        ------
        IndexError
            If the bytes end before; a lattice that is none may have any end.
        """
        place, found = 0, [0]
        for _ in range(count):
            kind, present = stored[place], stored[place + 1]
            place += 2 + 8 * (present & 1) + 4 * (present & 2)
            for _ in range((present >> 2 & 7).bit_count()):
                while stored[place] > 0x7F:
                    place += 1
                place += 1
            if kind & 8:
                place += 1 + 8 * stored[place]
            found.append(place)
        return found

    @staticmethod
    def from_bytes(stored: bytes, dtype: str) -> Lattice:
        """Read the lattice that `to_bytes` wrote."""
        return Lattice.read(ByteReader(stored, "a lattice"), dtype)


def classify(values: np.ndarray, specials: tuple[float, ...]) -> np.ndarray:
    """Find special values: uint8, same shape, 0 for ordinary values and 1 + index into `specials` for the others."""
    special = np.zeros(values.shape, np.uint8)
    for index, value in enumerate(specials):
        if np.isnan(value):
            hit = np.isnan(values)
        elif value == 0:
            hit = (values == 0) & (np.signbit(values) == bool(np.signbit(value)))
        elif (known := as_value(value, values.dtype)) is not None:
            hit = values == known
        else:
            hit = values == value if np.isinf(value) else np.zeros(values.shape, bool)
        special[hit] = index + 1
    return special


@dataclass(frozen=True)
class IntegerLattice(Lattice):
    """Integers or booleans: first + merge * spacing * code, in exact integer arithmetic."""

    spacing: int = 1
    merge: int = 1
    first: int = 0

    def _quantise(self, values: np.ndarray) -> np.ndarray:
        codes = as_int64(values) - np.int64(self.first)
        if self.merge > 1 and values.dtype.itemsize == 8:
            # the same as below, for values so large that the sum would leave int64
            whole, rest = np.divmod(codes, self.merge)
            codes = whole + (rest + (self.merge // 2) >= self.merge)
        elif self.merge > 1:
            codes = np.floor_divide(codes + (self.merge // 2), self.merge)
        return codes // np.int64(self.spacing) if self.spacing > 1 else codes

    def _dequantise(self, codes: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
        if self.merge == 1 or dtype.kind not in "iu" or (dtype.kind == "u" and dtype.itemsize == 8):
            return (codes * np.int64(self.spacing) * self.merge + np.int64(self.first)).astype(dtype)
        # points beyond the type are its ends: what is multiplied and added stays within 64 bits
        limits, apart = np.iinfo(dtype), self.spacing * self.merge
        lowest, highest = -((self.first - limits.min) // apart), (limits.max - self.first) // apart
        inside = np.clip(codes, max(lowest, -(2**63)), min(highest, 2**63 - 1))
        within = inside * np.int64(apart) + np.int64(self.first)
        return np.where(codes > highest, limits.max, np.where(codes < lowest, limits.min, within)).astype(dtype)

    def _parameters(self) -> Parameters:
        return float(self.spacing), 1.0, self.merge, self.first


@dataclass(frozen=True)
class StepLattice(Lattice):
    """Floats at regular steps: (code * merge + centre) * step / divisor.

    Attributes
    ----------
    step, divisor
        Spacing; a decimal spacing 0.01 is 1 / 100 so that code / 100 is the correctly rounded decimal.
    merge
        How many points of the data's own lattice share a code.
    anchor
        Which point of its cell 0 is.
    """

    step: float = 1.0
    divisor: float = 1.0
    merge: int = 1
    anchor: int = 0

    @property
    def spacing(self) -> float:
        """Distance of two points of the data's own lattice."""
        return self.step / self.divisor

    def _quantise(self, values: np.ndarray) -> np.ndarray:
        codes = to_codes(np.rint(values.astype(np.float64) * self.divisor / self.step))
        return codes if self.merge == 1 else np.floor_divide(codes + self.anchor, self.merge)

    def _dequantise(self, codes: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
        points = codes.astype(np.float64)
        if self.merge > 1:
            points = points * self.merge + ((self.merge - 1) / 2 - self.anchor)
        return (points * self.step / self.divisor).astype(dtype)

    def reach(self) -> Reach:
        """Return how far values may lie from their points."""
        return Reach(absolute=self.merge * self.step / self.divisor / 2)

    def _parameters(self) -> Parameters:
        return self.step, self.divisor, self.merge, self.anchor


@dataclass(frozen=True)
class LogLattice(Lattice):
    """Floats in geometric progression: +-exp((|code| + smallest) * step) * centre, sign as the sign of the code."""

    step: float = 1.0
    centre: float = 1.0
    smallest: int = 0
    exact = False

    def _quantise(self, values: np.ndarray) -> np.ndarray:
        magnitude = to_codes(np.rint(np.log(np.abs(values.astype(np.float64))) / self.step)) - self.smallest
        return np.where(np.signbit(values), -magnitude, magnitude)

    def _dequantise(self, codes: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
        magnitude = exp((np.abs(codes) + self.smallest) * self.step) * self.centre
        return np.where(codes < 0, -magnitude, magnitude).astype(dtype)

    def reach(self) -> Reach:
        """Return how far values may lie from their points."""
        return Reach(relative=self.step / 2)

    def _parameters(self) -> Parameters:
        return self.step, self.centre, 1, self.smallest


@dataclass(frozen=True)
class BitsLattice(Lattice):
    """A float's own bits in ascending order, low bits dropped; lossless where the data have those bits zero."""

    dropped: int = 1

    def _quantise(self, values: np.ndarray) -> np.ndarray:
        unsigned, sign_bit = float_bits(values)
        magnitude = unsigned & np.uint64(sign_bit - 1)
        if self.dropped:
            # Halfway values go to the even neighbour: values of two bits more than are kept would all grow otherwise.
            dropped, below_half = np.uint64(self.dropped), np.uint64(((1 << self.dropped) >> 1) - 1)
            magnitude = (magnitude + below_half + (magnitude >> dropped & np.uint64(1))) >> dropped
        codes = magnitude.astype(np.int64)
        return np.where(unsigned >= np.uint64(sign_bit), ~codes, codes)

    def _dequantise(self, codes: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
        sign_bit = 1 << (8 * dtype.itemsize - 1)
        magnitude = np.where(codes < 0, ~codes, codes).astype(np.uint64) << np.uint64(self.dropped)
        unsigned = np.where(codes < 0, magnitude | np.uint64(sign_bit), magnitude)
        return unsigned.astype(f"u{dtype.itemsize}").view(dtype.newbyteorder("=")).astype(dtype)

    def reach(self) -> Reach:
        """Return how far values may lie from their points."""
        return Reach(relative=float(2.0**self.dropped * np.finfo(self.dtype).eps / 2))

    def _parameters(self) -> Parameters:
        return 1.0, 1.0, self.dropped, 0


@dataclass(frozen=True)
class LogIntegerLattice(Lattice):
    """Integers up to `near` as they are, larger ones in geometric progression about `centre`, rounded."""

    step: float = 1.0
    centre: float = 1.0
    near: int = 0
    exact = False

    def _quantise(self, values: np.ndarray) -> np.ndarray:
        exact = values.astype(np.float64)
        far = np.rint((np.log(np.abs(exact)) - np.log(self.near)) / self.step) + self.near + 1
        codes = to_codes(np.where(np.abs(exact) <= self.near, np.abs(exact), far))
        return np.where(exact < 0, -codes, codes)

    def _dequantise(self, codes: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
        size = np.abs(codes)
        far = exp((size - self.near - 1) * self.step) * (self.near * self.centre)
        magnitude = np.rint(np.where(size <= self.near, size, far))
        limits = np.iinfo(dtype)
        return np.clip(np.where(codes < 0, -magnitude, magnitude), float(limits.min), below(limits.max)).astype(dtype)

    def _parameters(self) -> Parameters:
        return self.step, self.centre, 1, self.near


# In the order in which bytes number them.
_KINDS: tuple[type[Lattice], ...] = (IntegerLattice, StepLattice, LogLattice, BitsLattice, LogIntegerLattice)
_FLOAT_KINDS = (StepLattice, LogLattice, BitsLattice)


def _made(kind: type[Lattice], dtype: str, parameters: Parameters, specials: tuple[float, ...], lowest: int) -> Lattice:
    """Make a lattice from stored parameters; FormatError if they are impossible for its kind."""
    step, divisor, merge, offset = parameters
    if kind is IntegerLattice:
        if not (step == int(step) and int(step) * merge < 2**62):
            raise FormatError(f"a lattice for {dtype} values has steps of {step:g}")
        if merge < 1:
            raise FormatError(f"a lattice for {dtype} values joins {merge} points")
        return IntegerLattice(dtype, int(step), merge, offset, specials=specials, lowest=lowest)
    if kind is StepLattice:
        if merge < 1:
            raise FormatError(f"a lattice for {dtype} values joins {merge} points")
        return StepLattice(dtype, step, divisor, merge, offset, specials=specials, lowest=lowest)
    if kind is BitsLattice:
        if merge >= 8 * np.dtype(dtype).itemsize - 1:
            raise FormatError(f"a lattice drops {merge} bits of {dtype} values")
        return BitsLattice(dtype, merge, specials=specials, lowest=lowest)
    logarithmic = LogLattice if kind is LogLattice else LogIntegerLattice
    return logarithmic(dtype, step, divisor, offset, specials=specials, lowest=lowest)


def _double(reader: ByteReader) -> float:
    return float(struct.unpack("<d", reader.take(8))[0])
