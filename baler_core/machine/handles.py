"""Keep files open for the tasks of a process: each lent to one task at a time; a copy in another process opens its own."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any, Generic, Protocol, TypeVar
from uuid import uuid4
from weakref import WeakValueDictionary


class Closes(Protocol):
    """Something open."""

    def close(self) -> None:
        """Release it."""


Opened = TypeVar("Opened", bound=Closes)
# A worker goes from one file to the next; more than one client may send it tasks.
_KEPT = 2


class Handles(Generic[Opened]):
    """What is open of one file in this process.

    Parameters
    ----------
    opener
        Opens the file once more; travels to other processes.
    """

    def __init__(self, opener: Callable[[], Opened], token: str = "") -> None:
        self._opener = opener
        self._token = token or uuid4().hex
        self._idle: list[Opened] = []
        self._lock = Lock()
        self._closed = False
        _PROCESS.remember(self._token, self)

    @contextmanager
    def lent(self) -> Iterator[Opened]:
        """Give a file that no other task uses; one that made a task fail is not used again."""
        with self._lock:
            opened = self._idle.pop() if self._idle else None
        if opened is None:
            opened = self._opener()
        try:
            yield opened
        except BaseException:
            opened.close()
            raise
        with self._lock:
            if not self._closed:
                self._idle.append(opened)
                return
        opened.close()

    def close(self) -> None:
        """Close what is open, and what is lent as soon as it is given back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for opened in idle:
            opened.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _PROCESS.handles, (self._token, self._opener)


class _ProcessHandles:
    """Finds the handles of this process again, since each task brings a copy of them."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._made: WeakValueDictionary[str, Handles[Any]] = WeakValueDictionary()
        self._recent: OrderedDict[str, Handles[Any]] = OrderedDict()

    def remember(self, token: str, handles: Handles[Any]) -> None:
        """Take note of handles that were made here."""
        with self._lock:
            self._made[token] = handles

    def handles(self, token: str, opener: Callable[[], Any]) -> Handles[Any]:
        """Return the handles of a file, and forget those of files that were used before others."""
        with self._lock:
            known = self._made.get(token)
        if known is None:
            known = Handles(opener, token)
            with self._lock:
                self._recent[token] = known
                dropped = [self._recent.popitem(last=False)[1] for _ in range(len(self._recent) - _KEPT)]
            for old in dropped:
                old.close()
        return known

    def __reduce__(self) -> str:
        return "_PROCESS"


# One for the process, as are its open files.
_PROCESS = _ProcessHandles()
