"""Floats of a tile-compressed image to the whole numbers they were decoded from, and back (FITS standard 4.0, section 10.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import BinaryIO

import numpy as np

from baler_fits.contents.fields import Unit, table_unit
from baler_fits.contents.hdus import Hdu
from baler_fits.contents.headers import Keywords

DITHERS = {"": 0, "NONE": 0, "NO_DITHER": 0, "SUBTRACTIVE_DITHER_1": 1, "SUBTRACTIVE_DITHER_2": 2}
RANDOM = 10_000
# What SUBTRACTIVE_DITHER_2 writes for exact zeros; what stands for NaN if nothing else is said.
ZERO, BLANK = -2147483646, -2147483648
_COLUMNS = ("ZSCALE", "ZZERO", "ZBLANK")
_ROW = np.dtype([("ZSCALE", "<f8"), ("ZZERO", "<f8"), ("ZBLANK", "<i4")])


@dataclass(frozen=True)
class Quantisation:
    """How the pixels of each tile follow from whole numbers: pixel = (number - dither + 0.5) * scale + zero.

    Attributes
    ----------
    scales, zeros
        float64, shape (tiles,).
    blanks
        int32, shape (tiles,): the number that stands for NaN.
    method, seed
        ZQUANTIZ as 0 (no dither), 1 or 2, and ZDITHER0.
    """

    scales: np.ndarray
    zeros: np.ndarray
    blanks: np.ndarray
    method: int
    seed: int

    def numbers(self, tile: int, pixels: np.ndarray) -> np.ndarray | None:
        """int32, same shape: the numbers that give exactly these pixels; None if there are none."""
        scale, zero, blank = float(self.scales[tile]), float(self.zeros[tile]), int(self.blanks[tile])
        if not np.isfinite(scale) or not np.isfinite(zero) or scale == 0:
            return None
        flat = pixels.astype(pixels.dtype.newbyteorder("="), copy=False).ravel()
        dither = self._dither(tile, flat.size)
        undefined = np.isnan(flat)
        exact_zero = (flat == 0) & (self.method == 2)
        with np.errstate(all="ignore"):
            wanted = np.rint((flat.astype(np.float64) - zero) / scale + dither - self._half)
        if not (np.abs(wanted[~(undefined | exact_zero)]) < -ZERO).all():
            return None
        numbers = np.where(undefined, blank, np.where(exact_zero, ZERO, np.nan_to_num(wanted))).astype(np.int32)
        with np.errstate(all="ignore"):
            back = ((numbers - dither + self._half) * scale + zero).astype(flat.dtype)
        if self.method == 2:
            back[numbers == ZERO] = 0
        back[numbers == blank] = np.nan
        same = back.view(f"u{flat.itemsize}") == flat.view(f"u{flat.itemsize}")
        return numbers.reshape(pixels.shape) if (same | undefined & np.isnan(back)).all() else None

    @property
    def _half(self) -> float:
        return 0.5 if self.method else 0.0

    def _dither(self, tile: int, size: int) -> np.ndarray | float:
        """float64, (size,): the dither of each pixel of a tile, a random number from 0 to 1; 0 without."""
        if not self.method:
            return 0.0
        randoms = _randoms()
        parts: list[np.ndarray] = []
        start, left = (tile + self.seed - 1) % RANDOM, size
        while left > 0:
            part = randoms[int(randoms[start] * np.float32(500)) :][:left]
            parts.append(part)
            start, left = (start + 1) % RANDOM, left - part.size
        return np.concatenate(parts).astype(np.float64) if parts else 0.0


@lru_cache(maxsize=1)
def _randoms() -> np.ndarray:
    """The 10,000 random numbers of the standard (appendix I), float32."""
    seed, numbers = 1.0, np.empty(RANDOM, np.float32)
    for n in range(RANDOM):
        seed = (16807.0 * seed) % 2147483647.0
        numbers[n] = seed / 2147483647.0
    return numbers


def read_quantisation(file: BinaryIO, hdu: Hdu) -> bytes | None:
    """Return the scales of all tiles of an image, as bytes; None if it is not made of quantised floats."""
    keywords = Keywords(hdu.header)
    unit = table_unit(keywords)
    places = {field.name: f"f{n}" for n, field in enumerate(unit.fields) if field.name in _COLUMNS}
    if keywords.whole("ZBITPIX") > 0 or not {"ZSCALE", "ZZERO"} <= set(places):
        return None
    file.seek(hdu.start)
    table = np.frombuffer(file.read(unit.rows * unit.row_bytes), unit.row_dtype)
    rows = np.zeros(unit.rows, _ROW)
    rows["ZBLANK"] = np.clip(keywords.whole("ZBLANK", keywords.whole("BLANK", BLANK)), BLANK, -BLANK - 1)
    for name, place in places.items():
        rows[name] = table[place]
    return b"".join(rows[name].tobytes() for name in _COLUMNS)


def quantisation_of(keywords: Keywords, unit: Unit, raw: bytes) -> Quantisation | None:
    """Return the inverse of `read_quantisation`; None if the bytes are not for the tiles of this table."""
    if len(raw) != unit.rows * _ROW.itemsize or keywords.text("ZQUANTIZ") not in DITHERS:
        return None
    ends = np.cumsum([unit.rows * _ROW[name].itemsize for name in _COLUMNS])
    scales, zeros, blanks = (
        np.frombuffer(raw[end - unit.rows * _ROW[name].itemsize : end], _ROW[name])
        for name, end in zip(_COLUMNS, ends.tolist(), strict=True)
    )
    return Quantisation(scales, zeros, blanks, DITHERS[keywords.text("ZQUANTIZ")], keywords.whole("ZDITHER0") % RANDOM)


def tile_slices(shape: Sequence[int], tile: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    """Yield where the tiles of an image lie, in the order of their rows in the table."""
    ranges = [range(0, length, step) for length, step in zip(shape, tile, strict=True)]
    for starts in product(*ranges):
        yield tuple(slice(a, min(a + step, n)) for a, step, n in zip(starts, tile, shape, strict=True))
