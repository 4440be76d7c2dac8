"""Flag which of the values near zero have the wrong sign, in bins of their distance from zero."""

from __future__ import annotations

import numpy as np

from baler_core.entropy.integers import pack_integers, unpack_integers
from baler_core.entropy.varint import ByteReader, write_sized
from baler_core.errors import FormatError

# Ends of the bins as shares of the tolerance. The nearer to zero, the more values there are whose sign is wrong.
_ENDS = (2.0**-10, 0.11, 0.23, 0.35, 0.47, 0.6, 0.74, 0.88, 1.04)
# On another machine, values may differ by this share: ends are moved until none is so near to one.
_UNSURE = 2.0**-20
_MOVES = 16


def pack_flags(
    sizes: np.ndarray, wrong: np.ndarray, may: np.ndarray, tolerance: float
) -> tuple[bytes, np.ndarray] | None:
    """Pack flags of values by their distances from zero.

    Parameters
    ----------
    sizes
        float64, distances from zero of the values on one side of it, none 0.
    wrong, may
        Boolean, same length: which belong on the other side, and which may become zero within their tolerance, these among
        them. Of values near zero almost all may, while their signs are as good as random: saying which may not costs a
        tenth of saying which are wrong.

    Returns
    -------
    Bytes, and which of the values are to become zero: all that are wrong, and of those that may as many as makes fewer
    bytes. None if flags cannot express it.
    """
    for move in range(_MOVES):
        ends = _ends(tolerance, move)
        if not any(bool((np.abs(sizes - end) <= _UNSURE * end).any()) for end in ends):
            bins = np.searchsorted(ends, sizes)
            if wrong[bins == len(ends)].any():
                return None
            parts, chosen = [bytes([move])], bins == 0
            for number in range(1, len(ends)):
                here = bins == number
                packed, chosen[here] = _cheapest(wrong[here], may[here])
                parts.append(write_sized(packed))
            return b"".join(parts), chosen
    return None


def unpack_flags(data: bytes, sizes: np.ndarray, tolerance: float) -> np.ndarray:
    """Unpack boolean, which of the values are to become zero, from the same distances up to rounding.

    Raises
    ------
    FormatError
        If the bytes are no flags of so many values.
    """
    reader = ByteReader(data, "flags of signs")
    bins = np.searchsorted(_ends(tolerance, reader.varint(_MOVES)), sizes)
    found = bins == 0
    for number in range(1, len(_ENDS)):
        places = np.flatnonzero(bins == number)
        flags = unpack_integers(reader.sized(), places.size)
        if ((flags != 0) & (flags != 1)).any():
            raise FormatError("flags of signs are damaged")
        found[places[flags == 1]] = True
    return np.asarray(found)


def _cheapest(*choices: np.ndarray) -> tuple[bytes, np.ndarray]:
    """Return the flags that take the fewest bytes, packed and as they are."""
    return min(((pack_integers(flags.astype(np.int64)), flags) for flags in choices), key=lambda one: len(one[0]))


def _ends(tolerance: float, move: int) -> np.ndarray:
    return np.array(_ENDS) * (tolerance * (1 + move / 1024))
