"""Looks up values of a chunk and their neighbours, from which stencils are learned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from baler_core.builtin.models.predictive.field import Integers
from baler_core.builtin.models.predictive.series import BEFORE, OWN, find_sources
from baler_core.builtin.models.predictive.stencil import NEIGHBOURS, SOURCES, base_place, used_features
from baler_core.compiled import Array, Integer, compiled

# Values are looked up in runs of neighbours along x, which lie together in memory.
_RUN = 8


@dataclass(frozen=True)
class Sample:
    """Values of one variable, either all without or all with a slice before.

    Attributes
    ----------
    variable, temporal
        Which they are.
    used
        Numbers of the features that were looked up.
    features
        How far neighbours lie from the base: float64 (used, values).
    targets
        The same of the values: float64 (values,).
    """

    variable: int
    temporal: bool
    used: np.ndarray
    features: np.ndarray
    targets: np.ndarray

    @property
    def base(self) -> int:
        """Which of the used features is the base itself."""
        return int(np.searchsorted(self.used, base_place(self.temporal)))


def samples_of(integers: Integers, seen: np.ndarray, rows: int, *, far: bool) -> Iterator[Sample]:
    """For each variable, samples of about `rows` values outside holes, without and with a slice before.

    Parameters
    ----------
    seen
        Neighbours as they are taken: int64, same shape as the values.
    far
        Whether neighbours further away are looked up, too.
    """
    slices, variables, ny, nx = integers.values.shape
    random = np.random.default_rng(1)
    for variable in range(variables):
        for temporal, numbers in enumerate((range(min(1, slices)), range(1, slices))):
            if not numbers:
                continue
            used = np.flatnonzero(used_features(temporal > 0, variable > 0, far))
            run = min(_RUN, nx)
            starts = _starts(numbers, ny, nx, run, max(1, rows // run), random)
            features, targets = np.zeros((len(used), len(starts) * run)), np.empty(len(starts) * run)
            look_up(features, targets, integers.values, seen, used, starts, variable, integers.stack)
            if integers.holes is not None:
                z, y, x = (part[:, None] for part in starts.T)
                kept = ~integers.holes[z, variable, y, x + np.arange(run)].ravel()
                features, targets = features[:, kept], targets[kept]
            yield Sample(variable, temporal > 0, used, features, targets)


def _starts(numbers: range, ny: int, nx: int, run: int, most: int, random: np.random.Generator) -> np.ndarray:
    """Where runs start in some slices (slice, y, x): of all of them if there are few, else at random."""
    per_row = -(-nx // run)
    total = len(numbers) * ny * per_row
    if total <= most:
        flat = random.permutation(total)
        x = np.minimum(flat % per_row * run, nx - run)
    else:
        flat = random.integers(0, total, most)
        x = random.integers(0, nx - run + 1, most)
    return np.stack([numbers.start + flat // (ny * per_row), flat // per_row % ny, x], 1)


def with_filled_holes(integers: Integers) -> np.ndarray:
    """The values, and in holes about what will be predicted there: int64, same shape."""
    if integers.holes is None:
        return integers.values
    filled = integers.values.copy()
    fill_holes(filled, integers.holes, integers.stack)
    return filled


@compiled
def fill_holes(values: Array, holes: Array, stack: Integer) -> None:
    """Fill in what was before, or else the neighbour on the left or above."""
    slices, variables, ny, nx = values.shape
    for number in range(slices):
        for variable in range(variables):
            for y in range(ny):
                for x in range(nx):
                    if not holes[number, variable, y, x]:
                        continue
                    if number >= stack:
                        values[number, variable, y, x] = values[number - stack, variable, y, x]
                    elif x or y:
                        back = (y, x - 1) if x else (y - 1, x)
                        values[number, variable, y, x] = values[number, variable, back[0], back[1]]


@compiled
def look_up(
    features: Array, targets: Array, values: Array, seen: Array, used: Array, starts: Array, variable: Integer,
    stack: Integer,
) -> None:  # fmt: skip
    """Fill in how far neighbours lie from the base, and the values; the edge repeats beyond it."""
    _, variables, ny, nx = values.shape
    sources = np.zeros(4, np.int64)
    run = targets.size // starts.shape[0]
    base = np.zeros(run, np.int64)
    for row in range(starts.shape[0]):
        number, y, x = starts[row]
        find_sources(sources, number, variable, variables, stack)
        temporal = sources[BEFORE] >= 0
        plane = sources[BEFORE] if temporal else sources[OWN]
        first = row * run
        for k in range(run):
            base[k] = seen[plane // variables, plane % variables, y, x + k if temporal else max(x + k - 1, 0)]
            targets[first + k] = values[number, variable, y, x + k] - base[k]
        for i in range(used.size):
            plane = sources[SOURCES[used[i]]]
            if plane < 0:
                continue
            there, beyond = min(max(y + NEIGHBOURS[used[i], 0], 0), ny - 1), x + NEIGHBOURS[used[i], 1]
            near = seen[plane // variables, plane % variables, there]
            if beyond >= 0 and beyond + run <= nx:
                for k in range(run):
                    features[i, first + k] = near[beyond + k] - base[k]
            else:
                for k in range(run):
                    features[i, first + k] = near[min(max(beyond + k, 0), nx - 1)] - base[k]
