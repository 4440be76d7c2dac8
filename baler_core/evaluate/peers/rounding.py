"""Values rounded, by bits or on a lattice, and then left to a lossless compressor: what ROOT and NetCDF files do today."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from baler_core.evaluate.others import compress_zstd
from baler_core.evaluate.peers.lossless import compress_pcodec, restore_pcodec, restore_zstd
from baler_core.evaluate.peers.openzl import compress_openzl, restore_openzl
from baler_core.evaluate.peers.peer import Allowed, Coded, NotTakenError, Peer

# Lattices and logarithms are held to slightly less than the bound, for roundings of float64.
_SPARE = 1 - 2.0**-20


def kept_bits(values: np.ndarray, allowed: Allowed) -> int:
    """Return how many bits of the mantissa have to stay under a bound: one number for all values.

    An error of half a unit of the last kept bit is at most 2^-(bits + 1) of the value's power of two.
    """
    if allowed.kind == "rel":
        needed = -1 - math.log2(allowed.value)
    else:
        largest = float(np.abs(values).max(initial=0))
        needed = math.frexp(largest)[1] - 2 - math.log2(allowed.value)
    return min(max(0, math.ceil(needed)), int(np.finfo(values.dtype).nmant))


def bit_rounded(values: np.ndarray, bits: int) -> np.ndarray:
    """Return floats rounded to so many bits of the mantissa, to nearest, halves to even."""
    dropped = int(np.finfo(values.dtype).nmant) - bits
    if dropped <= 0:
        return values
    raw = np.ascontiguousarray(values).view(f"u{values.dtype.itemsize}")
    one = raw.dtype.type(1)
    half = (one << raw.dtype.type(dropped - 1)) - one + ((raw >> raw.dtype.type(dropped)) & one)
    return ((raw + half) & ~((one << raw.dtype.type(dropped)) - one)).view(values.dtype)


def of_floats(values: np.ndarray) -> np.ndarray:
    """Return floats in this machine's order of bytes.

    Raises
    ------
    NotTakenError
        If the values are no single or double precision.
    """
    if values.dtype.kind != "f" or values.dtype.itemsize not in (4, 8):
        raise NotTakenError
    return np.ascontiguousarray(values.astype(values.dtype.newbyteorder("="), copy=False))


def _rounded_and_split(values: np.ndarray, allowed: Allowed) -> Coded:
    """Bytes of the same significance are put together, as the split encodings of RNTuple and the shuffle of HDF5 do."""
    floats = of_floats(values)
    rounded = bit_rounded(floats, kept_bits(floats, allowed))
    width = floats.dtype.itemsize
    data = compress_zstd(rounded.view(np.uint8).reshape(-1, width).T.tobytes())

    def restore() -> np.ndarray:
        split = np.frombuffer(restore_zstd(data), np.uint8).reshape(width, -1)
        return np.ascontiguousarray(split.T).view(floats.dtype).reshape(values.shape)

    return Coded(len(data), restore)


def lattice_step(values: np.ndarray, allowed: Allowed) -> float:
    """Return the step of a lattice that holds an absolute bound after restored values are rounded to their type."""
    if values.dtype.kind in "iu":
        return 2 * allowed.value + 1
    spare = float(np.spacing(np.abs(values).max(initial=0).astype(values.dtype))) / 2
    step = 2 * (allowed.value - spare) * _SPARE
    if step <= 0:
        raise NotTakenError
    return step


def lattice_codes(values: np.ndarray, step: float, offset: float = 0.0) -> np.ndarray:
    """Return the nearest points of a lattice, int64; `offset` is one of its points."""
    codes = np.rint((values.astype(np.float64) - offset) / step)
    if np.abs(codes).max(initial=0) > 2**52:
        raise NotTakenError
    return codes.astype(np.int64)


class LeastAndLargest(NamedTuple):
    """The least and the largest value, beyond which none is restored: a file could often not hold it."""

    least: np.generic
    largest: np.generic

    @classmethod
    def of(cls, values: np.ndarray) -> LeastAndLargest:
        """Return those of some values."""
        return cls(values.min(), values.max())

    @property
    def nbytes(self) -> int:
        """What they take."""
        return self.least.nbytes + self.largest.nbytes

    def on_lattice(self, codes: np.ndarray, step: float, offset: float = 0.0) -> np.ndarray:
        """Return the values of points of a lattice, in the type of these."""
        values = np.clip(codes * step + offset, float(self.least), float(self.largest))
        return (np.rint(values) if self.least.dtype.kind in "iu" else values).astype(self.least.dtype)


def logarithms(values: np.ndarray, allowed: Allowed) -> tuple[np.ndarray, float]:
    """Return logarithms of the magnitudes, float64, and the absolute bound of these that holds the relative one."""
    error = allowed.value * _SPARE - float(np.finfo(values.dtype).eps)
    if error <= 0:
        raise NotTakenError
    return np.log(np.abs(values.astype(np.float64))), math.log1p(error)


def _quantised(whole: Callable[[np.ndarray], Coded]) -> Callable[[np.ndarray, Allowed], Coded]:
    """Return the compressor of floats that leaves points of a lattice to one of whole numbers."""

    def code(values: np.ndarray, allowed: Allowed) -> Coded:
        if allowed.kind == "abs":
            step = lattice_step(values, allowed)
            coded = whole(lattice_codes(values, step))
            ends = LeastAndLargest.of(values)
            return Coded(coded.nbytes + ends.nbytes, lambda: ends.on_lattice(coded.restore(), step))
        logs, bound = logarithms(of_floats(values), allowed)
        ratio = 2 * bound * _SPARE
        magnitudes, signs = whole(lattice_codes(logs, ratio)), signs_of(values)

        def restore() -> np.ndarray:
            return (np.exp(magnitudes.restore() * ratio) * signs.restore()).astype(values.dtype)

        return Coded(magnitudes.nbytes + signs.nbytes, restore)

    return code


def _by_pcodec(codes: np.ndarray) -> Coded:
    data = compress_pcodec(codes)
    return Coded(len(data), lambda: restore_pcodec(data, codes.shape))


def _by_openzl(codes: np.ndarray) -> Coded:
    # Unlike pcodec, it does not look for the smallest width itself.
    width = np.min_scalar_type(int(codes.max(initial=0)) - int(codes.min(initial=0)))
    lowest = int(codes.min(initial=0))
    data = compress_openzl((codes - lowest).astype(width))
    return Coded(len(data), lambda: restore_openzl(data, width, codes.shape).astype(np.int64) + lowest)


def signs_of(values: np.ndarray) -> Coded:
    """Return the signs of values, which are stored beside their logarithms: 1 and -1."""
    negative = np.signbit(values)
    if not negative.any() or negative.all():
        return Coded(1, lambda: np.where(negative, -1.0, 1.0))
    data = compress_zstd(np.packbits(negative).tobytes())

    def restore() -> np.ndarray:
        bits = np.unpackbits(np.frombuffer(restore_zstd(data), np.uint8), count=values.size)
        return np.where(bits.reshape(values.shape), -1.0, 1.0)

    return Coded(len(data), restore)


PEERS = (
    Peer("bits rounded + zstd -19", _rounded_and_split, ("abs", "rel")),
    Peer("quantised + pcodec", _quantised(_by_pcodec), ("abs", "rel"), ("pcodec",)),
    Peer("quantised + OpenZL", _quantised(_by_openzl), ("abs", "rel"), ("openzl",)),
)
