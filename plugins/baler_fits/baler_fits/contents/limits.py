"""Read limits from a header: legal values (TLMIN, TLMAX), and extremes (DATAMIN, TDMIN, ...) where they hold."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from baler_fits.contents.fields import Packing, RowField
from baler_fits.contents.headers import Keywords

UNLIMITED = (-math.inf, math.inf)


def legal_limits(keywords: Keywords, column: int, packing: Packing) -> tuple[float, float]:
    """Return the smallest and largest legal value of a table column, in stored units."""
    return _stored(keywords, f"TLMIN{column}", f"TLMAX{column}", packing)


def states_extremes(keywords: Keywords, column: int) -> bool:
    """Return whether a header states the extremes of a column, or of an image (column 0)."""
    return _stored(keywords, *_cards(column), Packing()) != UNLIMITED


def stated_extremes(
    keywords: Keywords, column: int, field: RowField, pieces: Iterable[np.ndarray]
) -> tuple[float, float]:
    """Return the extremes that a header states, in stored units, each only if no value lies beyond it.

    Parameters
    ----------
    column
        Number of the table column; 0 for an image.
    pieces
        The stored values.
    """
    low, high = _stored(keywords, *_cards(column), field.packing)
    smallest, largest = math.inf, -math.inf
    for piece in pieces:
        values = piece[np.isfinite(piece)] if piece.dtype.kind == "f" else piece
        for fill in field.packing.fill:
            values = values[values != fill]
        if values.size:
            smallest, largest = min(smallest, float(values.min())), max(largest, float(values.max()))
    # a card holds a number to its own digits: the next number of the stored type is the same
    slack = [0.5 if field.stored.kind in "iu" else abs(x) * float(np.finfo(field.stored).eps) for x in (low, high)]
    return (
        min(low, smallest) if low - slack[0] <= smallest else -math.inf,
        max(high, largest) if largest <= high + slack[1] else math.inf,
    )


def _cards(column: int) -> tuple[str, str]:
    return (f"TDMIN{column}", f"TDMAX{column}") if column else ("DATAMIN", "DATAMAX")


def _stored(keywords: Keywords, lowest: str, highest: str, packing: Packing) -> tuple[float, float]:
    """Return two cards' limits of physical values in stored units; none if they contradict each other."""
    ends = (keywords.number(lowest, -math.inf), keywords.number(highest, math.inf))
    low, high = sorted((float(end) - packing.offset) / packing.scale for end in ends)
    return (low, high) if ends[0] < ends[1] else UNLIMITED
