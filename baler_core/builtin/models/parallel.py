"""Runs a function on many items at once, on as many threads as there are cores; compiled loops release Python's lock."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def workers() -> int:
    """How many threads are used."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_parallel(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Results in order of the items; the first failure is raised."""
    count = min(workers(), len(items))
    if count < 2:
        return [function(item) for item in items]
    with ThreadPoolExecutor(max_workers=count) as pool:
        return list(pool.map(function, items))
