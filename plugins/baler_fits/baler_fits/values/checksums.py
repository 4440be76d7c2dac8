"""DATASUM and CHECKSUM: the 32-bit ones-complement sums of the FITS standard (4.0, section 4.4.2.7 and appendix J)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from baler_fits.contents.headers import Keywords, header_bytes, set_values

FULL = 0xFFFFFFFF
# Characters between digits and letters may not stand in a CHECKSUM value.
_PUNCTUATION = frozenset(range(0x3A, 0x41)) | frozenset(range(0x5B, 0x61))


def ones_complement_sum(pieces: Iterable[bytes], total: int = 0) -> int:
    """Return the sum of big-endian 32-bit words with carries added back; every piece but the last has whole words."""
    for piece in pieces:
        words = np.frombuffer(piece.ljust(-(-len(piece) // 4) * 4, b"\0"), ">u4")
        total += int(words.sum(dtype=np.uint64))
        while total > FULL:
            total = (total & FULL) + (total >> 32)
    return total


def encoded(total: int) -> str:
    """Return the 16 characters that make an HDU sum to -0 when they stand in its CHECKSUM card."""
    characters = bytearray(16)
    for n, byte in enumerate((~total & FULL).to_bytes(4, "big")):
        quarters = [byte // 4 + 0x30] * 4
        quarters[0] += byte % 4
        while any(q in _PUNCTUATION for q in quarters):
            for pair in (0, 2):
                if quarters[pair] in _PUNCTUATION or quarters[pair + 1] in _PUNCTUATION:
                    quarters[pair] += 1
                    quarters[pair + 1] -= 1
        characters[n::4] = bytes(quarters)
    return (characters[-1:] + characters[:-1]).decode("ascii")


def has_checksums(header: str) -> bool:
    """Return whether there is anything to bring up to date."""
    keywords = Keywords(header)
    return keywords.get("DATASUM") is not None or keywords.get("CHECKSUM") is not None


def are_true(header: str, data: Iterable[bytes], padding: bytes | None = None) -> bool:
    """Whether DATASUM, or CHECKSUM where there is no DATASUM, holds for these data; parameters as for `with_checksums`."""
    datasum = ones_complement_sum(data)
    stated = Keywords(header).text("DATASUM").strip()
    if stated:
        return stated.isdigit() and int(stated) == datasum
    return ones_complement_sum([header_bytes(header, padding)], datasum) in (0, FULL)


def with_checksums(header: str, data: Iterable[bytes], padding: bytes | None = None, *, unchanged: bool = False) -> str:
    """Return the header with DATASUM and CHECKSUM, where it has them, true for these data.

    Cards that are true already are left as they are.

    Parameters
    ----------
    data
        The data unit with its padding, in pieces of whole 32-bit words.
    padding
        Of the header, if it is not as usual.
    unchanged
        The header is the original one: if DATASUM holds, a CHECKSUM was as true as it is.
    """
    datasum = ones_complement_sum(data)
    stated = Keywords(header).text("DATASUM")
    if stated and not (stated.strip().isdigit() and int(stated) == datasum):
        header = set_values(header, {"DATASUM": str(datasum)})
    elif stated and unchanged:
        return header
    if Keywords(header).get("CHECKSUM") is None:
        return header
    if ones_complement_sum([header_bytes(header, padding)], datasum) in (0, FULL):
        return header
    header = set_values(header, {"CHECKSUM": "0" * 16})
    return set_values(header, {"CHECKSUM": encoded(ones_complement_sum([header_bytes(header, padding)], datasum))})
