"""Spread the groups of a block over threads, where they are large enough for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from typing import TypeVar

from baler_core.data.variables import Layout, Variable
from baler_core.machine.threads import alone, in_parallel

Item = TypeVar("Item")
Result = TypeVar("Result")
# Bytes of fields that are worth threads: those of fewer are coded in some ten milliseconds, and threads take as long to start.
_WORTH_THREADS = 1 << 17


def threads_for(layout: Layout) -> AbstractContextManager[None]:
    """Have what the body does to a group spread over threads, unless it has few fields."""
    return alone() if layout.kind == "grid" and layout.nbytes < _WORTH_THREADS else nullcontext()


def bytes_of_fields(variables: Sequence[Variable], sizes: Mapping[str, int]) -> int:
    """Count the bytes of those that have several dimensions of such sizes."""
    return sum(
        v.numpy_dtype.itemsize * math.prod(sizes[dim] for dim in v.dims)
        for v in variables
        if v.is_numeric and len(v.dims) > 1
    )


def at_a_time(function: Callable[[Item], Result], items: Sequence[Item], fields: Sequence[int]) -> list[Result]:
    """Call a function on groups or blocks: those with large fields at once, and all others one by one beside them.

    Tables are planned by Python for the most part, which its threads take turns at; their columns are coded in threads.

    Parameters
    ----------
    fields
        Bytes of the fields of each.

    Returns
    -------
    list
        Results in the order of the items.
    """
    large = [[number] for number, nbytes in enumerate(fields) if nbytes >= _WORTH_THREADS]
    others = [number for number, nbytes in enumerate(fields) if nbytes < _WORTH_THREADS]

    def all_of(numbers: Sequence[int]) -> list[tuple[int, Result]]:
        return [(number, function(items[number])) for number in numbers]

    found = dict(chain.from_iterable(in_parallel(all_of, [others, *large] if others else large)))
    return [found[number] for number in range(len(items))]
