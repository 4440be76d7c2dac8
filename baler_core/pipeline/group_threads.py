"""Spread the groups of a block over threads, where they are large enough for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from typing import TypeVar

from baler_core.data.variables import Layout
from baler_core.machine.threads import alone, in_parallel

Item = TypeVar("Item")
Result = TypeVar("Result")
# Bytes of a group that are worth a thread, and those of fields that are worth several: trees with many collections gain from
# 32 kB on; fields of 10 kB, coded in some 50 ms, took longer in threads.
_WORTH_ONE, _WORTH_SEVERAL = 1 << 15, 1 << 16
# Tables of fewer rows, mostly one of many branches, are work for Python: a tree of 200 events took an eighth more in threads.
_MANY_ROWS = 2000


def threads_for(layout: Layout) -> AbstractContextManager[None]:
    """Have what the body does to a group spread over threads, unless it has few fields."""
    return alone() if layout.kind == "grid" and layout.nbytes < _WORTH_SEVERAL else nullcontext()


def bytes_worth_threads(layout: Layout) -> int:
    """Return the bytes of a group; none of a table of few rows."""
    few = layout.kind == "table" and layout.shape(layout.variables[0])[0] < _MANY_ROWS
    return 0 if few else layout.nbytes


def at_a_time(function: Callable[[Item], Result], items: Sequence[Item], sizes: Sequence[int]) -> list[Result]:
    """Call a function on groups or blocks of so many bytes: on large ones at once, and on small ones one by one beside them.

    Of small ones Python has most of the work, which its threads take turns at.

    Returns
    -------
    list
        Results in the order of the items.
    """
    large = [[number] for number, nbytes in enumerate(sizes) if nbytes >= _WORTH_ONE]
    others = [number for number, nbytes in enumerate(sizes) if nbytes < _WORTH_ONE]

    def all_of(numbers: Sequence[int]) -> list[tuple[int, Result]]:
        return [(number, function(items[number])) for number in numbers]

    found = dict(chain.from_iterable(in_parallel(all_of, [others, *large] if others else large)))
    return [found[number] for number in range(len(items))]
