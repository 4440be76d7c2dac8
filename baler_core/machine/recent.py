"""Keep what was made last, up to a number of bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Recent(Generic[Item]):
    """Values by key, of which those used longest ago are dropped where all together take more than a limit.

    Several threads may use it at once. A single value larger than the limit is not kept.

    Parameters
    ----------
    limit
        In bytes.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._kept: OrderedDict[Hashable, tuple[Item, int]] = OrderedDict()
        self._size = 0
        self._lock = Lock()

    def get(self, key: Hashable) -> Item | None:
        """Return what was put under a key, if it is still there."""
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            self._kept.move_to_end(key)
            return found[0]

    def take(self, key: Hashable) -> Item | None:
        """Return what was put under a key, if it is still there, and keep it no longer."""
        with self._lock:
            found = self._kept.pop(key, None)
            self._size -= 0 if found is None else found[1]
            return None if found is None else found[0]

    def put(self, key: Hashable, value: Item, size: int) -> None:
        """Keep a value of `size` bytes, and drop what is too much."""
        with self._lock:
            before = self._kept.pop(key, None)
            self._size -= 0 if before is None else before[1]
            if size > self.limit:
                return
            self._kept[key] = value, size
            self._size += size
            while self._size > self.limit:
                _, (_, dropped) = self._kept.popitem(last=False)
                self._size -= dropped
