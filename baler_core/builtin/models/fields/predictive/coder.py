"""Code the slices and variables of a chunk one after the other, with mixed contexts or fast, or read them back."""

from __future__ import annotations

import numpy as np

from baler_core.builtin.models.fields.predictive.contexts import SeriesStatistics, code_slice, new_statistics
from baler_core.builtin.models.fields.predictive.fast_rows import code_slice_fast
from baler_core.builtin.models.fields.predictive.local_contexts import code_local_slice
from baler_core.builtin.models.fields.predictive.series import OWN, Series, close_plane, find_sources
from baler_core.builtin.models.fields.predictive.signed_contexts import code_signed_slice, new_signed_statistics
from baler_core.builtin.models.fields.predictive.stencil import MARGIN
from baler_core.entropy.arithmetic import Coder
from baler_core.entropy.magnitudes import Places
from baler_core.entropy.signed import SLOTS, new_slots
from baler_core.entropy.symbols import Stream
from baler_core.machine.compiled import Array, Integer, compiled

# Variables beyond these share what adapts.
_STATISTICS = 4


# Beside the numbers of contexts without signs, these tell that so many signed ones and a constant are mixed.
SIGNED = (SLOTS // 2, SLOTS)
# And this, that all of these are, with local fits.
LOCAL = SLOTS + 1


def code_values(coder: Coder, series: Series, variables: int, stack: int, mixed: int) -> None:
    """Write or read (in place) all values of a series.

    Parameters
    ----------
    stack
        See `field.Integers`.
    mixed
        How many contexts, or one of SIGNED, or LOCAL.
    """
    new = new_signed_statistics if mixed in (*SIGNED, LOCAL) else new_statistics
    found = [new() for _ in range(min(variables, _STATISTICS))]
    statistics = SeriesStatistics(*map(np.stack, zip(*found, strict=True)))
    if mixed == LOCAL:
        code_local_slices(coder, statistics, series, variables, stack, new_slots(SLOTS - 1))
    elif mixed in SIGNED:
        code_signed_slices(coder, statistics, series, variables, stack, new_slots(mixed - 1))
    else:
        code_slices(coder, statistics, series, variables, stack, (0,) * mixed)


@compiled
def code_slices(
    coder: Coder, statistics: SeriesStatistics, series: Series, variables: Integer, stack: Integer, contexts: Places
) -> None:
    """Code slice after slice, variable after variable.

    Parameters
    ----------
    statistics
        One set for each variable, the last for further ones.
    """
    sources = np.zeros(4, np.int64)
    width = series.errors.shape[2] - 4 + 2 * MARGIN
    for number in range(series.planes.shape[0] // variables):
        for variable in range(variables):
            find_sources(sources, number, variable, variables, stack)
            m = min(variable, statistics.counters.shape[0] - 1)
            own = SeriesStatistics(statistics.counters[m], statistics.signs[m], statistics.weights[m])
            code_slice(coder, own, series, sources, variable, contexts)
            close_plane(series.planes[sources[OWN]], width)


@compiled
def code_signed_slices(
    coder: Coder, statistics: SeriesStatistics, series: Series, variables: Integer, stack: Integer, slots: Array
) -> None:
    """As `code_slices`, with signed contexts; see `signed_contexts.code_signed_slice`."""
    sources = np.zeros(4, np.int64)
    width = series.errors.shape[2] - 4 + 2 * MARGIN
    for number in range(series.planes.shape[0] // variables):
        for variable in range(variables):
            find_sources(sources, number, variable, variables, stack)
            m = min(variable, statistics.counters.shape[0] - 1)
            own = SeriesStatistics(statistics.counters[m], statistics.signs[m], statistics.weights[m])
            code_signed_slice(coder, own, series, sources, variable, slots)
            close_plane(series.planes[sources[OWN]], width)


@compiled
def code_local_slices(
    coder: Coder, statistics: SeriesStatistics, series: Series, variables: Integer, stack: Integer, slots: Array
) -> None:
    """As `code_signed_slices`, with local fits; see `local_contexts.code_local_slice`."""
    sources = np.zeros(4, np.int64)
    width = series.errors.shape[2] - 4 + 2 * MARGIN
    for number in range(series.planes.shape[0] // variables):
        for variable in range(variables):
            find_sources(sources, number, variable, variables, stack)
            m = min(variable, statistics.counters.shape[0] - 1)
            own = SeriesStatistics(statistics.counters[m], statistics.signs[m], statistics.weights[m])
            code_local_slice(coder, own, series, sources, variable, slots)
            close_plane(series.planes[sources[OWN]], width)


@compiled
def code_signed_beside(coder: Coder, statistics: SeriesStatistics, series: Series, slots: Array) -> None:
    """As `code_signed_slices`, the second of two variables with one slice; the first one is known, with its errors."""
    sources = np.zeros(4, np.int64)
    close_plane(series.planes[0], series.errors.shape[2] - 4 + 2 * MARGIN)
    find_sources(sources, 0, 1, 2, 1)
    # Of one slice, a plane's number is its variable's. For a number that stood here, the compiler would make code of its own.
    code_signed_slice(coder, statistics, series, sources, sources[OWN], slots)


@compiled
def code_fast(stream: Stream, encoding: Integer, series: Series, variables: Integer, stack: Integer) -> None:
    """Code all values by the stencil alone, without mixing."""
    sources = np.zeros(4, np.int64)
    width = series.errors.shape[2] - 4 + 2 * MARGIN
    for number in range(series.planes.shape[0] // variables):
        for variable in range(variables):
            find_sources(sources, number, variable, variables, stack)
            code_slice_fast(stream, encoding, series, sources, variable)
            close_plane(series.planes[sources[OWN]], width)
