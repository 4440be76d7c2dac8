"""Map codes of a column to symbols in a limited range: as they are, as differences of rows, or by a dictionary."""

from __future__ import annotations

from dataclasses import field
from typing import Literal

import numpy as np

from baler_core.errors import FormatError
from baler_core.machine.records import dataclass

SymbolKind = Literal["codes", "differences", "dictionary"]
KINDS: tuple[SymbolKind, ...] = ("codes", "differences", "dictionary")
LARGEST = 2**61
"""Symbols are smaller than this in magnitude."""
_NONE = np.zeros(0, np.int64)
_SPAN = 8
"""Codes over a range of so many times their number are counted in an array of that range, the others by sorting."""


@dataclass(frozen=True)
class Symbols:
    """What is coded of a column.

    Attributes
    ----------
    values
        int64 per row, in low - 1 .. high of its map; low - 1 stands for an escape.
    escapes
        int64, one per escape, in order of rows: codes or differences outside the range.
    """

    values: np.ndarray
    escapes: np.ndarray

    def first(self, rows: int, escape: int) -> Symbols:
        """Return those of the first rows; `escape` is the symbol that stands for one."""
        values = self.values[:rows]
        return Symbols(values, self.escapes[: int((values == escape).sum())])


@dataclass(frozen=True)
class SymbolMap:
    """How codes become symbols.

    Attributes
    ----------
    low, high
        Range of symbols other than the escape, low - 1.
    dictionary
        Ascending codes that the symbols number, for kind `dictionary`.
    """

    kind: SymbolKind
    low: int
    high: int
    dictionary: np.ndarray = field(default_factory=lambda: _NONE)

    def forward(self, codes: np.ndarray) -> Symbols:
        """Return symbols of int64 codes (1-D)."""
        if self.kind == "dictionary":
            moved = np.minimum(np.searchsorted(self.dictionary, codes), len(self.dictionary) - 1)
            outside = self.dictionary[moved] != codes
            escapes = codes[outside]
        else:
            moved = np.diff(codes, prepend=np.int64(0)) if self.kind == "differences" else codes
            outside = (moved < self.low) | (moved > self.high)
            escapes = moved[outside]
        return Symbols(np.where(outside, self.low - 1, moved), escapes)

    def backward(self, symbols: Symbols) -> np.ndarray:
        """Return codes from symbols.

        Raises
        ------
        FormatError
            If there are more or fewer escapes than the symbols call for.
        """
        outside = symbols.values == self.low - 1
        if int(outside.sum()) != len(symbols.escapes):
            raise FormatError(f"a column of a table has {len(symbols.escapes)} escapes for {int(outside.sum())} places")
        values = symbols.values.copy()
        if self.kind == "dictionary":
            values = self.dictionary[np.clip(values, 0, len(self.dictionary) - 1)]
        values[outside] = symbols.escapes
        return np.cumsum(values, dtype=np.int64) if self.kind == "differences" else values


def choose_maps(codes: np.ndarray, *, whole: bool) -> tuple[SymbolMap, SymbolMap]:
    """Choose the kind of symbols that looks cheapest for a sample of codes.

    Parameters
    ----------
    codes
        int64, 1-D.
    whole
        The sample is all there is, so that its distinct codes are all that will ever occur.

    Returns
    -------
    A map that takes differences only where they are much cheaper, since later columns then learn less from this one; and
    one that takes them wherever they look cheaper.
    """
    if not len(codes):
        return (SymbolMap("codes", 0, 0),) * 2
    options = [(smooth_bits(codes), _range_map("codes", codes))]
    liked = None
    if len(codes) > 16:
        moved = np.diff(codes)
        bits, moving = smooth_bits(moved), _range_map("differences", moved)
        options.append((bits * 3 + 0.05, moving))
        liked = bits * 1.02 + 0.05, moving
    distinct = np.unique(codes)
    span = int(codes.max()) - int(codes.min()) + 1
    if whole and 1 < len(distinct) < min(len(codes) // 2, 1 << 16) and span > 1.2 * len(distinct):
        ranks = np.searchsorted(distinct, codes)
        dictionary = SymbolMap("dictionary", 0, len(distinct) - 1, distinct)
        listed = len(distinct) * (smooth_bits(np.diff(distinct)) + 0.5) / len(codes)
        options.append((smooth_bits(ranks) + listed + 0.02, dictionary))
    gladly = options if liked is None else [options[0], liked, *options[2:]]
    reluctant, glad = (min(each, key=lambda option: option[0])[1] for each in (options, gladly))
    return reluctant, glad


def _range_map(kind: SymbolKind, codes: np.ndarray) -> SymbolMap:
    """Return the map whose range holds all codes but those of a size that leaves no room for an escape."""
    inside = codes[(codes > -LARGEST) & (codes < LARGEST)]
    return SymbolMap(kind, int(inside.min()), int(inside.max())) if len(inside) else SymbolMap(kind, 0, 0)


def smooth_bits(codes: np.ndarray) -> float:
    """Bits per value of a distribution known by 128 bins of equal weight, even inside them, heavy values apart."""
    distinct, counts = _occurring(codes)
    if len(distinct) < 2:
        return 0.0
    cumulative = np.cumsum(counts)
    is_heavy = counts > len(codes) / 128
    begins = is_heavy.copy()  # what is heavy, and what follows
    begins[1:] |= is_heavy[:-1]
    begins[0] = True
    begins[np.searchsorted(cumulative, np.arange(1, 128) * len(codes) / 128)] = True
    starts = np.flatnonzero(begins)
    weights = np.add.reduceat(counts, starts).astype(np.float64)
    edges = np.append(distinct[starts].astype(np.float64), float(distinct[-1]) + 1)
    widths = np.maximum(edges[1:] - edges[:-1], 1.0)
    widths[is_heavy[starts]] = 1.0
    return float((weights * (np.log2(widths) - np.log2(weights / len(codes)))).sum() / len(codes))


def _occurring(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct codes (int64, 1-D) in ascending order, and how often each occurs."""
    low, high = (int(codes.min()), int(codes.max())) if len(codes) else (0, -1)
    if not low <= high < low + _SPAN * len(codes):
        return np.unique(codes, return_counts=True)
    counts = np.bincount(codes - low)
    distinct = np.flatnonzero(counts)
    return distinct + low, counts[distinct]
