"""Code the classes of special values, each in the context of the classes around it (as JBIG codes images)."""

from __future__ import annotations

import numpy as np

from baler_core.entropy.arithmetic import OVERRUN, finish, new_decoder, new_encoder
from baler_core.entropy.magnitudes import code_simply
from baler_core.entropy.mixing import new_counters
from baler_core.errors import FormatError
from baler_core.machine.compiled import Array, Integer, compiled

_MARGIN = 2
# Ten neighbours already coded, and five of the slice before.
_PATTERNS = 1 << 15


def encode_classes(classes: np.ndarray, count: int) -> bytes:
    """Write uint8 (slices, y, x), 0 for ordinary places and at most `count`, as bytes."""
    capacity = 1024 + classes.size
    while True:
        coder = new_encoder(capacity)
        _code(coder.registers, coder.data, classes.astype(np.uint8), count)
        if not coder.registers[OVERRUN]:
            return finish(coder)
        capacity *= 4


def decode_classes(data: bytes, shape: tuple[int, int, int], count: int) -> np.ndarray:
    """Invert `encode_classes`, given the same `count`: uint8 of `shape`.

    Raises
    ------
    FormatError
        If there can be no such classes.
    """
    if not 0 < count < 256:
        raise FormatError(f"a field is said to have {count} special values")
    coder = new_decoder(data)
    classes = np.zeros(shape, np.uint8)
    _code(coder.registers, coder.data, classes, count)
    return classes


def _code(registers: Array, data: Array, classes: Array, count: int) -> None:
    patterns = new_counters(_PATTERNS)
    kinds = new_counters(256 * 256)
    before = np.zeros((classes.shape[1] + 2 * _MARGIN, classes.shape[2] + 2 * _MARGIN), np.uint8)
    for plane in classes:
        here = np.zeros_like(before)
        here[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN] = plane
        code_plane(registers, data, patterns, kinds, here, before, count)
        plane[...] = here[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
        before = here


@compiled
def code_plane(
    registers: Array, data: Array, patterns: Array, kinds: Array, here: Array, before: Array, count: Integer
) -> None:
    """Write or read (in place) a slice with a margin of 2: whether each place is special, and if so, its class.

    Patterns are 15 bits; classes are bytes, and at most `count`, which is below 256.
    """
    for y in range(2, here.shape[0] - 2):
        for x in range(2, here.shape[1] - 2):
            pattern = (here[y, x - 1] > 0) * 1 + (here[y, x - 2] > 0) * 2 + (here[y - 1, x] > 0) * 4
            pattern += (here[y - 1, x - 1] > 0) * 8 + (here[y - 1, x + 1] > 0) * 16 + (here[y - 2, x] > 0) * 32
            pattern += (here[y - 1, x + 2] > 0) * 64 + (here[y - 1, x - 2] > 0) * 128
            pattern += (here[y - 2, x - 1] > 0) * 256 + (here[y - 2, x + 1] > 0) * 512
            pattern += (before[y, x] > 0) * 1024 + (before[y, x - 1] > 0) * 2048 + (before[y, x + 1] > 0) * 4096
            pattern += (before[y - 1, x] > 0) * 8192 + (before[y + 1, x] > 0) * 16384
            kind = np.int64(here[y, x])
            if code_simply(registers, data, patterns, pattern, 1 if kind else 0) == 0:
                here[y, x] = 0
                continue
            near = here[y, x - 1] if here[y, x - 1] else here[y - 1, x] if here[y - 1, x] else before[y, x]
            found = np.int64(1)
            while found < count:
                if code_simply(registers, data, kinds, np.int64(near) * 256 + found, 1 if kind > found else 0) == 0:
                    break
                found += 1
            here[y, x] = found
