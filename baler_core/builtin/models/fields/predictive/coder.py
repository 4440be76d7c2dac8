"""Walks over the slices and variables of a chunk and codes them, or reads them back."""

from __future__ import annotations

import numpy as np

from baler_core.builtin.models.fields.predictive.contexts import Memory, code_slice, new_memory
from baler_core.builtin.models.fields.predictive.fast_rows import code_slice_quickly
from baler_core.builtin.models.fields.predictive.series import OWN, Series, close_plane, find_sources
from baler_core.builtin.models.fields.predictive.stencil import MARGIN
from baler_core.entropy.arithmetic import Coder
from baler_core.entropy.magnitudes import Places
from baler_core.entropy.symbols import Stream
from baler_core.machine.compiled import Integer, compiled

# Variables beyond these share what adapts.
_MEMORIES = 4


def code_values(coder: Coder, series: Series, variables: int, stack: int, contexts: int) -> None:
    """Write or read (in place) all values of a series.

    Parameters
    ----------
    stack
        See `field.Integers`.
    contexts
        How many contexts are mixed, at least one.
    """
    memories = [new_memory() for _ in range(min(variables, _MEMORIES))]
    code_slices(coder, Memory(*map(np.stack, zip(*memories, strict=True))), series, variables, stack, (0,) * contexts)


@compiled
def code_slices(
    coder: Coder, memories: Memory, series: Series, variables: Integer, stack: Integer, contexts: Places
) -> None:
    """Slice after slice, variable after variable.

    Parameters
    ----------
    memories
        One memory for each variable, the last for more.
    contexts
        As many numbers as contexts are mixed.
    """
    sources = np.zeros(4, np.int64)
    width = series.errors.shape[2] - 4 + 2 * MARGIN
    for number in range(series.planes.shape[0] // variables):
        for variable in range(variables):
            find_sources(sources, number, variable, variables, stack)
            m = min(variable, memories.counters.shape[0] - 1)
            memory = Memory(memories.counters[m], memories.signs[m], memories.weights[m])
            code_slice(coder, memory, series, sources, variable, contexts)
            close_plane(series.planes[sources[OWN]], width)


@compiled
def code_quickly(stream: Stream, encoding: Integer, series: Series, variables: Integer, stack: Integer) -> None:
    """As `code_values`, without mixing: the stencil alone predicts."""
    sources = np.zeros(4, np.int64)
    width = series.errors.shape[2] - 4 + 2 * MARGIN
    for number in range(series.planes.shape[0] // variables):
        for variable in range(variables):
            find_sources(sources, number, variable, variables, stack)
            code_slice_quickly(stream, encoding, series, sources, variable)
            close_plane(series.planes[sources[OWN]], width)
