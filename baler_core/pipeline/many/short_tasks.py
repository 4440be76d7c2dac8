"""Do short tasks in this process while workers begin, which they do only where what is left takes longer than that."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace

from baler_core.machine.disk import size_of
from baler_core.machine.workers import Here, Processes
from baler_core.pipeline.many.task import FileOutcome, FileTask

# Inputs of more bytes are for workers, which may be killed for want of memory without any harm to the others.
_SMALL = 1 << 20
# New processes load Python and all packages first, on cores that would otherwise work.
_SECONDS_TO_BEGIN = 3.0
# The first tasks load packages, which tells nothing of the others.
_NOT_MEASURED = 2


class ShortTasks:
    """An executor for many tasks.

    Parameters
    ----------
    total
        How many tasks there are.
    """

    def __init__(self, pool: Processes, total: int) -> None:
        self.count = pool.count
        self._pool, self._total = pool, total
        self._seconds, self._done = 0.0, 0

    def submit(self, run: Callable[[FileTask], FileOutcome], task: FileTask, /) -> Future[FileOutcome]:
        """Run a task here, or have a worker run it."""
        if self._pool.ready or not _is_small(task):
            return self._pool.submit(run, task)
        began = time.monotonic()
        future = Here().submit(run, replace(task, collect=False))
        self._done += 1
        measured = self._done - _NOT_MEASURED
        if measured > 0:
            self._seconds += time.monotonic() - began
            if self._seconds / measured * (self._total - self._done) > _SECONDS_TO_BEGIN:
                self._pool.begin()
        return future


def _is_small(task: FileTask) -> bool:
    try:
        return size_of(task.source) <= _SMALL
    except OSError:  # which the task will tell
        return True
