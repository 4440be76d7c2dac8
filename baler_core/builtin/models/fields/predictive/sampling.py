"""Look up values of a chunk and their neighbours, from which stencils are learned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from baler_core.builtin.models.fields.predictive import stencil
from baler_core.builtin.models.fields.predictive.field import Integers
from baler_core.builtin.models.fields.predictive.series import BEFORE, OWN, find_sources
from baler_core.builtin.models.fields.predictive.stencil import (
    HALF_STEP,
    NEIGHBOURS,
    SOURCES,
    base_place,
    used_features,
)
from baler_core.machine.compiled import Array, Integer, compiled, inlined
from baler_core.machine.records import dataclass

# Values are looked up in runs of neighbours along x, which lie together in memory.
_RUN = 8
_CORNERS = ((0, -1), (-1, 0), (-1, -1), (-1, 1))
_HERE = [stencil.WITHIN.index(step) for step in _CORNERS]
_THERE = [len(stencil.WITHIN) + stencil.BEFORE.index(step) for step in _CORNERS]


@dataclass(frozen=True)
class StencilSample:
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
    base
        Given if neighbours will be seen with errors of up to half a step: which of the features is the base itself.
    """

    variable: int
    temporal: bool
    used: np.ndarray
    features: np.ndarray
    targets: np.ndarray
    base: int | None


def activities(sample: StencilSample) -> np.ndarray:
    """Compute how much the neighbours of values will differ, from their features: float64 (values,); see `predictor.activity`."""
    here = sample.features[np.searchsorted(sample.used, _HERE)]
    there = sample.features[np.searchsorted(sample.used, _THERE)] if sample.temporal else here
    if sample.base is not None:
        random = np.random.default_rng(3)
        here, there = (part + random.uniform(-HALF_STEP, HALF_STEP, part.shape) for part in (here, there))
    west, north, corner, east = here
    found = np.abs(west - corner) + np.abs(north - corner) + np.abs(north - east)
    if sample.temporal:
        found += np.array([2.0, 2.0, 1.0, 1.0]) @ np.abs(here - there)
    return found


def samples_of(
    integers: Integers,
    rows: int,
    *,
    far: bool,
    restored: np.ndarray | None = None,
    wanted: Sequence[bool] = (True, True),
) -> Iterator[StencilSample]:
    """Yield, for each variable, samples of about `rows` values outside holes, without and with a slice before.

    Parameters
    ----------
    restored
        What was restored by other stencils, as the neighbours will nearly be seen: same shape as the values.
    far
        Whether neighbours further away are looked up, too.
    wanted
        Whether values without, and with, a slice before are.
    """
    slices, variables, ny, nx = integers.values.shape
    seen = with_filled_holes(integers) if restored is None else restored
    blurred = integers.closed and restored is None
    random = np.random.default_rng(1)
    for variable in range(variables):
        for temporal, numbers in enumerate((range(min(1, slices)), range(1, slices))):
            if not numbers or not wanted[temporal]:
                continue
            used = np.flatnonzero(used_features(temporal > 0, variable > 0, far))
            run = min(_RUN, nx)
            # an image is learned from below its first row, above which there is nothing
            skipped = 0 if temporal or ny == 1 else 1
            starts = _starts(numbers, ny - skipped, nx, run, max(1, rows // run), random)
            starts[:, 1] += skipped
            features, targets = _looked_up(integers, seen, used, Runs(starts, variable, integers.stack), run)
            base = int(np.searchsorted(used, base_place(temporal > 0))) if blurred else None
            yield StencilSample(variable, temporal > 0, used, features, targets, base)


def _looked_up(
    integers: Integers, seen: np.ndarray, used: np.ndarray, runs: Runs, run: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return features (used, values) and targets (values,) of runs of `run` values, without those in holes."""
    count = len(runs.starts) * run
    features, targets = np.zeros((len(used), count)), np.empty(count)
    look_up(features, targets, integers.values, seen, used, runs)
    if integers.holes is None:
        return features, targets
    z, y, x = (part[:, None] for part in runs.starts.T)
    kept = ~integers.holes[z, runs.variable, y, x + np.arange(run)].ravel()
    return features[:, kept], targets[kept]


def _starts(numbers: range, ny: int, nx: int, run: int, most: int, random: np.random.Generator) -> np.ndarray:
    """Choose where runs start in some slices (slice, y, x): of all of them if there are few, else at random."""
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
    """Return the values, and in holes about what will be predicted there: int64, same shape."""
    if integers.holes is None:
        return integers.values
    filled = integers.values.copy()
    fill_holes(filled, integers.holes, integers.stack)
    return filled


@compiled
def fill_holes(values: Array, holes: Array, stack: Integer) -> None:
    """Fill holes with the value before, or else the neighbour on the left or above."""
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


class Runs(NamedTuple):
    """Where values are looked up.

    Attributes
    ----------
    starts
        int64 (runs, 3): slice, y and x at which each run begins, such that it fits into its row.
    variable
        The variable.
    stack
        See `field.Integers`.
    """

    starts: Array
    variable: Integer
    stack: Integer


@compiled
def look_up(features: Array, targets: Array, values: Array, seen: Array, used: Array, runs: Runs) -> None:
    """Store how far values and their `used` neighbours lie from the base; margins are as in `series.open_row` and others.

    There is at least one run; neighbours beyond an edge are clamped to it.
    """
    _, variables, ny, nx = values.shape
    variable, sources = runs.variable, np.zeros(4, np.int64)
    run = targets.size // runs.starts.shape[0]
    base = np.zeros(run, np.int64)
    for row in range(runs.starts.shape[0]):
        number, y, x = runs.starts[row]
        find_sources(sources, number, variable, variables, runs.stack)
        first, own, before = row * run, seen[number, variable], seen[max(sources[BEFORE], 0) // variables, variable]
        temporal = sources[BEFORE] >= 0
        for k in range(run):
            base[k] = before[y, x + k] if temporal else coded_neighbour(own, before, temporal, (y, x + k), (0, -1))
            targets[first + k] = values[number, variable, y, x + k] - base[k]
        for i in range(used.size):
            source, (down, right) = SOURCES[used[i]], NEIGHBOURS[used[i]]
            if sources[source] < 0:
                continue
            plane = seen[sources[source] // variables, sources[source] % variables]
            inside = x + right >= 0 and x + right + run <= nx
            if source == OWN and (y + down < 0 or not inside):
                for k in range(run):
                    near = coded_neighbour(own, before, temporal, (y, x + k), (down, right))
                    features[i, first + k] = near - base[k]
                continue
            there = plane[min(max(y + down, 0), ny - 1)]
            for k in range(run):
                column = x + k + right if inside else min(max(x + k + right, 0), nx - 1)
                features[i, first + k] = there[column] - base[k]


@inlined
def coded_neighbour(
    own: Array, before: Array, temporal: bool, place: tuple[Integer, Integer], step: tuple[Integer, Integer]
) -> Integer:
    """Code a neighbour in the same slice, or what stands for it beyond the edge: nothing that is coded later.

    Parameters
    ----------
    own, before
        The slice, and the one before if `temporal`.
    place, step
        Where the value is (y, x), and from there to its neighbour.
    """
    there, beyond, last = place[0] + step[0], place[1] + step[1], own.shape[1] - 1
    if beyond < 0:
        beyond, there = 0, there - 1
    if there < 0 and temporal:
        return before[0, min(beyond, last)]
    if there < 0 and place[0] == 0:
        return np.int64(0)
    return own[max(there, 0), min(beyond, last)]
