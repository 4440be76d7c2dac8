"""Pack ascending flat positions within an array, and unpack them with a check that they lie in it."""

from __future__ import annotations

import numpy as np

from baler_core.entropy.integers import pack_integers, unpack_integers
from baler_core.errors import FormatError


def pack_positions(positions: np.ndarray) -> bytes:
    """Pack distinct ascending int64 positions by their differences."""
    return pack_integers(np.diff(positions, prepend=0))


def unpack_positions(data: bytes, count: int, size: int, what: str) -> np.ndarray:
    """Unpack `count` positions in an array of `size` values; `what` lies there, for messages.

    Raises
    ------
    FormatError
        If the bytes are damaged.
    """
    positions = np.cumsum(unpack_integers(data, count))
    # compared, not subtracted: sums of wide steps may wrap around
    if count and not (positions[0] >= 0 and positions[-1] < size and (positions[1:] > positions[:-1]).all()):
        raise FormatError(f"{what} lie outside it")
    return positions
