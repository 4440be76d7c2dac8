"""Take baskets of a TTree apart into key, values and offsets, and make them again for new values and places."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from baler_root.values.entries import Entries
from baler_root.values.flatten import offsets_of

# A key begins with its bytes, version, the object's bytes, date and its own bytes; then cycle and two places.
START = struct.Struct(">ihiIhh")
BASKET = struct.Struct(">HiiiiB")
BIG = 1000


@dataclass(frozen=True)
class RawBasket:
    """A basket as it lies in a file.

    Attributes
    ----------
    header
        Its key, with what a basket adds to it.
    content
        Values and offsets, unpacked.
    border
        Where the offsets begin.
    entries
        Number of entries.
    """

    header: bytes
    content: bytes
    border: int
    entries: int


def read_basket(branch: Any, number: int) -> RawBasket:
    """Return a basket of one of uproot's branches."""
    basket = branch.basket(number)
    place, length = int(branch.member("fBasketSeek")[number]), int(basket.member("fKeylen"))
    header = bytes(branch.file.source.chunk(place, place + length).raw_data)
    return RawBasket(header, bytes(basket.raw_data), int(basket.border), int(basket.num_entries))


def embedded_place(basket: Any) -> int:
    """Where, in the tree's bytes, the values of a basket that is embedded in them begin: behind two keys and offsets."""
    entries, length = basket.num_entries, basket.member("fKeylen")
    fixed = basket.member("fNevBufSize") * entries + length == basket.member("fLast")
    return int(basket._cursor.index + 2 * length + (0 if fixed else 4 + 4 * entries))


def offsets_tail(entries: Entries, header_bytes: int) -> bytes:
    """Return the offsets of entries as they follow the values: counted from the start of the key."""
    offsets = header_bytes + offsets_of(entries.lengths)
    return struct.pack(">I", len(offsets)) + np.append(offsets[:-1], 0).astype(">i4").tobytes()


def holds(basket: RawBasket, entries: Entries) -> bool | None:
    """Whether a basket consists of just these entries: with offsets behind (True) or without (False); else None."""
    tail = basket.content[basket.border :]
    if basket.entries != len(entries.lengths) or basket.content[: basket.border] != entries.data.tobytes():
        return None
    if not tail:
        return False
    expected = offsets_tail(entries, len(basket.header))
    return True if len(tail) == len(expected) and tail[:-4] == expected[:-4] else None


def blank_header(header: bytes) -> bytes:
    """Return a header without what differs from basket to basket, which `filled_header` and `with_entries` put in again."""
    return with_entries(filled_header(header, 0, 0, 0, 0), 0, None)


def filled_header(header: bytes, packed: int, unpacked: int, place: int, folder: int) -> bytes:
    """Return the header of a basket of so many bytes at a place of the file."""
    filled = bytearray(header)
    _, version, _, date, length, cycle = START.unpack_from(header)
    START.pack_into(filled, 0, packed + length if packed else 0, version, unpacked, date, length, cycle)
    struct.pack_into(">qq" if version > BIG else ">ii", filled, START.size, place, folder)
    return bytes(filled)


def with_entries(header: bytes, entries: int, border: int | None) -> bytes:
    """Return the header of a basket of so many entries and bytes of values; None if it is empty."""
    filled = bytearray(header)
    length = START.unpack_from(header)[4]
    at = length - BASKET.size
    version, size, step, _, _, flag = BASKET.unpack_from(header, at)
    BASKET.pack_into(filled, at, version, size, step, entries, 0 if border is None else border + length, flag)
    return bytes(filled)


def header_bytes(stored: bytes, at: int) -> int:
    """Return how long the header is that begins at a place of these bytes.

    Raises
    ------
    ValueError
        If none does.
    """
    if at + START.size > len(stored):
        raise ValueError("the header of a basket is cut short")
    length = int(START.unpack_from(stored, at)[4])
    if not START.size + 16 + BASKET.size <= length <= len(stored) - at:
        raise ValueError("the header of a basket does not fit")
    return length


def is_small(header: bytes) -> bool:
    """Return whether the places in it have four bytes."""
    return bool(START.unpack_from(header)[1] <= BIG)


def unpacked_bytes(header: bytes) -> int:
    """Return bytes of what follows the header, unpacked."""
    return int(START.unpack_from(header)[2])
