"""Binary range coder: bits of known probability, and evenly distributed numbers, to bytes and back.

The state is an int64 array. Encoding: low, range, pending byte, pending count, position. Decoding: code, range, -, -,
position. Carries travel as in LZMA. All numbers stay below 2^62, so that the functions give the same integers compiled
(numba) and interpreted.
"""

from __future__ import annotations

import numpy as np

from baler_core.compiled import compiled

TOP = 1 << 24
FULL = (1 << 32) - 1
LOW, RANGE, PENDING, COUNT, POSITION = range(5)


def new_encoder() -> np.ndarray:
    """The state before the first bit."""
    return np.array([0, FULL, 0, 1, 0], np.int64)


def new_decoder(data: np.ndarray) -> np.ndarray:
    """The state before the first bit of `data` (uint8)."""
    start = np.zeros(4, np.int64)
    start[: min(4, len(data) - 1)] = data[1:5] if len(data) > 1 else 0
    code = int(start[0]) << 24 | int(start[1]) << 16 | int(start[2]) << 8 | int(start[3])
    return np.array([code, FULL, 0, 0, 5], np.int64)


@compiled
def _shift_low(state: np.ndarray, out: np.ndarray) -> None:
    low = int(state[0])
    if low < 0xFF000000 or low > FULL:
        carry = low >> 32
        byte = int(state[2])
        for _ in range(int(state[3])):
            out[state[4]] = (byte + carry) & 0xFF
            state[4] += 1
            byte = 0xFF
        state[3] = 0
        state[2] = (low >> 24) & 0xFF
    state[3] += 1
    state[0] = (low << 8) & FULL


@compiled
def encode_bit(state: np.ndarray, out: np.ndarray, chance: int, bit: int) -> None:
    """Write a bit whose chance to be 1 is `chance` / 2^16."""
    bound = (int(state[1]) >> 16) * chance
    if bit:
        state[1] = bound
    else:
        state[0] += bound
        state[1] -= bound
    while state[1] < TOP:
        state[1] = int(state[1]) << 8
        _shift_low(state, out)


@compiled
def decode_bit(state: np.ndarray, data: np.ndarray, chance: int) -> int:
    """Read a bit written with the same chance."""
    bound = (int(state[1]) >> 16) * chance
    if state[0] < bound:
        state[1] = bound
        bit = 1
    else:
        state[0] -= bound
        state[1] -= bound
        bit = 0
    while state[1] < TOP:
        _refill(state, data)
    return bit


@compiled
def _refill(state: np.ndarray, data: np.ndarray) -> None:
    byte = int(data[state[4]]) if state[4] < len(data) else 0
    state[0] = ((int(state[0]) << 8) | byte) & FULL
    state[1] = int(state[1]) << 8
    state[4] += 1


@compiled
def encode_even(state: np.ndarray, out: np.ndarray, number: int, size: int) -> None:
    """Write a number in 0..size-1, all equally likely."""
    shift = 0
    while (size - 1) >> shift >= 65536:
        shift += 1
    _encode_part(state, out, number >> shift, ((size - 1) >> shift) + 1)
    while shift > 0:
        part = min(shift, 16)
        shift -= part
        _encode_part(state, out, (number >> shift) & ((1 << part) - 1), 1 << part)


@compiled
def _encode_part(state: np.ndarray, out: np.ndarray, number: int, size: int) -> None:
    state[1] = int(state[1]) // size
    state[0] += number * int(state[1])
    while state[1] < TOP:
        state[1] = int(state[1]) << 8
        _shift_low(state, out)


@compiled
def decode_even(state: np.ndarray, data: np.ndarray, size: int) -> int:
    """Read a number written with the same size."""
    shift = 0
    while (size - 1) >> shift >= 65536:
        shift += 1
    number = _decode_part(state, data, ((size - 1) >> shift) + 1)
    while shift > 0:
        part = min(shift, 16)
        shift -= part
        number = (number << part) | _decode_part(state, data, 1 << part)
    return min(number, size - 1)


@compiled
def _decode_part(state: np.ndarray, data: np.ndarray, size: int) -> int:
    state[1] = int(state[1]) // size
    part = min(int(state[0]) // int(state[1]), size - 1)
    state[0] -= part * int(state[1])
    while state[1] < TOP:
        _refill(state, data)
    return part


@compiled
def finish(state: np.ndarray, out: np.ndarray) -> int:
    """Write what is pending; returns the number of bytes. Zero bytes at the end need not be kept."""
    for _ in range(5):
        _shift_low(state, out)
    length = int(state[4])
    while length > 0 and out[length - 1] == 0:
        length -= 1
    return length
