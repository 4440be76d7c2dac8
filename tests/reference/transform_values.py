"""Integers to numbers in units of the tolerance: learned modes, wavelets (format/transform.md: modes, wavelets)."""

from __future__ import annotations

import math

import numpy as np

from reference.arithmetic import Decoder, Numbers
from reference.reading import Damaged
from reference.transform_bands import sizes_of, time_levels

ALPHA, BETA, GAMMA, DELTA = -1.586134342059924, -0.052980118572961, 0.882911075530934, 0.443506852043971
GAIN = 1.149604398860241
COUNT, PRECISION, ORDER, TAP = range(4)
ORDERS, TAP_BITS, STATES = (0, 2, 4, 8), 10, 24
FEWEST_BITS, MOST_BITS = 4, 20
FULL, FINENESS = 32767, (0.25, 0.0625)
MOST_PREDICTED, MOST_ENTRY = 1 << 40, 1 << 32


class Modes:
    """Series of integers, each predicted from those before, in one stream."""

    def __init__(self, data: bytes) -> None:
        coder = Decoder(data)
        self.numbers, self.series = Numbers(coder, 4), Numbers(coder, STATES)

    def next(self, frames: int) -> list[int]:
        order = self.numbers.next(ORDER)
        if not 0 <= order < len(ORDERS):
            raise Damaged("a mode is predicted in an unknown way")
        taps = [self.numbers.next(TAP) for _ in range(ORDERS[order])]
        values: list[int] = []
        recent = 0
        for t in range(frames):
            guess = 0
            if t >= len(taps):
                total = sum(tap * values[t - 1 - lag] for lag, tap in enumerate(taps))
                guess = min(max((total + (1 << TAP_BITS - 1)) >> TAP_BITS, -MOST_PREDICTED), MOST_PREDICTED)
            left = self.series.next(min(STATES - 1, recent.bit_length()) if t else STATES - 1)
            values.append(min(max(guess + left, -MOST_ENTRY), MOST_ENTRY))
            recent = (3 * recent + 4 * abs(left)) // 4 if t else 2 * abs(left)
        return values


def read_basis(data: bytes, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """The entries (frames, modes) as integers, and the orthonormal matrix."""
    modes = Modes(data)
    count = modes.numbers.next(COUNT)
    if not 0 <= count <= frames:
        raise Damaged(f"a basis of {count} modes for {frames} frames")
    entries, rows = np.zeros((frames, count), "<i8"), np.zeros((count, frames))
    for mode in range(count):
        bits = modes.numbers.next(PRECISION)
        if not FEWEST_BITS <= bits <= MOST_BITS:
            raise Damaged(f"a mode of {bits} bits")
        entries[:, mode] = modes.next(frames)
        rows[mode] = entries[:, mode] / 2.0**bits
    return entries, orthonormal(rows).T


def shared_rows(modes: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    """Orthonormal rows (rows, members, z, y, x) of modes of another file, one that is constant for each member first."""
    if modes.dtype != np.int16 or modes.shape[1:] != shape or not modes.size:
        return None
    constant = np.repeat(np.eye(shape[0]), math.prod(shape[1:]), axis=1)
    rows = np.concatenate([constant, modes.reshape(len(modes), -1) / FULL])
    return orthonormal(rows).reshape(-1, *shape) if len(rows) <= rows.shape[1] else None


def shares_of(data: bytes, frames: int, rows: np.ndarray | None) -> np.ndarray:
    """How much of each row is in each frame: float64 (frames, rows)."""
    if rows is None or not data or data[0] >= len(FINENESS):
        raise Damaged("modes of another file are used that are not there, or in an unknown way")
    modes = Modes(data[1:])
    entries = np.array([modes.next(frames) for _ in rows], "<i8").T
    return entries * (FINENESS[data[0]] * math.sqrt(rows[0].size))


def orthonormal(rows: np.ndarray) -> np.ndarray:
    """Rows made orthonormal one after the other; sums run from the first place to the last."""
    for number, row in enumerate(rows):
        for other in rows[:number]:
            row -= in_order(other * row) * other
        length = math.sqrt(in_order(row * row))
        row[:] = row / length if length > 0 else 0.0
    return rows


def in_order(terms: np.ndarray) -> float:
    """A sum from left to right: those of libraries add up in other orders."""
    return float(np.add.accumulate(terms)[-1]) if terms.size else 0.0


def combined(factors: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Sums of rows (modes, ...) times factors (sums, modes), from the first mode to the last."""
    found = np.zeros((len(factors), *rows.shape[1:]))
    for mode, row in enumerate(rows):
        found += factors[:, mode].reshape(-1, *(1,) * row.ndim) * row
    return found


def joined(slices: np.ndarray, levels: int) -> np.ndarray:
    """Invert the wavelets along the last three axes, coarsest level first, x before y before z."""
    sizes = sizes_of(slices.shape[-3:], levels)
    for fine, coarse in zip(sizes[-2::-1], sizes[:0:-1], strict=True):
        part = slices[(..., *(slice(0, n) for n in fine))]
        for axis in (-1, -2, -3):
            if fine[axis] != coarse[axis]:
                join_axis(part, axis)
    return slices


def joined_in_time(slices: np.ndarray) -> np.ndarray:
    lengths = sizes_of(slices.shape[:1], time_levels(len(slices)))
    for (length,) in lengths[-2::-1]:
        join_axis(slices[:length], 0)
    return slices


def join_axis(values: np.ndarray, axis: int) -> None:
    """Invert the lifting steps of all lines along an axis, in place."""
    lines = np.moveaxis(values, axis, 0)
    count = (len(lines) + 1) // 2
    even, odd = lines[:count] / GAIN, lines[count:] * GAIN
    for factor in (DELTA, GAMMA, BETA, ALPHA):
        if factor in (DELTA, BETA):
            before, after = np.concatenate([odd[:1], odd]), np.concatenate([odd, odd[-1:]])
            even += -factor * (before[:count] + after[:count])
        else:
            after = np.concatenate([even[1:], even[-1:]])
            odd += -factor * (even[: len(odd)] + after[: len(odd)])
    lines[0::2], lines[1::2] = even, odd
