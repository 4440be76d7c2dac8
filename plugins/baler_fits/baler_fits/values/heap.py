"""Find where arrays of variable length lie in a table's heap, and where they will lie in the restored one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

Order = Literal["columns", "rows"]
# A heap with more unused bytes than this is compacted, so that no header can announce what is not there.
MAX_UNUSED = 64 << 20


@dataclass(frozen=True)
class Pointers:
    """The descriptors of one column of variable-length arrays.

    Attributes
    ----------
    counts, places
        int64, shape (rows,): elements of each array, and its first byte from the start of the heap.
    itemsize
        Bytes per element.
    """

    counts: np.ndarray
    places: np.ndarray
    itemsize: int

    @property
    def lengths(self) -> np.ndarray:
        """Bytes of each array."""
        return self.counts * self.itemsize

    @property
    def total(self) -> int:
        """Bytes of all of them."""
        return int(self.lengths.sum())

    @property
    def empty_at_start(self) -> bool:
        """Whether there are empty arrays, and all of them point to the start of the heap."""
        places = self.places[self.counts == 0]
        return bool(places.size) and not places.any()

    def inside(self, heap_bytes: int) -> bool:
        """Return whether every array lies within the heap; the largest count times its size cannot overflow here."""
        filled = self.counts > 0
        if (self.counts < 0).any() or (self.counts > heap_bytes).any():
            return False
        counts, places = self.counts[filled], self.places[filled]
        return bool(((places >= 0) & (places <= heap_bytes) & (counts * self.itemsize <= heap_bytes - places)).all())


def places_in(order: Order, lengths: list[np.ndarray]) -> list[np.ndarray]:
    """Return where arrays start when they follow each other without gaps.

    Parameters
    ----------
    order
        `columns`: all arrays of the first column, then of the second. `rows`: those of the first row, then the next.
    lengths
        Bytes of each array, (rows,) int64, one per column.

    Returns
    -------
    list of ndarray
        int64, (rows,), one per column.
    """
    if not lengths:
        return []
    table = np.stack(lengths, axis=0 if order == "columns" else 1)
    flat = table.ravel()
    starts = (np.cumsum(flat) - flat).reshape(table.shape)
    return [starts[n] if order == "columns" else starts[:, n] for n in range(len(lengths))]


def order_of(columns: list[Pointers]) -> Order | None:
    """The order in which a heap holds its arrays, None if neither: gaps, shared arrays, or arrays moved about."""
    for order in ("columns", "rows"):
        expected = places_in(order, [column.lengths for column in columns])
        if all(
            np.array_equal(column.places[column.counts > 0], places[column.counts > 0])
            for column, places in zip(columns, expected, strict=True)
        ):
            return order
    return None
