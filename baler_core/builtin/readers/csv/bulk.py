"""Find and read the cells of many plain rows at once, in compiled loops: what they refuse is read cell by cell.

A cell is read here only if it is spelled just as the column's format spells its value, which follows from the text alone:
a decimal of at most 15 digits is the shortest of its float, and the float rounds to it (IEEE 754-2019, 5.12.2). Up to
10^22, powers of ten are floats, so that one multiplication or division gives the float nearest to the text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from baler_core.machine.cached import cached_property
from baler_core.machine.compiled import Array, Integer, compiled, inlined
from baler_core.machine.loop_library import open_library

MOST_DIGITS = 15
"""Decimals of so many digits are the shortest of their floats."""
_TOO_LARGE = 10**MOST_DIGITS
_MOST_INTEGER_DIGITS = 18
_MOST_POWER = 22
_POWERS = 10.0 ** np.arange(_MOST_POWER + 1)
_PRINTED = re.compile(r"\.(\d{1,2})([feE])")
INTEGER, SHORTEST, SHORTEST_INTEGERS, FIXED, SCIENTIFIC = range(5)
"""How numbers are spelled: whole; in the fewest digits with at least one decimal, or without; with so many decimals;
with a power of ten."""
_NEW_LINE, _RETURN, _POINT, _MINUS, _PLUS, _ZERO = b"\n\r.-+0"
_ASCII = 128


@compiled
def find_cells(text: Array, separator: Integer, quote: Integer, comment: Integer, ends: Array) -> Integer:
    """Find where cells end, in int64 `ends` (rows, width of at least 2); return how many rows were complete and plain.

    Parameters
    ----------
    text
        uint8 (bytes,), the rows one after another.
    separator, quote, comment
        Codes of characters; -1 for none. Rows with quotes or beyond ASCII are not plain, nor are comments.
    """
    rows, width = ends.shape
    row, column, begins = 0, 0, True
    for place in range(len(text)):
        code = np.int64(text[place])
        if code >= _ASCII or code in (quote, _RETURN) or (begins and code == comment) or row == rows:
            return row
        begins = False
        if code == separator:
            if column == width - 1:
                return row
            ends[row, column] = place
            column += 1
        elif code == _NEW_LINE:
            if column != width - 1:
                return row
            ends[row, column] = place
            row, column, begins = row + 1, 0, True
    return row


class Spelling(NamedTuple):
    """How the numbers of a column are spelled.

    Attributes
    ----------
    kind
        INTEGER, SHORTEST, SHORTEST_INTEGERS, FIXED or SCIENTIFIC.
    decimals
        Of FIXED and SCIENTIFIC.
    letter
        Of SCIENTIFIC, before the power of ten: the code of e or E.
    """

    kind: Integer
    decimals: Integer
    letter: Integer


@inlined
def _digits(text: Array, place: Integer, end: Integer, found: Integer) -> tuple[Integer, Integer]:
    """Read digits up to `end`, at most 18; return where they stop, and the number they continue."""
    limit = min(end, place + _MOST_INTEGER_DIGITS)
    while place < limit:
        digit = np.int64(text[place]) - _ZERO
        if digit < 0 or digit > 9:
            break
        found = 10 * found + digit
        place += 1
    return place, found


@inlined
def _is_as_written(
    spelling: Spelling, whole: Integer, decimals: Integer, number: Integer, last: Integer, dotted: bool
) -> bool:
    """Return whether digits stand as the spelling has them; there are `decimals` of them after the point."""
    if spelling.kind == INTEGER:
        return not dotted
    if spelling.kind == FIXED:
        return decimals == spelling.decimals and dotted == (decimals > 0)
    if spelling.kind == SCIENTIFIC:
        return whole == 1 and decimals == spelling.decimals and dotted == (decimals > 0)
    if not dotted:
        return spelling.kind == SHORTEST_INTEGERS
    if decimals == 1 and last == _ZERO:
        return spelling.kind == SHORTEST
    # smaller than 1e-4 are written with a power of ten
    return decimals > 0 and last != _ZERO and (decimals <= 4 or number >= 10 ** min(decimals - 4, 18))


@inlined
def _read(text: Array, place: Integer, end: Integer, spelling: Spelling) -> tuple[bool, bool, Integer, Integer]:
    """Read one cell; return whether it is spelled just so, its sign, its digits as a number, and the power of ten."""
    negative = place < end and text[place] == _MINUS
    place += 1 if negative else 0
    first, power = place, 0
    place, number = _digits(text, place, end, 0)
    count, decimals = place - first, 0
    if count == 0 or (count > 1 and text[first] == _ZERO):
        return False, negative, number, power
    dotted = place < end and text[place] == _POINT
    if dotted:
        point = place
        place, number = _digits(text, place + 1, min(end, first + 1 + _MOST_INTEGER_DIGITS), number)
        decimals = place - point - 1
    last = np.int64(text[place - 1])
    if not _is_as_written(spelling, count, decimals, number, last, dotted):
        return False, negative, number, power
    if spelling.kind == INTEGER:
        return place == end and not (negative and number == 0), negative, number, power
    power = -decimals
    if spelling.kind == SCIENTIFIC:
        if place + 4 > end or text[place] != spelling.letter:
            return False, negative, number, power
        sign, begin = np.int64(text[place + 1]), place + 2
        place, exponent = _digits(text, begin, end, 0)
        # two digits at least and no more than needed; +00 for 0
        needed = place - begin == 2 or (place - begin > 2 and exponent >= 100)
        if (sign != _PLUS and sign != _MINUS) or not needed or (exponent == 0 and sign == _MINUS):
            return False, negative, number, power
        if text[first] == _ZERO and (number != 0 or exponent != 0):
            return False, negative, number, power
        power += -exponent if sign == _MINUS else exponent
    good = place == end and number < _TOO_LARGE and abs(power) <= _MOST_POWER
    return good, negative, number, power


@compiled
def read_numbers(
    text: Array, starts: Array, ends: Array, spelling: Spelling, powers: Array, whole: Array, real: Array, odd: Array
) -> Integer:
    """Read the numbers of a column; return how many of the cells are odd: spelled otherwise.

    Places are within the text, as `find_cells` found them. Numbers have at most 18 digits, and fit 63 bits.

    Parameters
    ----------
    starts, ends
        int64 (rows,): where cells begin and end.
    powers
        float64, powers of ten from 0 to 22.
    whole, real
        int64 and float64 (rows,), to be filled: `whole` for the spelling INTEGER, `real` for the others; 0 in odd rows.
    odd
        int64 (rows,), to be filled with the rows of odd cells.
    """
    count = 0
    for row in range(len(starts)):
        good, negative, number, power = _read(text, starts[row], ends[row], spelling)
        if not good:
            odd[count] = row
            count += 1
            number, power = 0, 0
        if spelling.kind == INTEGER:
            whole[row] = -number if negative else number
        else:
            value = number * powers[power] if power >= 0 else number / powers[-power]
            real[row] = -value if negative else value
    return count


def spelling_of(number: str) -> Spelling | None:
    """Return the spelling of a column's number format; None for those that are not read here."""
    plain = {"d": INTEGER, "r": SHORTEST, "j": SHORTEST_INTEGERS}.get(number)
    if plain is not None:
        return Spelling(plain, 0, 0)
    printed = _PRINTED.fullmatch(number)
    if printed is None:
        return None
    return Spelling(FIXED if printed[2] == "f" else SCIENTIFIC, int(printed[1]), ord(printed[2]))


class BulkRows:
    """Plain rows of a table, their cells found and not yet read.

    Parameters
    ----------
    text
        The rows, each with a line end.
    ends
        int64 (rows, width): where each cell ends.
    """

    def __init__(self, text: str, raw: bytes, ends: np.ndarray) -> None:
        self._text = text
        self._raw = np.frombuffer(raw, np.uint8)
        self._ends = ends

    @cached_property
    def _starts(self) -> np.ndarray:
        starts = np.empty_like(self._ends)
        starts[:, 1:] = self._ends[:, :-1] + 1
        starts[0, 0] = 0
        starts[1:, 0] = self._ends[:-1, -1] + 1
        return starts

    def cells(self, column: int, rows: int | None = None) -> list[str]:
        """Return the cells of a column, or the first of them."""
        text = self._text
        starts, ends = self._starts[:rows, column].tolist(), self._ends[:rows, column].tolist()
        return [text[start:end] for start, end in zip(starts, ends, strict=True)]

    def numbers(self, column: int, spelling: Spelling) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers of a column, int64 or float64, and the rows (int64) of cells that are spelled otherwise."""
        rows = len(self._ends)
        is_whole = spelling.kind == INTEGER
        whole, real = np.zeros(rows if is_whole else 0, np.int64), np.zeros(0 if is_whole else rows)
        odd = np.zeros(rows, np.int64)
        starts, ends = (np.ascontiguousarray(places[:, column]) for places in (self._starts, self._ends))
        count = int(read_numbers(self._raw, starts, ends, spelling, _POWERS, whole, real, odd))
        return whole if is_whole else real, odd[:count]

    def cells_at(self, column: int, rows: Sequence[int]) -> list[str]:
        """Return the cells of a column in some rows."""
        return [self._text[self._starts[row, column] : self._ends[row, column]] for row in rows]

    def __len__(self) -> int:
        return len(self._ends)


def plain_rows(lines: Sequence[str], separator: str, quote: str, comment: str, width: int) -> BulkRows | None:
    """Return rows, one per line, if all are plain; None if not, or if there are too few columns to tell."""
    if open_library() is None:  # uncompiled loops take longer than reading cell by cell
        return None
    if width < 2 or len(comment) > 1 or not separator.isascii() or not lines or not lines[-1].endswith("\n"):
        return None
    text = "".join(lines)
    if not text.isascii():
        return None
    raw, ends = text.encode("ascii"), np.empty((len(lines), width), np.int64)
    between, around, before = (ord(mark) if mark and mark.isascii() else -1 for mark in (separator, quote, comment))
    found = int(find_cells(np.frombuffer(raw, np.uint8), between, around, before, ends))
    return BulkRows(text, raw, ends) if found == len(lines) else None
