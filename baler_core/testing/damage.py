"""Damage bytes and forge records at random in few places, so that the damage reaches deep code."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from baler_core.data.variables import Json

# What nobody expects in a record: other types, other sizes, names that lead elsewhere, what terminals obey.
_TEXTS = ("", "/", "..", "../../x", "a\0b", "\ud800", "\x1b[2J", "\n", "O", "<f8", "|V0", "(3,)f4", "str", "x" * 5000)
ODD: tuple[Json, ...] = (
    *(None, True, 0, -1, 1, 2**31, 2**63, 2**64, -(2**63), 1e308, float("nan"), float("inf")),
    *_TEXTS,
    *([], {}, [[]], {"": 0}, [0] * 300),
)
_EXTREME = (0, 1, 0x7F, 0x80, 0xFE, 0xFF)


def damaged(data: bytes, random: np.random.Generator, others: Sequence[bytes] = ()) -> bytes:
    """Damage a copy of `data` in one to four places.

    Bits, bytes and stretches are changed, lengths mostly kept, numbers made large, parts swapped.

    Parameters
    ----------
    others
        Bytes of the same kind, of which parts may be taken.
    """
    changed = bytearray(data)
    for _ in range(int(random.choice([1, 1, 1, 2, 4]))):
        change = _CHANGES[int(random.integers(len(_CHANGES)))]
        change(changed, random)
        if others and random.random() < 0.1:
            _splice(changed, random, others)
    return bytes(changed)


def forge(record: Json, random: np.random.Generator, odd: Sequence[Json] = ODD) -> None:
    """Replace, remove, repeat or exchange something somewhere in nested lists and dicts, in place.

    Parameters
    ----------
    odd
        What may stand in place of anything.
    """
    places = list(containers(record))
    found = places[int(random.integers(len(places)))]
    strange = copy.deepcopy(odd[int(random.integers(len(odd)))])  # may be changed later, as a part of the record
    keys = list(found) if isinstance(found, dict) else list(range(len(found)))
    if not keys:
        if isinstance(found, list):
            found.append(strange)
        return
    key = keys[int(random.integers(len(keys)))]
    what = int(random.integers(6))
    if what == 0:
        del found[key]
    elif what == 1 and isinstance(found, list):
        found.append(copy.deepcopy(found[key]))
    elif what == 2:
        other = places[int(random.integers(len(places)))]
        found[key] = copy.deepcopy(other) if other is not record else strange
    elif what == 3 and isinstance(found[key], int) and not isinstance(found[key], bool):
        found[key] += int(random.integers(-3, 4))
    elif what == 4 and isinstance(found[key], str) and found[key]:
        text, cut = found[key], int(random.integers(len(found[key])))
        found[key] = text[:cut] + _TEXTS[int(random.integers(8))] + text[cut + 1 :]
    else:
        found[key] = strange


def containers(record: Any) -> Iterator[Any]:
    """Yield the lists and dicts of a record, itself first."""
    if isinstance(record, dict | list):
        yield record
        for value in list(record.values()) if isinstance(record, dict) else list(record):
            yield from containers(value)


def _place(data: bytearray, random: np.random.Generator) -> int:
    """Anywhere, or near the beginning, where what steers the rest mostly stands."""
    most = len(data) if random.random() < 0.6 else min(len(data), 48)
    return int(random.integers(max(1, most)))


def _flip(data: bytearray, random: np.random.Generator) -> None:
    if data:
        data[_place(data, random)] ^= 1 << int(random.integers(8))


def _set(data: bytearray, random: np.random.Generator) -> None:
    if data:
        data[_place(data, random)] = int(random.integers(256))


def _extreme(data: bytearray, random: np.random.Generator) -> None:
    if data:
        data[_place(data, random)] = _EXTREME[int(random.integers(len(_EXTREME)))]


def _noise(data: bytearray, random: np.random.Generator) -> None:
    """A stretch of anything, or everything from a place on."""
    start = _place(data, random)
    length = len(data) - start if random.random() < 0.3 else int(random.integers(1, 17))
    data[start : start + length] = random.bytes(min(length, len(data) - start))


def _run(data: bytearray, random: np.random.Generator) -> None:
    """A stretch of one byte."""
    start, length = _place(data, random), int(random.integers(1, 33))
    length = min(length, len(data) - start)
    data[start : start + length] = bytes([_EXTREME[int(random.integers(len(_EXTREME)))]]) * length


def _large_number(data: bytearray, random: np.random.Generator) -> None:
    """A variable-length number of many bits in place of what stands there."""
    start, length = _place(data, random), int(random.integers(1, 10))
    data[start : start + length] = bytes([0xFF] * (length - 1) + [int(random.integers(1, 128))])


def _large_integer(data: bytearray, random: np.random.Generator) -> None:
    """Eight bytes of an extreme integer or float."""
    start = _place(data, random)
    numbers = [0, -1, 2**63 - 1, -(2**63), 2**31, 2**62, 0x7FF0000000000000, 0x7FF8000000000000, 1]
    data[start : start + 8] = (numbers[int(random.integers(len(numbers)))] % 2**64).to_bytes(8, "little")


def _cut(data: bytearray, random: np.random.Generator) -> None:
    if random.random() < 0.3:
        del data[_place(data, random) :]


def _remove(data: bytearray, random: np.random.Generator) -> None:
    start = _place(data, random)
    del data[start : start + int(random.integers(1, 5))]


def _insert(data: bytearray, random: np.random.Generator) -> None:
    start = _place(data, random)
    data[start:start] = random.bytes(int(random.integers(1, 5)))


def _splice(data: bytearray, random: np.random.Generator, others: Sequence[bytes]) -> None:
    other = others[int(random.integers(len(others)))]
    start, length = _place(data, random), int(random.integers(1, 65))
    begin = int(random.integers(max(1, len(other))))
    data[start : start + length] = other[begin : begin + length]


_CHANGES: tuple[Callable[[bytearray, np.random.Generator], None], ...] = (
    _flip, _flip, _flip, _set, _set, _set, _extreme, _extreme, _noise, _noise, _run, _large_number, _large_integer, _cut,
    _remove, _insert,
)  # fmt: skip
