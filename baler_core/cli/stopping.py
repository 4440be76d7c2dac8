"""Turn Ctrl-C and SIGTERM into exceptions that end a command, even if foreign code drops them or its threads hang."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from types import FrameType, TracebackType
from typing import Any, Self

DONE, INTERRUPTED, TERMINATED = 0, 130, 143

# Long enough for a library to have returned from its callback.
_SECONDS_TO_LEAVE_C = 0.02
_SECONDS_BETWEEN_LOOKS = 0.25
# What cleans up may take so long, such as removing half a file from a slow disk, before it is taken to wait in vain.
_SECONDS_TO_CLEAN_UP = 5.0


class Terminated(BaseException):
    """The process was asked to end: unwinds like Ctrl-C, so that half-written files are removed."""


class Signals:
    """Turns SIGINT and SIGTERM into exceptions, and makes sure that they end the command.

    Such an exception can get lost: Python drops one that arises while it calls back from C (a destructor, a callback of a
    library, an attribute that C code looks up), and foreign code may catch and forget it. And what cleans up after it can
    wait for ever, for a thread whose lock it broke. So a timer looks again and again whether the command is being left:
    where it is not, or not within some seconds, the exception is raised again.
    """

    def __init__(self) -> None:
        self.received = 0
        self._ended = False
        self._patience = 0.0
        self._previous: dict[int, Any] = {}
        self._hooks = sys.unraisablehook, sys.excepthook

    def __enter__(self) -> Self:
        for number, handler in (
            (signal.SIGINT, self._receive),
            (signal.SIGTERM, self._receive),
            (signal.SIGALRM, self._look_again),
        ):
            # A job in the background was started with Ctrl-C ignored, and goes on.
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._previous[number] = signal.signal(number, handler)
        sys.unraisablehook, sys.excepthook = self._dropped, self._printed
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
        sys.unraisablehook, sys.excepthook = self._hooks
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def end(self) -> None:
        """Raise nothing any more: the command is over and only reports its end."""
        self._ended = True
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.received = number
        self._raise(_SECONDS_BETWEEN_LOOKS)

    def _look_again(self, number: int, frame: FrameType | None) -> None:
        if not _being_left() or time.monotonic() > self._patience:
            self._raise(_SECONDS_BETWEEN_LOOKS)

    def _raise(self, next_look: float) -> None:
        if self._ended:
            return
        self._patience = time.monotonic() + _SECONDS_TO_CLEAN_UP
        signal.setitimer(signal.ITIMER_REAL, next_look, _SECONDS_BETWEEN_LOOKS)
        raise KeyboardInterrupt if self.received == signal.SIGINT else Terminated

    def _dropped(self, dropped: Any) -> None:
        if not isinstance(dropped.exc_value, KeyboardInterrupt | Terminated):
            self._hooks[0](dropped)
        elif not self._ended:
            signal.setitimer(signal.ITIMER_REAL, _SECONDS_TO_LEAVE_C, _SECONDS_BETWEEN_LOOKS)

    def _printed(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """Show what C code has printed and dropped, as numpy does in imports from C; of a signal there is nothing to say."""
        if not isinstance(error, KeyboardInterrupt | Terminated):
            self._hooks[1](kind, error, trace)

    @property
    def exit_code(self) -> int:
        """The code of a command that was done before it noticed."""
        return {0: DONE, signal.SIGINT: INTERRUPTED}.get(self.received, TERMINATED)


def _being_left() -> bool:
    """Whether the code that the timer met stands in a `finally` or the like that the exception has led to."""
    error = sys.exception()
    while error is not None:
        if isinstance(error, KeyboardInterrupt | Terminated):
            return True
        error = error.__context__
    return False


def leave_threads(code: object) -> None:
    """End the process of a stopped command if threads are still at work, for which Python would wait, maybe for ever."""
    at_work = any(not thread.daemon for thread in threading.enumerate() if thread is not threading.current_thread())
    if code in (INTERRUPTED, TERMINATED) and at_work:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
