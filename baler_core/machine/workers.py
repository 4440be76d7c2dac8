"""Executors: this process, or processes that end when the run ends, however it ends, and are replaced when one is killed."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for_ends
from types import FrameType, TracebackType
from typing import Any, Literal, NoReturn, Self, TypeVar

from baler_core.machine.allocator import keep_memory
from baler_core.machine.executors import DaskWorkers, Submits, refuse_gone
from baler_core.machine.threads import workers

logger = logging.getLogger(__name__)
Result = TypeVar("Result")
# Shorter than the command line waits for what it cleans up.
_SECONDS_TO_CLEAN_UP = 2.0
# A scheduler that is gone finishes no call, so it is looked for while calls are waited for.
_SECONDS_BETWEEN_LOOKS = 1.0
_SECONDS_TO_NOTICE = 5.0


class Here:
    """Runs each call at once, in this process."""

    def submit(self, function: Callable[..., Result], /, *arguments: Any) -> Future[Result]:
        """Return a finished future."""
        future: Future[Result] = Future()
        try:
            future.set_result(function(*arguments))
        except Exception as error:  # as every executor does: the one who asks for the result gets it
            future.set_exception(error)
        return future


def width_of(executor: Submits) -> int:
    """Return how many calls an executor runs at once, as far as that can be found out."""
    for name in ("count", "_max_workers"):  # ours, and those of `concurrent.futures`
        if isinstance(found := getattr(executor, name, None), int):
            return max(1, found)
    client: Any = getattr(executor, "_client", None)  # dask's
    if client is not None and hasattr(client, "nthreads"):
        return max(1, sum(client.nthreads().values()))
    return workers()


def wait_for_one(
    futures: Iterable[Future[Result]], executor: Submits, workers: DaskWorkers | None = None
) -> set[Future[Result]]:
    """Return the futures that are done: at least one, or none where `workers` says that there is nobody to wait for.

    Parameters
    ----------
    workers
        Those of the executor, as they were last seen.

    Raises
    ------
    BrokenExecutor
        If the executor will end none of them, since its scheduler or all workers of that are gone.
    """
    waiting, workers = set(futures), workers or DaskWorkers(executor)
    while True:
        done = wait(waiting, 0 if workers.are_away else _SECONDS_BETWEEN_LOOKS, FIRST_COMPLETED).done
        if done or not waiting:
            return done
        refuse_gone(executor)
        workers.look()
        if workers.are_away:
            return set()
        if hasattr(executor, "look_after"):  # a pool of ours
            executor.look_after()


class Processes:
    """A pool of processes; one that a killed worker broke is replaced by another.

    Workers hold the end of a pipe whose other end is here alone: when that closes, by intention or because this process
    is gone, they clean up and end.

    Parameters
    ----------
    copies
        Whether workers may be copies of this process, which start at once in milliseconds, instead of new ones, which
        load Python and all packages first. Only for a process that is known to hold nothing open yet, no lock and no
        threads of libraries that do not expect it; where it has threads of Python, or is no Linux, they are new all the
        same. So are those that replace a killed one.
    """

    def __init__(self, count: int, *, copies: bool = False) -> None:
        self.count, self._ready = count, False
        alone = sys.platform == "linux" and threading.active_count() == 1
        self._start("fork" if copies and alone else "spawn")

    def _start(self, method: Literal["fork", "spawn"]) -> None:
        context = multiprocessing.get_context(method)
        self._lost_since: float | None = None
        self._reader, self._writer = context.Pipe(duplex=False)
        # A copy has the other end, too.
        others = self._writer if method == "fork" else None
        self._pool = ProcessPoolExecutor(
            self.count,
            context,
            initializer=_prepare,
            initargs=(self._reader, others, context.Value("i", 0), self.count),
        )
        self._first: list[Future[None]] = []
        if method == "fork":
            self.begin()
            self._ready = True

    def begin(self) -> None:
        """Start all processes, and wait for none."""
        if not self._first:
            self._first = [self._pool.submit(_nothing) for _ in range(self.count)]

    @property
    def ready(self) -> bool:
        """Whether one has started; even if it was killed since."""
        self._ready = self._ready or any(first.done() for first in self._first)
        return self._ready

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        """Start a call in a process."""
        try:
            return self._pool.submit(function, *arguments)
        except BrokenExecutor:
            self._end()
            self._start("spawn")
            return self._pool.submit(function, *arguments)

    def look_after(self) -> None:
        """End all processes where one was lost in the midst of sending a result, for whose rest the pool waits for ever."""
        known = getattr(self._pool, "_processes", None) or {}
        if not wait_for_ends([process.sentinel for process in known.values()], 0):
            self._lost_since = None
        elif self._lost_since is None:
            self._lost_since = time.monotonic()
        elif time.monotonic() > self._lost_since + _SECONDS_TO_NOTICE:
            self._writer.close()
            # The last end of the pipe that can be written to: the pool reads that there is no more.
            self._pool._result_queue._writer.close()  # type: ignore[attr-defined]

    def _end(self) -> None:
        if getattr(self._pool, "_broken", False):
            # Before the pool is waited for: a worker in the midst of a call takes the signal to end for a failure of that.
            self._writer.close()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._writer.close()
        self._reader.close()

    def end_after(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes if there is an error: nobody waits for work that is not wanted any more."""
        if error is not None:
            self._writer.close()
            self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end_after(kind, error, trace)
        self._end()


def _nothing() -> None:
    """Do nothing."""


def _prepare(alive: Connection, others: Connection | None, numbers: Any, count: int) -> None:
    """Make a new process a worker: silent, with its share of the cores, and mortal."""
    if others is not None:
        others.close()
    logging.getLogger().handlers.clear()  # a copy has those of the command
    with numbers.get_lock():
        number = numbers.value
        numbers.value += 1
    _take_cores(number, count)
    keep_memory()
    sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - as long as the process lives
    logging.captureWarnings(True)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_end_with, args=(alive,), daemon=True).start()


def _take_cores(number: int, count: int) -> None:
    """Keep a worker to its share of the cores, since each spreads its work over all that it has."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        each = max(1, len(cores) // count)
        first = number * each % len(cores)
        os.sched_setaffinity(0, cores[first : first + each])


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    """Unwind, so that half-written files are removed."""
    raise SystemExit(143)


def _end_with(alive: Connection) -> None:
    """Wait until the run is over, then end this process, which may be in the midst of a file."""
    alive.poll(None)
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(_SECONDS_TO_CLEAN_UP)
    os._exit(143)
