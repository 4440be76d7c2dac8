"""Learn a basis over time from a block (Karhunen-Loeve transform), and code it in few bytes.

The modes are the eigenvectors of the Gram matrix of all frames. Their entries are rounded to as many bits as the mode's
largest coefficient needs, predicted from the frames before, and coded; both sides then make the rounded matrix
orthonormal again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from baler_core.builtin.models.fields.transform.mode_sums import orthonormal
from baler_core.entropy.arithmetic import Coder
from baler_core.entropy.mixing import new_counters
from baler_core.entropy.numbers import ROW, NumberCoder, code_number, code_series
from baler_core.errors import FormatError
from baler_core.machine.compiled import Array, Integer, compiled
from baler_core.machine.records import dataclass

# Bits of a mode's entries: three more than its largest coefficient takes in tolerances, within these limits, as in the
# prototypes.
FEWEST_BITS, MOST_BITS = 4, 20
_EXTRA_BITS = 3
# Numbers of taps to try; taps are in 1/1024.
_ORDERS = (0, 2, 4, 8)
_TAP_BITS = 10
# Kinds of numbers with probabilities of their own, and as many as `code_series` has states.
_KINDS, _STATES = 4, 24
# Numbers at the head of a mode: its bits, its order, and at most so many taps.
_HEAD = 2 + _ORDERS[-1]
# How much more coding takes than the bits that are counted: so many times, and for each entry.
_CODED, _MORE_BITS = 1.3, 0.75
# What the precision of a mode and the way in which it is predicted take.
_HEAD_BITS = 8


@dataclass(frozen=True)
class Basis:
    """Rounded modes.

    Attributes
    ----------
    entries
        int64 (frames, modes): entry = integer / 2^bits.
    bits
        int64 (modes,).
    """

    entries: np.ndarray[Any, Any]
    bits: np.ndarray[Any, Any]

    def first(self, count: int) -> Basis:
        """Return the first modes alone."""
        return Basis(self.entries[:, :count], self.bits[:count])

    def matrix(self) -> np.ndarray[Any, Any]:
        """Return float64 (frames, modes) with orthonormal columns, the same bits on all machines."""
        return np.ascontiguousarray(orthonormal(np.ldexp(self.entries.astype(np.float64), -self.bits).T).T)


def gram(frames: np.ndarray) -> np.ndarray:
    """Compute the inner products of all frames (frames, points), summed over points."""
    return frames @ frames.T


def learn_basis(products: np.ndarray, frames: Iterable[np.ndarray], cut: float = 1.0) -> Basis:
    """Learn the modes of which some coefficient exceeds `cut`, in order of falling variance.

    Parameters
    ----------
    products
        Gram matrix of all frames, possibly of more points than given here.
    frames
        Parts of all points, each float64 (frames, points) in units of the tolerance.
    """
    _, modes = np.linalg.eigh(products)
    modes = modes[:, ::-1]
    largest, turned = np.zeros(len(modes)), modes.T.astype(np.float32)
    for part in frames:  # of which a few digits tell how many bits they need
        found = turned @ part.astype(np.float32)
        largest = np.maximum(largest, np.maximum(found.max(axis=1, initial=0.0), -found.min(axis=1, initial=0.0)))
    beyond = np.flatnonzero(largest > cut)
    used = int(beyond[-1]) + 1 if beyond.size else 0
    needed = np.ceil(np.log2(np.maximum(largest[:used], 1e-300) / cut)) + _EXTRA_BITS
    bits = np.clip(needed, FEWEST_BITS, MOST_BITS).astype(np.int64)
    return Basis(np.rint(modes[:, :used] * np.exp2(bits.astype(np.float64))).astype(np.int64), bits)


def write_basis(basis: Basis, coder: Coder) -> None:
    """Code a basis."""
    count = basis.bits.size
    NumberCoder(coder).code(count, 0)
    heads = np.zeros((count, _HEAD), np.int64)
    heads[:, 0] = basis.bits
    for head, taps in zip(heads, best_taps(basis.entries), strict=True):
        head[1] = _ORDERS.index(taps.size)
        head[2 : 2 + taps.size] = taps
    code_modes(coder, heads, np.array(basis.entries.T, np.int64, order="C"))


def read_basis(coder: Coder, frames: int) -> Basis:
    """Invert `write_basis`.

    Raises
    ------
    FormatError
        If there are more modes than frames, or a mode has impossible precision.
    """
    count = NumberCoder(coder).code(0, 0)
    if not 0 <= count <= frames:
        raise FormatError(f"a basis of {count} modes for {frames} frames")
    heads, entries = np.zeros((count, _HEAD), np.int64), np.zeros((count, frames), np.int64)
    code_modes(coder, heads, entries)
    return Basis(np.ascontiguousarray(entries.T), heads[:, 0].copy())


def code_modes(coder: Coder, heads: np.ndarray, entries: np.ndarray) -> None:
    """Write or read (in place, zeros at first) all modes.

    Parameters
    ----------
    heads
        int64 (modes, _HEAD): the bits of each, the number of its order in `_ORDERS`, and as many taps.
    entries
        int64 (modes, frames).
    """
    counters = new_counters(_KINDS * ROW), new_counters(_STATES * ROW)
    known = code_all_modes(*coder, counters, np.array(_ORDERS, np.int64), heads, entries)
    if known < len(heads):
        bits = int(heads[known, 0])
        if not FEWEST_BITS <= bits <= MOST_BITS:
            raise FormatError(f"a mode of {bits} bits")
        raise FormatError("a mode is predicted in an unknown way")


@compiled
def code_all_modes(
    registers: Array, data: Array, counters: tuple[Array, Array], orders: Array, heads: Array, entries: Array
) -> Integer:
    """Code the heads of modes, and what prediction leaves of their entries; return the number of the first impossible one."""
    numbers, series = counters
    for mode in range(heads.shape[0]):
        head = heads[mode]
        head[0] = code_number(registers, data, numbers, ROW, head[0])
        if not FEWEST_BITS <= head[0] <= MOST_BITS:
            return mode
        head[1] = code_number(registers, data, numbers, 2 * ROW, head[1])
        if not 0 <= head[1] < orders.size:
            return mode
        taps = head[2 : 2 + orders[head[1]]]
        for number in range(taps.size):
            taps[number] = code_number(registers, data, numbers, 3 * ROW, taps[number])
        code_series(registers, data, series, entries[mode], taps, _TAP_BITS)
    return heads.shape[0]


def bytes_by_modes(basis: Basis) -> np.ndarray:
    """Estimate the bytes of the first 0, 1, 2, ... modes of a basis: float64 (modes + 1,)."""
    bits = np.min([bits for _, bits in _predictions(basis.entries)], axis=0, initial=np.inf)
    bits = _CODED * bits + _MORE_BITS * len(basis.entries) + _HEAD_BITS
    return np.concatenate([[0.0], np.cumsum(bits)]) / 8


def code_mode(numbers: NumberCoder, entries: np.ndarray, taps: np.ndarray) -> np.ndarray:
    """Code the taps of the predictor, then what it leaves of a mode."""
    order = numbers.code(_ORDERS.index(taps.size), 2)
    if not 0 <= order < len(_ORDERS):
        raise FormatError("a mode is predicted in an unknown way")
    taps = np.resize(taps, _ORDERS[order]) if taps.size else np.zeros(_ORDERS[order], np.int64)
    for number in range(taps.size):
        taps[number] = numbers.code(int(taps[number]), 3)
    return numbers.code_series(entries, taps, _TAP_BITS)


def best_taps(entries: np.ndarray) -> list[np.ndarray]:
    """For each series (frames, series) the integer taps of the linear prediction along time that leaves the fewest bits."""
    candidates = list(_predictions(entries))
    best = np.argmin([bits for _, bits in candidates], axis=0)
    return [candidates[number][0][:, series].copy() for series, number in enumerate(best)]


def _predictions(entries: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """For each order of linear prediction along time: integer taps (order, modes) in 1/1024, newest first; bits left."""
    for order in _ORDERS:
        if entries.shape[0] > 4 * order:
            taps = _fitted_taps(entries.astype(np.float64), order)
            yield taps, _series_bits(entries, taps)


def _fitted_taps(entries: np.ndarray, order: int) -> np.ndarray:
    count, modes = entries.shape
    lagged = [entries[order - 1 - lag : count - 1 - lag] for lag in range(order)]
    matrix, right = np.zeros((modes, order, order)), np.zeros((modes, order, 1))
    for row in range(order):
        right[:, row, 0] = (lagged[row] * entries[order:]).sum(axis=0)
        for column in range(row + 1):
            matrix[:, row, column] = matrix[:, column, row] = (lagged[row] * lagged[column]).sum(axis=0)
    matrix[:, range(order), range(order)] += 1e-9 * np.trace(matrix, axis1=1, axis2=2)[:, None] + 1e-9
    taps = np.linalg.solve(matrix, right)[:, :, 0].T
    return np.clip(np.rint(taps * (1 << _TAP_BITS)), -(1 << 15), 1 << 15).astype(np.int64)


def _series_bits(entries: np.ndarray, taps: np.ndarray) -> np.ndarray:
    left = entries.astype(np.float64)
    order = len(taps)
    for lag in range(order):
        left[order:] -= taps[lag] / (1 << _TAP_BITS) * entries[order - 1 - lag : len(entries) - 1 - lag]
    return np.log2(1 + 2 * np.abs(left)).sum(axis=0) + 14 * order
