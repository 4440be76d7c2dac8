"""Write and read bits by binary arithmetic coding with their probabilities, in exact integer arithmetic.

A range of 32-bit integers [low, high] is cut in proportion to the probability of each bit (Witten, Neal and Cleary,
CACM 30, 520, 1987); leading bytes on which both ends agree are written out.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from baler_core.machine.compiled import Array, Integer, inlined

LOW, HIGH, WINDOW, POSITION, ENCODING, OVERRUN = range(6)
_FULL = 0xFFFFFFFF


class Coder(NamedTuple):
    """An encoder or decoder at work.

    Attributes
    ----------
    registers
        int64: ends of the range, the 32 bits in view (decoder), the byte position, whether it encodes, and whether
        `data` was too short.
    data
        uint8: the bytes written so far and room for more, or the bytes to read.
    """

    registers: Array
    data: Array


def new_encoder(capacity: int) -> Coder:
    """Make an encoder that can write up to `capacity` bytes."""
    return Coder(np.array([0, _FULL, 0, 0, 1, 0], np.int64), np.zeros(capacity, np.uint8))


def new_decoder(data: bytes) -> Coder:
    """Make a decoder of what `finish` returned."""
    raw = np.frombuffer(data, np.uint8).copy()
    window = int.from_bytes(data[:4].ljust(4, b"\0"), "big")
    return Coder(np.array([0, _FULL, window, 4, 0, 0], np.int64), raw)


def finish(coder: Coder) -> bytes:
    """Return the bytes of an encoder; zeros at the end are left out, as a decoder reads zeros beyond the end."""
    registers = coder.registers
    position = int(registers[POSITION])
    # The shortest number inside the range: its highest byte above `low`, the rest zero.
    low, high = int(registers[LOW]), int(registers[HIGH])
    tail = b""
    for length in range(5):
        unit = 1 << (32 - 8 * length)
        value = -(-low // unit) * unit
        if value <= high:
            tail = value.to_bytes(5, "big")[1 : 1 + length]
            break
    return (coder.data[:position].tobytes() + tail).rstrip(b"\0")


@inlined
def code_bit(registers: Array, data: Array, bit: Integer, probability: Integer) -> Integer:
    """Write `bit`, or read one and return it; `probability` of a 1 in 1/65536, from 1 to 65535.

    Positions are compared with the size of `data`; they only grow, from 0. `low` never exceeds `high`, so that the loop
    ends: it shifts zeros into one and ones into the other.
    """
    low = registers[LOW]
    high = registers[HIGH]
    middle = low + (((high - low) * probability) >> 16)
    if registers[ENCODING] == 0:
        bit = 1 if registers[WINDOW] <= middle else 0
    if bit:
        high = middle
    else:
        low = middle + 1
    while (low ^ high) >> 24 == 0:
        position = registers[POSITION]
        if registers[ENCODING]:
            if position < data.size:
                data[position] = high >> 24
            else:
                registers[OVERRUN] = 1
        else:
            following = data[position] if position < data.size else 0
            registers[WINDOW] = ((registers[WINDOW] << 8) & _FULL) | following
        registers[POSITION] = position + 1
        low = (low << 8) & _FULL
        high = ((high << 8) & _FULL) | 255
    registers[LOW] = low
    registers[HIGH] = high
    return bit
