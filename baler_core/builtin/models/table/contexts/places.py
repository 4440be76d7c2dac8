"""Number the contexts of each row of a column, and find where their counters lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from baler_core.machine.records import dataclass

EXACT = -1
"""In place of a number of classes: the parent's exact value."""
_ODD = 0x9E3779B1
_SORTED = 1 << 20
"""Values over a wider range are ranked by sorting."""
_LARGEST = 18
"""Most places (bits) of one context's table of counters."""


@dataclass(frozen=True)
class ParentColumn:
    """A parent: an earlier column of the same row or of the row before, or the column itself in the row before.

    Attributes
    ----------
    values
        int64 per row.
    bins
        int64 per row, from 0.
    count
        How many bins.
    own
        Where the parent is the column itself, known row by row only: the earlier row that is looked at, -1 for none,
        int64 per row. `values` and `bins` are then 0. Else None.
    """

    values: np.ndarray
    bins: np.ndarray
    count: int
    own: np.ndarray | None = None

    def looked_up(self, rows: np.ndarray) -> ParentColumn:
        """Return the same of another row each (int64 per row); bin 0 and value -1 where that is -1."""
        there = rows >= 0
        return ParentColumn(
            np.where(there, self.values[rows], -1), np.where(there, self.bins[rows] + 1, 0), self.count + 1
        )


ContextRecipe = tuple[tuple[int, int], ...]
"""One context: (place among the parents, classes or EXACT) of each part."""


def recipes(parents: int, most: int) -> list[ContextRecipe]:
    """Return the contexts worth having with so many parents, best first, at most `most`."""
    found: list[ContextRecipe] = [(), *(((p, 64),) for p in range(parents))]
    if parents >= 2:
        found.append(((0, 32), (1, 32)))
    if parents >= 1:
        found.append(((0, EXACT),))
    if parents >= 3:
        found += [((0, 16), (1, 16), (2, 16)), ((0, 32), (2, 32)), ((1, 32), (2, 32))]
    if parents >= 2:
        found += [((0, EXACT), (1, EXACT)), ((0, 64), (1, 64))]
    if parents >= 4:
        found += [((0, 8), (1, 8), (2, 8), (3, 8)), ((0, 32), (3, 32))]
    if parents >= 3:
        found.append(((0, 32), (1, 32), (2, 32)))
    return found[:most]


def recipes_with_predictor(parents: int, most: int) -> list[ContextRecipe]:
    """Return the same when the last of the parents is a predicted class."""
    predicted = parents - 1
    found: list[ContextRecipe] = [((predicted, 64),), ((predicted, EXACT),)]
    if predicted >= 1:
        found += [((predicted, 32), (0, 32)), ((predicted, 16), (0, 64))]
    if predicted >= 2:
        found += [((predicted, 32), (1, 32)), ((predicted, 16), (0, 16), (1, 16))]
    plain = recipes(predicted, most)
    return [*plain[: parents + 1], *found, *plain[parents + 1 :]][: most + 4]


class ContextSlots(NamedTuple):
    """Where each row's counters lie.

    Attributes
    ----------
    base
        int32 (rows, contexts): first place of the row's context.
    masks, offsets
        int64 (contexts,): size of each table less 1, and where it begins.
    own, classes
        int64 (contexts, pasts): by how much the class of the column's own bin in an earlier row moves the place, and how
        many such classes; 0 and 1 where it does not matter.
    pasts
        int64 (rows, pasts): the earlier rows that are looked at, -1 for none.
    """

    base: np.ndarray
    masks: np.ndarray
    offsets: np.ndarray
    own: np.ndarray
    classes: np.ndarray
    pasts: np.ndarray

    @property
    def total(self) -> int:
        """Total number of counters."""
        return int((self.masks + 1).sum())


def place_contexts(
    parents: Sequence[ParentColumn], chosen: Sequence[ContextRecipe], rows: int, nodes: int, most: int
) -> ContextSlots:
    """Number the contexts of every row.

    Parameters
    ----------
    nodes
        How many decisions each context must keep apart.
    most
        The rows of the whole block, which tell how large tables are. Exact values count among those of all of them: only
        recipes without any are for some of the rows.
    """
    base = np.zeros((rows, len(chosen)), np.int32)
    pasts = [parent.own for parent in parents if parent.own is not None]
    sizes = np.zeros(len(chosen), np.int64)
    own, classes = (np.zeros((len(chosen), len(pasts)), np.int64) for _ in range(2))
    for column, recipe in enumerate(chosen):
        state = _states(parents, recipe, rows)
        wanted = max(1, (min(state.count, most) * nodes - 1).bit_length())
        sizes[column] = 1 << min(wanted, _LARGEST)
        direct = state.count * nodes <= sizes[column]
        spread = state.number * nodes if direct else _hashed(state.number)
        base[:, column] = spread & (sizes[column] - 1)
        own[column] = state.own * nodes if direct else state.own * _ODD & (sizes[column] - 1)
        classes[column] = state.classes
    looked_at = np.stack(pasts, axis=1) if pasts else np.zeros((rows, 0), np.int64)
    return ContextSlots(base, sizes - 1, np.cumsum(sizes) - sizes, own, classes, looked_at)


def place_first(parents: Sequence[ParentColumn], rows: int, nodes: int, most: int) -> ContextSlots:
    """Number the contexts of every row by classes of the first parent alone, or one context for all: as `place_contexts`, faster."""
    parent = parents[0] if parents else None
    count = 1 if parent is None else min(64, parent.count)
    size = 1 << min(max(1, (min(count, most) * nodes - 1).bit_length()), _LARGEST)
    direct, pasts = count * nodes <= size, int(parent is not None and parent.own is not None)
    base = np.zeros((rows, 1), np.int32)
    if parent is not None:
        number = _classes(parent, count)
        base[:, 0] = (number * nodes if direct else _hashed(number)) & (size - 1)
    return ContextSlots(
        base,
        np.array([size - 1]),
        np.zeros(1, np.int64),
        np.full((1, pasts), nodes if direct else _ODD & (size - 1), np.int64),
        np.full((1, pasts), count, np.int64),
        np.zeros((rows, 0), np.int64) if parent is None or parent.own is None else parent.own.reshape(-1, 1),
    )


@dataclass
class _States:
    """The state of a context in each row (int64), how many there may be, and the parts of the column's own pasts."""

    number: np.ndarray
    own: np.ndarray
    classes: np.ndarray
    count: int = 1


def _states(parents: Sequence[ParentColumn], recipe: ContextRecipe, rows: int) -> _States:
    pasts = [place for place, parent in enumerate(parents) if parent.own is not None]
    state = _States(np.zeros(rows, np.int64), np.zeros(len(pasts), np.int64), np.ones(len(pasts), np.int64))
    for place, classes in recipe:
        parent = parents[place]
        if classes == EXACT and parent.own is None:
            part, count = _ranks(parent.values)
        else:
            count = parent.count if classes == EXACT else min(classes, parent.count)
            part = _classes(parent, count)
        state.number = state.number * count + part
        state.own *= count
        if parent.own is not None:
            past = pasts.index(place)
            state.own[past], state.classes[past] = 1, count
        state.count *= max(count, 1)
    return state


def _classes(parent: ParentColumn, count: int) -> np.ndarray:
    """Return the class of each bin of a parent, of so many classes (int64 per row)."""
    if count == parent.count:
        return parent.bins
    if parent.count > len(parent.bins):
        return parent.bins * count // parent.count
    return (np.arange(parent.count) * count // parent.count)[parent.bins]


def _ranks(values: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the place of each value among those that occur (int64 per row), and how many occur."""
    low, high = (int(values.min()), int(values.max())) if len(values) else (0, 0)
    if high - low >= _SORTED:
        distinct, part = np.unique(values, return_inverse=True)
        return part, len(distinct)
    occurs = np.zeros(high - low + 1, np.int64)
    occurs[values - low] = 1
    places = np.cumsum(occurs)
    return places[values - low] - 1, int(places[-1]) if len(values) else 0


def _hashed(number: np.ndarray) -> np.ndarray:
    """Return well-spread numbers from state numbers."""
    mixed = number.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    return (mixed >> np.uint64(33)).astype(np.int64)
