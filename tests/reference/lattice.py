"""Codes to values, and values beside special ones (file_format.md: lattices, settled values)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from reference.exponential import exp
from reference.reading import Bytes, Damaged

INTEGER, STEP, LOG, BITS, LOG_INTEGER = range(5)
TOUCHING_UNITS, AWAY_UNITS, AWAY_SHARE = 4, 8, 2.0**-11


class Lattice:
    """A lattice as it is stored, for values of a dtype."""

    def __init__(self, stream: Bytes, dtype: np.dtype[Any]) -> None:
        head, present = stream.below(16), stream.below(32)
        self.kind, self.dtype = head & 7, dtype
        self.step, self.divisor = (stream.double() if present >> bit & 1 else 1.0 for bit in (0, 1))
        self.merge, self.offset, self.lowest = (
            stream.zigzag() if present >> bit & 1 else default for bit, default in ((2, 1), (3, 0), (4, 0))
        )
        self.specials = [stream.double() for _ in range(stream.below(128))] if head & 8 else []
        floats, cells = self.kind in (STEP, LOG, BITS), self.kind in (INTEGER, STEP)
        possible = self.kind <= LOG_INTEGER and floats == (dtype.kind == "f")
        possible &= bool(math.isfinite(self.step) and self.step > 0 and self.divisor > 0)
        possible &= (1 if cells else 0) <= self.merge < (8 * dtype.itemsize - 1 if self.kind == BITS else 2**62)
        if not possible or (self.kind == INTEGER and not (self.step % 1 == 0 and self.step * self.merge < 2**62)):
            raise Damaged("a lattice has impossible parameters")

    def split(self, merged: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Codes, and classes of special values, of codes into which these are merged."""
        n, first = len(self.specials), self.lowest - len(self.specials)
        if not n:
            return merged, np.zeros(merged.shape, "<i8")
        special = (merged < self.lowest) & (merged >= first)
        classes = np.where(special, self.lowest - np.where(special, merged, 0), 0)
        return np.where(special, 0, np.where(merged < first, merged + n, merged)), classes

    def restore(self, codes: np.ndarray, classes: np.ndarray) -> np.ndarray:
        values = self.points(codes)
        if self.dtype.kind != "b":
            keep_off(values, self.specials, *self.reach())
        put_specials(values, classes, self.specials)
        return values

    def points(self, c: np.ndarray) -> np.ndarray:
        """The values of codes."""
        if self.kind == INTEGER:
            return self.whole_points(c)
        if self.kind == STEP:
            points = c.astype("<f8")
            points = points * self.merge + ((self.merge - 1) / 2 - self.offset) if self.merge > 1 else points
            return (points * self.step / self.divisor).astype(self.dtype)
        if self.kind == LOG:
            size = exp((np.abs(c) + self.offset) * self.step) * self.divisor
            return np.where(c < 0, -size, size).astype(self.dtype)
        if self.kind == BITS:
            width = self.dtype.itemsize
            size = np.where(c < 0, -1 - c, c).astype("<u8") << np.uint64(self.merge)
            bits = np.where(c < 0, size | np.uint64(1 << (8 * width - 1)), size)
            return bits.astype(f"<u{width}").view(f"<f{width}").astype(self.dtype)
        size = np.abs(c)
        far = exp((size - self.offset - 1) * self.step) * (self.offset * self.divisor)
        found = np.copysign(np.rint(np.where(size <= self.offset, size, far)), np.where(c < 0, -1.0, 1.0))
        low, high = float(np.iinfo(self.dtype).min), float(np.iinfo(self.dtype).max)
        high = high if int(high) <= np.iinfo(self.dtype).max else float(np.nextafter(high, 0.0))
        return np.clip(found, low, high).astype(self.dtype)

    def whole_points(self, c: np.ndarray) -> np.ndarray:
        apart = int(self.step) * self.merge
        if self.merge == 1 or self.dtype.kind == "b" or self.dtype.str[1:] == "u8":
            return (c * np.int64(int(self.step)) * self.merge + np.int64(self.offset)).astype(self.dtype)
        ends = np.iinfo(self.dtype)
        whole = [min(max(int(code) * apart + self.offset, ends.min), ends.max) for code in c.ravel()]
        return np.array(whole, self.dtype).reshape(c.shape)

    def reach(self) -> tuple[float, float]:
        """Half a cell: a fixed number, and a share of the value."""
        if self.kind == STEP:
            return self.merge * self.step / self.divisor / 2, 0.0
        if self.kind == LOG:
            return 0.0, self.step / 2
        if self.kind == BITS:
            return 0.0, float(2.0**self.merge * np.finfo(self.dtype).eps / 2)
        return 1.0, 0.0


def put_specials(values: np.ndarray, classes: np.ndarray, specials: Sequence[float]) -> None:
    for number, special in enumerate(specials, 1):
        values[classes == number] = np.asarray(special).astype(values.dtype)


def as_value(number: float, dtype: np.dtype[Any]) -> Any:
    """A number as a value of the dtype, or None if it is none."""
    if dtype.kind == "f":
        return dtype.type(number) if np.isfinite(dtype.type(number)) else None
    if dtype.kind not in "iu" or not math.isfinite(number) or number != int(number):
        return None
    ends = np.iinfo(dtype)
    return dtype.type(int(number)) if ends.min <= int(number) <= ends.max else None


def special_values(numbers: Sequence[float], dtype: np.dtype[Any]) -> list[Any]:
    """Those that the dtype can represent, without repetitions; zero without its sign."""
    found = [as_value(number, dtype) for number in numbers]
    return list(dict.fromkeys(abs(value) if value == 0 else value for value in found if value is not None))


def touching(values: np.ndarray, special: Any) -> np.ndarray:
    """Which values are less than 4 units in the last place away."""
    if not isinstance(special, np.floating) or special == 0:
        return np.asarray(values == special)
    near = type(special)(TOUCHING_UNITS * np.spacing(np.abs(special)))
    if near == 0 or not np.isfinite(near):
        return np.asarray(values == special)
    return np.asarray((values > special - near) & (values < special + near))


def beside(special: Any, tolerance: float, specials: Sequence[Any], up: bool = True) -> Any:
    """The target s + d, or further where that is special, or on the other side where there is nothing."""
    for upwards in (up, not up):
        for steps in range(1, 2 + len(specials)):
            moved = _moved(special, tolerance, steps if upwards else -steps)
            if moved is not None and not any(bool(touching(np.asarray(moved), other)) for other in specials):
                return moved
    return special


def _moved(special: Any, tolerance: float, steps: int) -> Any:
    if isinstance(special, np.integer):
        return as_value(int(special) + steps, special.dtype)
    unit = np.spacing(np.abs(special))
    away = float(type(special)(AWAY_UNITS * unit)) if special != 0 else 0.0
    d = max(min(away, tolerance), tolerance * AWAY_SHARE, float(unit))
    moved = special.dtype.type(float(special) + steps * d)
    return moved if np.isfinite(moved) and moved != special else None


def keep_off(values: np.ndarray, numbers: Sequence[float], absolute: float, relative: float = 0.0) -> None:
    """Move values that equal a special value of a model beside it; -0.0 is none."""
    known = special_values([n for n in numbers if n != 0 or math.copysign(1.0, n) > 0], values.dtype)
    for special in known:
        hit = values == special
        if hit.any():
            values[hit] = beside(special, absolute + relative * abs(float(special)), known)
