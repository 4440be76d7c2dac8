"""Choose the parents of each column: those that share most information with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field

import numpy as np

from baler_core.machine.records import dataclass

_ROWS = 20_000
_CANDIDATES = 12
_TOGETHER = 64
_MOST_PAIRED, _FEWEST_PAIRED = 3000, 500
_PAIRED = 3_000_000
"""Rows for pairs of columns, and rows times candidates: fewer rows in wide tables."""
_SPAN = 8
"""Values over a range of so many times their number are counted in an array of that range, the others by sorting."""
_WORTH, _WORTH_IN_ALL = 0.004, 8.0
"""Bits per value that a further parent must promise, and bits of all rows: naming it takes about as many."""


def entropy(numbers: np.ndarray) -> float:
    """Order-0 entropy in bits, plus what estimating so many chances from so few rows flatters it by (Miller 1955)."""
    if not len(numbers):
        return 0.0
    counts = _counts(numbers)
    share = counts / counts.sum()
    return float(-(share * np.log2(share)).sum() + (len(counts) - 1) / (2 * len(numbers) * np.log(2)))


def _counts(numbers: np.ndarray) -> np.ndarray:
    """Count each number that occurs, in ascending order of the numbers."""
    low, high = int(numbers.min()), int(numbers.max())
    if high - low < _SPAN * len(numbers):
        counts = np.bincount(numbers - low)
        return counts[counts > 0]
    return np.unique(numbers, return_counts=True)[1]


def coarse(bins: np.ndarray, classes: int) -> np.ndarray:
    """Return bins joined to at most `classes` of about equal weight."""
    inverse, counts = _ranks(bins)
    if len(counts) <= classes:
        return inverse
    centres = np.cumsum(counts) - counts / 2
    return _ranks((centres / counts.sum() * classes * 0.9999).astype(np.int64))[0][inverse]


def _ranks(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each number (from 0, not empty) how many smaller ones occur, and the counts of those that occur."""
    if int(numbers.max()) >= _SPAN * len(numbers):
        _, inverse, counts = np.unique(numbers, return_inverse=True, return_counts=True)
        return inverse, counts
    counts = np.bincount(numbers)
    occurs = counts > 0
    return (np.cumsum(occurs) - 1)[numbers], counts[occurs]


@dataclass(frozen=True)
class Candidate:
    """What may be a parent.

    Attributes
    ----------
    known_from
        The first column, in the order of coding, whose parent it may be.
    bins
        Gives int64 bins, from 0, of the rows it is asked for.
    """

    known_from: int
    bins: Callable[[np.ndarray], np.ndarray]
    _made: dict[int, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    def classes(self, picked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the bins of some rows (all but the first, or spread evenly over the table), joined to 12 classes and to 6."""
        if len(picked) not in self._made:
            middle = coarse(self.bins(picked), 12)
            self._made[len(picked)] = middle, coarse(middle, 6)
        return self._made[len(picked)]


def shared_information(count: int, candidates: Sequence[Candidate], rows: int) -> np.ndarray:
    """Bits that each of the first `count` candidates, the columns, shares with each candidate: (count, candidates)."""
    most = min(_MOST_PAIRED, max(_FEWEST_PAIRED, _PAIRED // len(candidates)))
    picked = np.linspace(1, rows - 1, min(rows - 1, most)).astype(np.int64)
    return _shared_information(count, [candidate.classes(picked)[1] for candidate in candidates])


def choose_parents(
    bins: Mapping[int, np.ndarray], candidates: Sequence[Candidate], most: int, shared: np.ndarray
) -> dict[int, list[int]]:
    """Choose for each column: up to `most` parents by greedy conditional mutual information.

    Parameters
    ----------
    bins
        Of each column that gets parents, by its place in the order of coding: int64 (rows,), from 0.
    candidates
        What may be parents; all columns themselves first, in the order of coding.
    shared
        From `shared_information`.

    Returns
    -------
    dict
        Parents as places in `candidates`, by place of the column.
    """
    rows = len(next(iter(bins.values())))
    picked = np.linspace(1, rows - 1, min(rows - 1, _ROWS)).astype(np.int64)
    known_from = np.array([candidate.known_from for candidate in candidates])
    likeliest: dict[int, list[int]] = {}
    for column in bins:
        allowed = np.flatnonzero(known_from <= column)
        likeliest[column] = allowed[np.argsort(-shared[column, allowed], kind="stable")[:_CANDIDATES]].tolist()
    needed = sorted(set().union(*likeliest.values()))
    classes = {place: candidates[place].classes(picked) for place in needed}
    middle, few = ({place: both[k] for place, both in classes.items()} for k in range(2))
    return {
        column: _greedy(coarse(own[picked], 24), likeliest[column], middle, few, most) for column, own in bins.items()
    }


def _greedy(
    target: np.ndarray, candidates: list[int], middle: dict[int, np.ndarray], few: dict[int, np.ndarray], most: int
) -> list[int]:
    chosen: list[int] = []
    condition = np.zeros(len(target), np.int64)
    worth = max(_WORTH, _WORTH_IN_ALL / len(target))
    for step in range(min(most, len(candidates))):
        parts = middle if step < 2 else few
        before = entropy(_joined(condition, target)) - entropy(condition)
        if before < worth:
            break
        both = np.stack([_joined(condition, parts[candidate]) for candidate in candidates])
        gains = before - _entropies(both * (int(target.max(initial=0)) + 1) + target) + _entropies(both)
        best = int(np.argmax(gains))
        if gains[best] < worth:
            break
        # as few numbers as there are, so that many candidates fit an array that counts them
        condition = _ranks(both[best])[0]
        chosen.append(candidates.pop(best))
    return chosen


def _entropies(numbers: np.ndarray) -> np.ndarray:
    """Return the entropy of each row of int64 numbers from 0 (several rows, not empty), as `entropy` defines it."""
    rows, span = len(numbers), int(numbers.max()) + 1
    if rows * span > _SPAN * numbers.size:
        return np.array([entropy(row) for row in numbers])
    counts = np.bincount((numbers + span * np.arange(rows)[:, None]).ravel(), minlength=rows * span)
    share = counts.reshape(rows, span) / numbers.shape[1]
    bits = -(share * np.log2(share, where=share > 0, out=np.zeros_like(share))).sum(axis=1)
    return np.asarray(bits + (np.count_nonzero(share, axis=1) - 1) / (2 * numbers.shape[1] * np.log(2)))


def _joined(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return first * (int(second.max(initial=0)) + 1) + second


def _shared_information(count: int, few: list[np.ndarray]) -> np.ndarray:
    """Compute the mutual information of the first `count` and all candidates, from few classes of a sample: (count, candidates)."""
    rows = len(few[0])
    widths = np.array([int(f.max(initial=0)) + 1 for f in few])
    starts = np.cumsum(widths) - widths
    joined = np.zeros((rows, int(widths.sum())), np.float32)
    for start, classes in zip(starts, few, strict=True):
        joined[np.arange(rows), start + classes] = 1
    given = joined.mean(0)
    shared = np.zeros((count, len(few)))
    for first in range(0, count, _TOGETHER):
        last = min(first + _TOGETHER, count)
        own = slice(starts[first], starts[last - 1] + widths[last - 1])
        joint = joined[:, own].T @ joined / rows
        terms = (
            given[own, None] * given
        )  # and from here on in place: of hundreds of columns these are the largest arrays
        with np.errstate(divide="ignore", invalid="ignore"):
            np.divide(joint, terms, out=terms)
            np.log2(terms, out=terms)
            terms *= joint
        terms[joint <= 0] = 0
        by_candidate = np.add.reduceat(terms, starts, axis=1)
        shared[first:last] = np.add.reduceat(by_candidate, starts[first:last] - starts[first], axis=0)
    return shared
