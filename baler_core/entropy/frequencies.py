"""Choose frequency tables of symbols and probabilities of signs from counts, write them, and read them back."""

from __future__ import annotations

import numpy as np

from baler_core.entropy.arithmetic import Coder
from baler_core.entropy.clusters import share_tables
from baler_core.entropy.mixing import new_counters
from baler_core.entropy.numbers import ROW, NumberCoder, code_number
from baler_core.entropy.rans import SYMBOLS, TOTAL, SymbolTables, new_tables, spans_of
from baler_core.entropy.symbols import MOST_SYMBOLS, ZERO
from baler_core.errors import FormatError
from baler_core.machine.compiled import Array, compiled
from baler_core.machine.records import dataclass

# Frequencies are written in eighths of an octave; 0 stands for a symbol that does not occur.
_STEPS = 8
LEVELS = np.array([0, *(round(16 * 2 ** (i / _STEPS)) for i in range(12 * _STEPS + 1))], np.int64)
_TOP = int(LEVELS[-1])
_MIDDLES = np.array([round(16 * 2 ** ((i + 0.5) / _STEPS)) for i in range(12 * _STEPS)], np.int64)
# Probabilities of a 1, on the logistic scale in quarters, of which so many lie on either side.
_MOST_LEANING = 20
LEANINGS = np.array([round(TOTAL / (1 + np.exp(-i / 4))) for i in range(-_MOST_LEANING, _MOST_LEANING + 1)], np.int64)
# A leaning must save so many bits.
_LEANING_BITS = 4.0
_MAP, _LENGTH = 0, 1
_KINDS = 5


@dataclass(frozen=True)
class Frequencies:
    """How often symbols and signs occur, as it is written.

    Attributes
    ----------
    members
        int64 (contexts,): the table of each context.
    levels
        int64 (tables, SYMBOLS).
    leanings
        int64 (sign contexts,).
    """

    members: np.ndarray
    levels: np.ndarray
    leanings: np.ndarray

    def tables(self) -> SymbolTables:
        """Return tables to decode with."""
        return new_tables(*self._shares())

    def spans(self) -> np.ndarray:
        """Return what an encoder needs of them; see `rans.spans_of`."""
        return spans_of(self.members, *self._shares())

    def _shares(self) -> tuple[np.ndarray, np.ndarray]:
        """Return frequencies of symbols in each table, and of bits being 1, in 1/TOTAL."""
        weights = LEVELS[self.levels]
        frequencies = np.maximum(weights * TOTAL // weights.sum(axis=1, keepdims=True), weights > 0)
        rows = np.arange(len(weights))
        # what rounding up rare symbols takes is less than the largest has, as symbols are fewer than MOST_SYMBOLS
        frequencies[rows, weights.argmax(axis=1)] += TOTAL - frequencies.sum(axis=1)
        return frequencies, LEANINGS[self.leanings + _MOST_LEANING]


def choose_frequencies(counts: np.ndarray, signs: np.ndarray, line: int) -> tuple[Frequencies, float]:
    """What suits counts of symbols (contexts, SYMBOLS) and signs (contexts, 2), and the bits that these then take.

    Parameters
    ----------
    line
        Contexts come in lines of so many: neighbours in a line are alike.
    """
    heads = share_tables(counts, line)
    _, first, members = np.unique(heads, return_index=True, return_inverse=True)
    order = np.argsort(first)
    members = np.argsort(order)[members]
    totals = counts[heads[first[order]]]
    totals[totals.sum(axis=1) == 0, 0] = 1
    shares = totals * _TOP // totals.sum(axis=1, keepdims=True)
    levels = np.where(totals > 0, 1 + np.searchsorted(_MIDDLES, shares), 0)
    leanings = _leanings(signs)
    found = Frequencies(members, levels, leanings)
    return found, _symbol_bits(totals, levels) + _sign_bits(signs, leanings)


def _leanings(signs: np.ndarray) -> np.ndarray:
    odds = (signs[:, 1] + 0.5) / (signs[:, 0] + 0.5)
    leanings = np.clip(np.rint(4 * np.log(odds)), -_MOST_LEANING, _MOST_LEANING).astype(np.int64)
    pays = signs.sum(axis=1) - _bits_of_signs(signs, leanings) > _LEANING_BITS
    return np.where(pays, leanings, 0)


def _bits_of_signs(signs: np.ndarray, leanings: np.ndarray) -> np.ndarray:
    ones = LEANINGS[leanings + _MOST_LEANING] / TOTAL
    return np.asarray(-signs[:, 1] * np.log2(ones) - signs[:, 0] * np.log2(1 - ones))


def _sign_bits(signs: np.ndarray, leanings: np.ndarray) -> float:
    return float(_bits_of_signs(signs, leanings).sum())


def _symbol_bits(totals: np.ndarray, levels: np.ndarray) -> float:
    weights = LEVELS[levels]
    shares = np.where(levels > 0, weights / weights.sum(axis=1, keepdims=True), 1)
    return float(-(totals * np.log2(shares)).sum())


def write_frequencies(frequencies: Frequencies, coder: Coder, line: int) -> None:
    """Write what `read_frequencies` reads."""
    numbers = NumberCoder(coder)
    known = 0
    for row in frequencies.members.reshape(-1, line):
        starts = np.flatnonzero(np.diff(row, prepend=-1))
        numbers.code(len(starts), _LENGTH)
        for start, end in zip(starts, [*starts[1:], None], strict=True):
            if end is not None:
                numbers.code(int(end - start), _LENGTH)
            table = int(row[start])
            numbers.code(0 if table == known else 1 + table, _MAP)
            known += table == known
    counters = new_counters(_KINDS * ROW)
    code_levels(*coder, counters, frequencies.levels, frequencies.leanings)


def read_frequencies(coder: Coder, contexts: int, line: int, signs: int) -> Frequencies:
    """Return what `write_frequencies` wrote, for so many contexts of symbols and signs.

    Raises
    ------
    FormatError
        If there is no such table.
    """
    numbers = NumberCoder(coder)
    members = np.zeros((contexts // line, line), np.int64)
    known = 0
    for row in members:
        place, segments = 0, numbers.code(0, _LENGTH)
        for number in range(min(segments, line)):
            length = numbers.code(0, _LENGTH) if number + 1 < segments else line - place
            pointer = numbers.code(0, _MAP)
            table = known if pointer == 0 else pointer - 1
            known += pointer == 0
            if not (0 < length <= line - place and 0 <= table < known):
                raise FormatError("tables of frequencies are damaged: their contexts are impossible")
            row[place : place + length] = table
            place += length
        if place < line:
            raise FormatError("tables of frequencies are damaged: contexts without a table")
    levels, leanings = np.zeros((known, SYMBOLS), np.int64), np.zeros(signs, np.int64)
    code_levels(*coder, new_counters(_KINDS * ROW), levels, leanings)
    if not levels.any(axis=1).all():
        raise FormatError("tables of frequencies are damaged: a table without symbols")
    return Frequencies(members.ravel(), levels, leanings)


@compiled
def code_levels(registers: Array, data: Array, counters: Array, levels: Array, leanings: Array) -> None:
    """Write or read (in place, zeros at first) levels and leanings; each level as its difference from a prediction by the table before.

    What is read is clamped: symbols below MOST_SYMBOLS, levels and leanings to their tables.
    """
    before = np.zeros(SYMBOLS, np.int64)
    used = west = corner = last = ZERO
    for table in range(levels.shape[0]):
        row = levels[table]
        last = ZERO
        for symbol in range(SYMBOLS):
            if row[symbol]:
                last = symbol + 1
        used = min(max(used + code_number(registers, data, counters, 0, last - used), 0), MOST_SYMBOLS)
        west = corner = ZERO
        for symbol in range(used):
            north = before[symbol]
            guess = west + north - corner if symbol else north
            guess = min(max(guess, min(west, north) if symbol else north), max(west, north))
            kind = 1 if symbol < 2 else 2 if west else 3
            level = guess + code_number(registers, data, counters, kind * ROW, row[symbol] - guess)
            row[symbol] = west = min(max(level, 0), LEVELS.size - 1)
            corner = north
        before[:] = row
    for place in range(leanings.size):
        leaning = code_number(registers, data, counters, 4 * ROW, leanings[place])
        leanings[place] = min(max(leaning, -_MOST_LEANING), _MOST_LEANING)
