"""Run calls on an executor, a few at a time, and give their results in order; the calls of lost workers are run again."""

from __future__ import annotations

import logging
import pickle
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Future
from dataclasses import field
from typing import Any

from baler_core.errors import PluginError, SourceError
from baler_core.machine.executors import DaskWorkers, Submits, begun
from baler_core.machine.records import dataclass
from baler_core.machine.workers import Here, wait_for_one, width_of

logger = logging.getLogger(__name__)
# What became of a call whose worker did not come back.
LOST = "its worker was killed, ran out of memory or crashed"
# A call that is lost so often while nothing else runs has itself to blame.
_TIMES_ALONE = 2
# After so many results for each call that may run, twice as many may again.
_STEADY = 4
# Blocks that have begun and are not written, for each worker.
_AHEAD = 2
# Exceptions of libraries that run tasks elsewhere mean that a task was lost, not that it failed.
_LIBRARIES = ("distributed", "dask", "mpi4py", "ndcctools")


@dataclass
class Call:
    """A call on its way.

    Attributes
    ----------
    what
        What it does, for messages: `block 7`.
    ready
        Whether there is a result.
    here
        Whether it is for this process, which makes it in its turn while workers are at those that follow.
    alone
        How often it was lost while it was the only one that ran.
    """

    what: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...] = ()
    result: Any = None
    ready: bool = False
    here: bool = False
    alone: int = 0
    future: Future[Any] | None = field(default=None, repr=False)


class InOrder:
    """A window on a row of calls: those in it run or wait to be taken in their turn.

    Parameters
    ----------
    at_once
        How many calls, at most, have begun and were not taken; fewer while workers are lost or out of memory.
    """

    def __init__(self, executor: Submits, at_once: int) -> None:
        self._executor, self._workers = executor, DaskWorkers(executor, replaced=True)
        self._most = self._at_once = max(1, at_once)
        self._window: deque[Call] = deque()
        self._taken = 0

    def taken(self, calls: Iterable[Call]) -> Iterator[Call]:
        """Yield the calls with their results, in their order.

        Raises
        ------
        SourceError
            If a worker is lost, or runs out of memory, at the same call again and again.
        Exception
            Whatever a call raised.
        """
        row = iter(calls)
        try:
            while True:
                while len(self._window) < self._at_once and (call := next(row, None)) is not None:
                    self._window.append(call)
                    self._begin(call)
                if not self._window:
                    return
                self._complete(self._window[0])
                yield self._window.popleft()
                self._widen()
        finally:
            for call in self._window:
                if call.future is not None:
                    call.future.cancel()

    def _begin(self, call: Call) -> None:
        if call.here or call.ready or call.future is not None:
            return
        try:
            call.future = begun(self._executor, call.function, *call.arguments)
        except (BrokenExecutor, RuntimeError, OSError) as error:
            logger.warning("the executor takes no more calls (%s): this process does the rest", error or "it is broken")
            self._executor, self._most, self._at_once = Here(), 1, 1
            self._workers = DaskWorkers(self._executor)
            for other in self._window:
                if other.future is not None and not (other.future.done() or other.future.running()):
                    other.future = None  # nobody will begin it
            self._begin(call)

    def _complete(self, call: Call) -> None:
        if call.here:
            call.result, call.ready = call.function(*call.arguments), True
        while not call.ready:
            for later in list(self._window)[: self._at_once]:
                self._begin(later)
            assert call.future is not None
            try:
                if wait_for_one([call.future], self._executor, self._workers):
                    call.result, call.ready = call.future.result(), True
                else:
                    call.future.cancel()
                    call.result, call.ready = call.function(*call.arguments), True
            except Exception as error:
                if does_not_travel(error):
                    raise PluginError(
                        f"{call.what}: a component holds what cannot be sent to workers in other processes ({error}): use "
                        "threads, or no workers"
                    ) from error
                if not is_lost(error):
                    raise
                self._lost(call, error)
            call.future = None

    def _lost(self, call: Call, error: Exception) -> None:
        """Let fewer run at once, and have those that were lost run again.

        Raises
        ------
        SourceError
            If that did not help before.
        """
        call.alone += self._at_once == 1
        memory = isinstance(error, MemoryError)
        if call.alone >= _TIMES_ALONE:
            what = "there is not enough memory for it" if memory else LOST
            raise SourceError(
                f"{call.what} failed twice with nothing else running: {what}. A smaller 'block_size' needs less memory"
            ) from error
        self._at_once, self._taken = max(1, self._at_once // 2), 0
        logger.warning(
            "%s is run again, %d at once from now on: %s",
            call.what,
            self._at_once,
            "a worker had not enough memory" if memory else LOST,
        )
        for later in list(self._window)[1:]:
            # A broken pool takes down all that runs in it.
            if later.future is not None and (later.future.done() or isinstance(error, BrokenExecutor)):
                later.future = later.future if later.future.done() and _succeeded(later.future) else None

    def _widen(self) -> None:
        self._taken += 1
        if self._taken >= _STEADY * self._at_once:
            self._at_once, self._taken = min(self._most, 2 * self._at_once), 0


@dataclass(frozen=True)
class Team:
    """Workers that encode or decode the blocks of a file.

    Attributes
    ----------
    executor
        Theirs; None for threads of this process, as many as cores, blocks and memory allow.
    at_once
        How many blocks, at most, have begun and are not written; None for twice as many as there are workers.
    """

    executor: Submits | None = None
    at_once: int | None = None

    @property
    def window(self) -> InOrder:
        """What runs their calls; blocks that are coded in this process alone wait for none."""
        executor = Here() if self.executor is None else self.executor
        return InOrder(executor, self.at_once or _AHEAD * width_of(executor))


def _succeeded(future: Future[Any]) -> bool:
    return not future.cancelled() and future.exception() is None


def does_not_travel(error: Exception) -> bool:
    """Return whether an exception says that an argument or a result could not be sent."""
    return isinstance(error, pickle.PicklingError) or (
        isinstance(error, TypeError | AttributeError) and "pickle" in str(error)
    )


def is_lost(error: BaseException) -> bool:
    """Return whether an exception says that a call did not come to its end, and may do so elsewhere or later."""
    if isinstance(error, BrokenExecutor | CancelledError | MemoryError):
        return True
    return type(error).__module__.partition(".")[0] in _LIBRARIES
