"""Values under a tolerance to integers and back: the lattices, and the values that have a place outside them."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from baler_core.data.sides import Reach, as_value, keep_off
from baler_core.entropy.varint import ByteReader, unzigzag, write_varint, zigzag
from baler_core.errors import FormatError

LatticeKind = Literal["integer", "step", "log", "bits", "log_integer"]
KINDS: tuple[LatticeKind, ...] = ("integer", "step", "log", "bits", "log_integer")
_CODE_LIMIT = 2.0**62
# step, divisor, merge, offset, lowest
_DEFAULTS = (1.0, 1.0, 1, 0, 0)


@dataclass(frozen=True)
class Lattice:
    """The points that values of one variable are rounded to, numbered by int64 codes.

    Attributes
    ----------
    kind
        `integer`: offset + merge * code, exact integer arithmetic.
        `step`: (code * merge + centre) * step / divisor.
        `log`: +-exp(code * step) * centre, magnitudes counted from `offset`, sign as the sign of the code.
        `bits`: the float's own bits in ascending order, `merge` low bits dropped; lossless with merge = 0 or where the
        data have those bits zero.
        `log_integer`: integers up to `offset` as they are, larger ones on a log lattice (centred by `divisor`), rounded.
    dtype
        numpy dtype string of the values.
    step, divisor
        Spacing; a decimal spacing 0.01 is 1 / 100 so that code / 100 is the correctly rounded decimal.
    merge
        How many points of the data's own lattice share a code (`integer`, `step`), or how many bits are dropped.
    offset
        First point (`integer`), first point of a cell around 0 (`step`), smallest magnitude (`log`).
    specials
        Values outside the lattice (NaN, infinities, -0.0, fill values, 0 under `rel`), which get the codes
        `lowest - 1`, `lowest - 2`, ... in merged form.
    lowest
        Smallest code of the ordinary values that the lattice was made for; in merged form smaller ones move down to
        make room for the special values.
    """

    kind: LatticeKind
    dtype: str
    step: float = 1.0
    divisor: float = 1.0
    merge: int = 1
    offset: int = 0
    specials: tuple[float, ...] = ()
    lowest: int = 0

    # ---- values to codes

    def quantise(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Codes and special classes of values of any shape.

        Returns
        -------
        codes
            int64, same shape; 0 at special values.
        special
            uint8, same shape; 0 for ordinary values, 1 + index into `specials` for the others.
        """
        special = self._classify(values)
        with np.errstate(all="ignore"):
            codes: np.ndarray = getattr(self, f"_quantise_{self.kind}")(values)
        if self.specials:
            codes[special > 0] = 0
        return codes, special

    def codes(self, values: np.ndarray) -> np.ndarray:
        """Codes of values with the special values merged in as the lowest codes: int64, same shape."""
        return self.merge_specials(*self.quantise(values))

    def merge_specials(self, codes: np.ndarray, special: np.ndarray) -> np.ndarray:
        """One array from the two that `quantise` returns."""
        if not self.specials:
            return codes
        moved = np.where(codes < self.lowest, codes - len(self.specials), codes)
        return np.where(special > 0, self.lowest - special.astype(np.int64), moved)

    def split_specials(self, merged: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Inverse of `merge_specials`."""
        count = len(self.specials)
        if not count:
            return merged, np.zeros(merged.shape, np.uint8)
        # compared, not subtracted: codes and `lowest` may be further apart than int64 reaches
        below, first = merged < self.lowest, self.lowest - count
        moved = np.where(merged < first, merged + count, merged)
        is_special = below & (merged >= first)
        special = np.where(is_special, self.lowest - np.where(is_special, merged, 0), 0)
        return np.where(is_special, 0, moved), special.astype(np.uint8)

    # ---- codes to values

    def restore(self, codes: np.ndarray) -> np.ndarray:
        """Values from merged codes: same shape, this lattice's dtype."""
        return self.dequantise(*self.split_specials(codes))

    def dequantise(self, codes: np.ndarray, special: np.ndarray) -> np.ndarray:
        """Values from what `quantise` returns."""
        dtype = np.dtype(self.dtype)
        with np.errstate(all="ignore"):
            values = np.asarray(getattr(self, f"_dequantise_{self.kind}")(codes, dtype))
        if self.specials and dtype.kind != "b":
            keep_off(values, None, self.specials, self._reach())
        with np.errstate(all="ignore"):  # of a damaged file: what is beyond the dtype becomes infinite
            for index, value in enumerate(self.specials):
                values[special == index + 1] = np.asarray(value).astype(dtype)
        return values

    def _reach(self) -> Reach:
        """How far values may lie from their points."""
        if self.kind == "step":
            return Reach(absolute=self.merge * self.step / self.divisor / 2)
        if self.kind == "bits":
            return Reach(relative=float(2.0**self.merge * np.finfo(self.dtype).eps / 2))
        return Reach(relative=self.step / 2) if self.kind == "log" else Reach(absolute=1.0)

    def _classify(self, values: np.ndarray) -> np.ndarray:
        special = np.zeros(values.shape, np.uint8)
        for index, value in enumerate(self.specials):
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

    # ---- kinds, each with its inverse

    def _quantise_integer(self, values: np.ndarray) -> np.ndarray:
        codes = _as_int64(values) - np.int64(self.offset)
        if self.merge > 1 and values.dtype.itemsize == 8:
            # the same as below, for values so large that the sum would leave int64
            whole, rest = np.divmod(codes, self.merge)
            codes = whole + (rest + (self.merge // 2) >= self.merge)
        elif self.merge > 1:
            codes = np.floor_divide(codes + (self.merge // 2), self.merge)
        return codes // np.int64(self.step) if self.step > 1 else codes

    def _dequantise_integer(self, codes: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
        if self.merge == 1 or dtype.kind not in "iu" or (dtype.kind == "u" and dtype.itemsize == 8):
            return (codes * np.int64(self.step) * self.merge + np.int64(self.offset)).astype(dtype)
        # points beyond the type are its ends: what is multiplied and added stays within 64 bits
        limits, spacing = np.iinfo(dtype), int(self.step) * self.merge
        lowest, highest = (-((self.offset - limits.min) // spacing), (limits.max - self.offset) // spacing)
        within = np.clip(codes, max(lowest, -(2**63)), min(highest, 2**63 - 1)) * np.int64(spacing) + np.int64(
            self.offset
        )
        values = np.where(codes > highest, limits.max, np.where(codes < lowest, limits.min, within))
        return values.astype(dtype)

    def _quantise_step(self, values: np.ndarray) -> np.ndarray:
        points = np.rint(values.astype(np.float64) * self.divisor / self.step)
        codes = _to_codes(points)
        return codes if self.merge == 1 else np.floor_divide(codes + self.offset, self.merge)

    def _dequantise_step(self, codes: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
        points = codes.astype(np.float64)
        if self.merge > 1:
            points = points * self.merge + ((self.merge - 1) / 2 - self.offset)
        return (points * self.step / self.divisor).astype(dtype)

    def _quantise_log(self, values: np.ndarray) -> np.ndarray:
        magnitude = _to_codes(np.rint(np.log(np.abs(values.astype(np.float64))) / self.step)) - self.offset
        return np.where(np.signbit(values), -magnitude, magnitude)

    def _dequantise_log(self, codes: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
        magnitude = np.exp((np.abs(codes) + self.offset) * self.step) * self.divisor
        return np.where(codes < 0, -magnitude, magnitude).astype(dtype)

    def _quantise_bits(self, values: np.ndarray) -> np.ndarray:
        unsigned, sign_bit = _float_bits(values)
        magnitude = unsigned & np.uint64(sign_bit - 1)
        if self.merge:
            half = np.uint64((1 << self.merge) >> 1)
            magnitude = (magnitude + half) >> np.uint64(self.merge)
        codes = magnitude.astype(np.int64)
        return np.where(unsigned >= np.uint64(sign_bit), ~codes, codes)

    def _dequantise_bits(self, codes: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
        sign_bit = 1 << (8 * dtype.itemsize - 1)
        magnitude = np.where(codes < 0, ~codes, codes).astype(np.uint64) << np.uint64(self.merge)
        unsigned = np.where(codes < 0, magnitude | np.uint64(sign_bit), magnitude)
        native = dtype.newbyteorder("=")
        return unsigned.astype(f"u{dtype.itemsize}").view(native).astype(dtype)

    def _quantise_log_integer(self, values: np.ndarray) -> np.ndarray:
        exact = values.astype(np.float64)
        far = np.rint((np.log(np.abs(exact)) - np.log(self.offset)) / self.step) + self.offset + 1
        codes = _to_codes(np.where(np.abs(exact) <= self.offset, np.abs(exact), far))
        return np.where(exact < 0, -codes, codes)

    def _dequantise_log_integer(self, codes: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
        size = np.abs(codes)
        far = np.exp((size - self.offset - 1) * self.step) * (self.offset * self.divisor)
        magnitude = np.rint(np.where(size <= self.offset, size, far))
        limits = np.iinfo(dtype)
        return np.clip(np.where(codes < 0, -magnitude, magnitude), float(limits.min), _below(limits.max)).astype(dtype)

    # ---- bytes

    def to_bytes(self) -> bytes:
        """A few bytes from which `from_bytes` makes this lattice again, given the dtype; two for plain integers."""
        present, body = 0, b""
        for bit, (value, default) in enumerate(zip(self._parameters(), _DEFAULTS, strict=True)):
            if value != default:
                present |= 1 << bit
                body += struct.pack("<d", value) if bit < 2 else write_varint(zigzag(int(value)))
        if self.specials:
            body += bytes([len(self.specials)]) + struct.pack(f"<{len(self.specials)}d", *self.specials)
        return bytes([KINDS.index(self.kind) | (8 if self.specials else 0), present]) + body

    def _parameters(self) -> tuple[float, float, int, int, int]:
        return self.step, self.divisor, self.merge, self.offset, self.lowest

    @classmethod
    def read(cls, reader: ByteReader, dtype: str) -> Lattice:
        """The lattice that stands next in `reader`.

        Raises
        ------
        FormatError
            If the bytes are not a lattice for this dtype.
        """
        kind = reader.varint(16)
        present = reader.varint(32)
        parameters: list[float] = list(_DEFAULTS)
        for bit in range(len(_DEFAULTS)):
            if present >> bit & 1:
                parameters[bit] = _double(reader) if bit < 2 else unzigzag(reader.varint(2**64))
        specials = tuple(_double(reader) for _ in range(reader.varint(128))) if kind & 8 else ()
        step, divisor, merge, offset, lowest = parameters
        is_float = np.dtype(dtype).kind == "f"
        fits = kind & 7 < len(KINDS) and (KINDS[kind & 7] in ("step", "log", "bits")) == is_float
        whole = 0 <= merge < 2**62 and -(2**63) <= offset < 2**63 and -(2**63) <= lowest < 2**63
        if not (fits and whole and np.isfinite(step) and step > 0 and divisor > 0):
            raise FormatError(f"a lattice for {dtype} values has impossible parameters")
        if KINDS[kind & 7] == "integer" and not (step == int(step) and int(step) * merge < 2**62):
            raise FormatError(f"a lattice for {dtype} values has steps of {step:g}")
        if KINDS[kind & 7] in ("integer", "step") and merge < 1:
            raise FormatError(f"a lattice for {dtype} values joins {merge} points")
        if KINDS[kind & 7] == "bits" and merge >= 8 * np.dtype(dtype).itemsize - 1:
            raise FormatError(f"a lattice drops {merge} bits of {dtype} values")
        return cls(KINDS[kind & 7], dtype, step, divisor, int(merge), int(offset), specials, int(lowest))

    @classmethod
    def from_bytes(cls, stored: bytes, dtype: str) -> Lattice:
        """The lattice that `to_bytes` wrote."""
        return cls.read(ByteReader(stored, "a lattice"), dtype)


def _double(reader: ByteReader) -> float:
    return float(struct.unpack("<d", reader.take(8))[0])


def _as_int64(values: np.ndarray) -> np.ndarray:
    """Integers and booleans as int64; uint64 keeps its bits."""
    if values.dtype.kind == "u" and values.dtype.itemsize == 8:
        return np.ascontiguousarray(values.astype("=u8")).view(np.int64)
    return values.astype(np.int64)


def _to_codes(points: np.ndarray) -> np.ndarray:
    """Float64 lattice numbers as int64; what is not finite or too large becomes 0 and will be stored exactly."""
    good = np.abs(points) < _CODE_LIMIT
    return np.where(good, points, 0.0).astype(np.int64)


def _float_bits(values: np.ndarray) -> tuple[np.ndarray, int]:
    """The bits of floats as uint64, and the weight of the sign bit."""
    native = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("="), copy=False))
    bits = native.view(f"u{native.dtype.itemsize}").astype(np.uint64)
    return bits, 1 << (8 * native.dtype.itemsize - 1)


def _below(limit: int) -> float:
    """The largest float64 that does not exceed an integer limit."""
    value = float(limit)
    return value if int(value) <= limit else float(np.nextafter(value, 0.0))
