"""Executors of any kind: calls that end whatever happens to their results, and schedulers or workers of dask that are gone."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future, InvalidStateError
from contextlib import suppress
from typing import Any, Protocol

logger = logging.getLogger(__name__)
_SECONDS_TO_RECONNECT = 60.0
_SECONDS_BETWEEN_LOOKS = 0.1
# Workers come back after a while, or wait in the queue of a batch system; those of a cluster that is broken do not.
_SECONDS_TO_TELL = 10.0
_SECONDS_WITHOUT_WORKERS = 1800.0


class Submits(Protocol):
    """Whatever has `submit` of `concurrent.futures`: pools of it, dask's `Client.get_executor()`, executors of MPI."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        """Start a call, and return its future."""


def begun(executor: Submits, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
    """Start a call.

    Futures of dask's executor never end where a worker is lost while its result is fetched and the call then fails, and equal
    calls share one result, be it that of a lost worker; so this takes futures of its client.

    Raises
    ------
    BrokenExecutor
        If the scheduler is gone.
    """
    refuse_gone(executor)
    client: Any = getattr(executor, "_client", None)
    if not hasattr(client, "loop"):
        return executor.submit(function, *arguments)
    options = {"pure": False, **getattr(executor, "_kwargs", {})}
    theirs = client.submit(function, *arguments, **options)
    ours: Future[Any] = Future()
    ours.add_done_callback(lambda done: theirs.cancel() if done.cancelled() and not theirs.cancelled() else None)
    client.loop.add_callback(_pass_on, theirs, ours)
    return ours


async def _pass_on(theirs: Any, ours: Future[Any]) -> None:
    """Give one future the result of another, or its error, which may arise while the result is fetched."""
    from asyncio import CancelledError  # dask has imported it

    with suppress(InvalidStateError):  # nobody waits any more
        try:
            result = await theirs
        except CancelledError:
            ours.cancel()
            ours.set_running_or_notify_cancel()  # wakes up those who wait
        except BaseException as error:
            ours.set_exception(error)
        else:
            ours.set_result(result)


def refuse_gone(executor: Submits) -> None:
    """Refuse an executor of dask whose scheduler is gone, which takes calls all the same, and never ends them.

    A client that has lost its scheduler tries to find it again; that is waited for.

    Raises
    ------
    BrokenExecutor
        If it does not come back.
    """
    client: Any = getattr(executor, "_client", None)
    until = time.monotonic() + _SECONDS_TO_RECONNECT
    while (status := getattr(client, "status", "running")) == "connecting" and time.monotonic() < until:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    if status != "running":
        raise BrokenExecutor("its scheduler is gone")


class DaskWorkers:
    """Whether the scheduler of an executor of dask has any workers; other executors always have some.

    Parameters
    ----------
    replaced
        Whether the caller does their work while there are none.
    """

    def __init__(self, executor: Submits, *, replaced: bool = False) -> None:
        self._client: Any = getattr(executor, "_client", None)
        self._replaced, self._told = replaced, False
        self._none_since: float | None = None

    @property
    def are_away(self) -> bool:
        """Whether there were none for some time, and the caller replaces them."""
        return self._replaced and self._told

    def look(self) -> None:
        """Warn if there have been none for some time.

        Raises
        ------
        BrokenExecutor
            If that has lasted long, and nobody replaces them.
        """
        if self._has_some():
            self._none_since, self._told = None, False
            return
        now = time.monotonic()
        since = self._none_since = now if self._none_since is None else self._none_since
        if now > since + _SECONDS_WITHOUT_WORKERS and not self._replaced:
            raise BrokenExecutor(f"its scheduler has had no workers for {(now - since) / 60:.0f} minutes")
        if now > since + _SECONDS_TO_TELL and not self._told:
            meanwhile = "this process works until there are" if self._replaced else "waiting for"
            logger.warning("the scheduler has no workers left: %s new ones", meanwhile)
            self._told = True

    def _has_some(self) -> bool:
        try:
            return not hasattr(self._client, "nthreads") or bool(self._client.nthreads())
        except OSError:  # the scheduler does not answer: whether it is gone is known at the next look
            return True
