"""Spread work over as many threads as there are cores, and keep linear algebra on one of them."""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from functools import wraps
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

P = ParamSpec("P")
Item = TypeVar("Item")
Result = TypeVar("Result")
Other = TypeVar("Other")
# So many times each thread takes items: of thousands of short ones several at once, as each time costs what a short one does.
_TURNS = 16


def cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def own_cores() -> int:
    """Count the cores that a file may take as a whole: all, or one if others that are at work beside this thread have the rest.

    Threads beside the first, and processes that another has started, are taken for workers of an executor.
    """
    processes = sys.modules.get("multiprocessing.process")  # a worker has it
    started = processes is not None and processes.parent_process() is not None
    return 1 if started or threading.current_thread() is not threading.main_thread() else cores()


def workers() -> int:
    """Count the threads that may work for this one: as many as there are cores, or its share of them."""
    share = _SHARE.get()
    return cores() if share is None else share()


class _Abandoned(BaseException):
    """Nobody waits any more for what a thread is about to do."""


class Threads:
    """Threads of this process that share its cores evenly; the last calls, fewer than threads, share them among themselves.

    What a call spreads over threads in its turn has its share of the cores. Where the command is stopped (Ctrl-C), or nobody
    takes the results, calls are not waited for, and end where they would spread work.

    Parameters
    ----------
    count
        How many calls run at once.
    calls
        How many there will be, about.
    """

    def __init__(self, count: int, calls: int) -> None:
        self.count = max(1, count)
        self._left, self._last = calls, calls % self.count
        self._waiting = self._running = 0
        self._lock = Lock()
        self._pool = ThreadPoolExecutor(self.count)
        self._cores = _SHARE.get() or cores
        self._abandoned = False

    def submit(self, function: Callable[..., Result], /, *arguments: Any) -> Future[Result]:
        """Start a call in a thread."""
        with self._lock:
            together = self._last if 0 < self._left <= self._last else self.count
            self._left -= 1
            self._waiting += 1
        return self._pool.submit(self._call, together, function, arguments)

    def _call(self, together: int, function: Callable[..., Result], arguments: tuple[Any, ...]) -> Result:
        with self._lock:
            self._waiting -= 1
            self._running += 1
        _SHARE.set(lambda: max(1, self._cores() // min(together, self._busy())))
        try:
            return function(*arguments)
        finally:
            with self._lock:
                self._running -= 1

    def _busy(self) -> int:
        """Count the threads that are at work, or will be when another call begins."""
        if self._abandoned:
            raise _Abandoned
        with self._lock:
            return self.count if self._left > 0 or self._waiting else max(1, self._running)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._abandoned = error is not None and not isinstance(error, Exception)
        self._pool.shutdown(wait=not self._abandoned, cancel_futures=True)


_SHARE: ContextVar[Callable[[], int] | None] = ContextVar("how many threads may work for this one", default=None)


@contextmanager
def alone() -> Iterator[None]:
    """Spread nothing of what the body does over threads."""
    before = _SHARE.set(lambda: 1)
    try:
        yield
    finally:
        _SHARE.reset(before)


def in_parallel(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Call a function on many items at once; compiled loops release Python's lock.

    Returns
    -------
    list
        Results in the order of the items; the first failure is raised.
    """
    count = min(workers(), len(items))
    if count < 2:
        return [function(item) for item in items]
    most = max(1, len(items) // (count * _TURNS))
    runs = [items[start : start + most] for start in range(0, len(items), most)]

    def all_of(run: Sequence[Item]) -> list[Result]:
        return [function(item) for item in run]

    with Threads(count, len(runs)) as pool:
        calls = [pool.submit(all_of, run) for run in runs]
        return [result for call in calls for result in call.result()]


def attempted(function: Callable[[Item], Result], items: Sequence[Item]) -> list[tuple[Item, Future[Result]]]:
    """Call a function on many items at once, and return each with its ended call, whose `result` raises its failure."""

    def ended(item: Item) -> tuple[Item, Future[Result]]:
        call: Future[Result] = Future()
        try:
            call.set_result(function(item))
        except Exception as error:
            call.set_exception(error)
        return item, call

    return in_parallel(ended, items)


def both(one: Callable[[], Result], other: Callable[[], Other]) -> tuple[Result, Other]:
    """Call two functions, at once where there are threads for it; compiled loops release Python's lock."""
    if workers() < 2:
        return one(), other()
    with Threads(2, 2) as pool:
        calls = pool.submit(one), pool.submit(other)
        return calls[0].result(), calls[1].result()


def ahead(function: Callable[[Item], Result], items: Sequence[Item], at_once: int) -> Iterator[Result]:
    """Call a function on many items, and yield the results in their order; the next ones are made while one is used.

    Parameters
    ----------
    at_once
        How many calls run at a time, in threads; with less than two, none begins before it is its turn.
    """
    at_once = min(at_once, workers(), len(items))
    if at_once < 2:
        yield from map(function, items)
        return
    waiting: deque[Future[Result]] = deque()
    with Threads(at_once, len(items)) as pool:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > at_once:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


class _OneThread:
    """Keeps BLAS on one thread as long as anybody asks for it: what the libraries know is one number per process."""

    def __init__(self) -> None:
        self._lock, self._users, self._limits = Lock(), 0, ExitStack()
        self._libraries: ThreadpoolController | None = None
        self._modules = 0

    def __enter__(self) -> None:
        with self._lock:
            if not self._users:
                self._limits.enter_context(self._loaded().limit(limits=1, user_api="blas"))
            self._users += 1

    def _loaded(self) -> ThreadpoolController:
        """Find the libraries of this process anew where modules were imported since: that takes 5 ms."""
        from threadpoolctl import ThreadpoolController

        if self._libraries is None or self._modules != len(sys.modules):
            self._libraries = ThreadpoolController()
            self._modules = len(sys.modules)
        return self._libraries

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                self._limits.close()


_BLAS = _OneThread()


def one_thread(function: Callable[P, Result]) -> Callable[P, Result]:
    """Keep BLAS on one thread while a function runs, in several threads at once or not.

    Work is spread over variables and tiles, where waiting threads of BLAS burn time; and sums do not depend on the number
    of cores.
    """

    @wraps(function)
    def limited(*args: P.args, **kwargs: P.kwargs) -> Result:
        with _BLAS:
            return function(*args, **kwargs)

    return limited
