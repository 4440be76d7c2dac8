"""Arrays of branches that are restored when they are first used, as awkward's virtual arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

import awkward as ak

from baler_core import FormatError

Read = Callable[[int, int], Any]


class Restored:
    """The buffers of one branch, restored at the first question and kept."""

    def __init__(self, read: Read, form: Any, key: str, entries: tuple[int, int]) -> None:
        self._read, self._form, self._key, self._entries = read, form, key, entries
        self._buffers: Mapping[str, Any] | None = None
        self._lock = Lock()

    def buffer(self, name: str) -> Any:
        """Return one buffer.

        Raises
        ------
        FormatError
            If the values do not have the form of the branch.
        """
        with self._lock:
            if self._buffers is None:
                form, _, self._buffers = ak.to_buffers(self._read(*self._entries), form_key=self._key)
                if form != self._form:
                    raise FormatError(f"{self._key.partition(':')[0]!r} does not restore to the type of its branch")
            return self._buffers[name]


def virtual(read: Read, name: str, start: int, stop: int) -> Any:
    """Return entries of a branch as an array that calls `read(start, stop)` when a value is asked for."""
    key = f"{name}:{{id}}"
    form, _, _ = ak.to_buffers(read(0, 0), form_key=key)
    restored = Restored(read, form, key, (start, stop))
    names = form.expected_from_buffers(buffer_key="{form_key}-{attribute}")
    return ak.from_buffers(form, stop - start, {one: _asking(restored, one) for one in names})


def _asking(restored: Restored, name: str) -> Callable[[], Any]:
    return lambda: restored.buffer(name)
