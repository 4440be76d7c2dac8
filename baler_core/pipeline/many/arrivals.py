"""Find files that appear in a folder, each once it is complete, and again when it has changed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import field
from pathlib import Path

from baler_core.machine.disk import stamp_of
from baler_core.machine.records import dataclass

# What copies and downloads are called until they are complete.
_UNFINISHED = (".part", ".partial", ".tmp", ".temp", ".crdownload", ".filepart", "~")


@dataclass
class Arrivals:
    """A folder under watch.

    Attributes
    ----------
    wanted
        Whether a file of this name is to be taken.
    settled
        A file is complete when it has not changed for so many seconds.
    clock
        Gives seconds.
    """

    folder: Path
    wanted: Callable[[Path], bool]
    settled: float
    clock: Callable[[], float] = time.monotonic
    _seen: dict[Path, tuple[str, float]] = field(default_factory=dict)
    _taken: dict[Path, str] = field(default_factory=dict)

    def complete(self) -> list[Path]:
        """Return files that are complete by now and were not returned before as they are, the oldest first."""
        found, now = [], self.clock()
        for path in sorted(self.folder.iterdir()):
            if path.name.startswith(".") or path.name.lower().endswith(_UNFINISHED) or not self.wanted(path):
                continue
            try:
                stamp, changed = stamp_of(path), path.stat().st_mtime
            except OSError:  # gone meanwhile, or a link to nothing
                continue
            if self._taken.get(path) == stamp:
                continue
            before, since = self._seen.get(path, ("", now))
            since = since if before == stamp else now
            self._seen[path] = stamp, since
            if now - since >= self.settled:
                found.append((changed, path))
        return [path for _, path in sorted(found)]

    def take(self, path: Path) -> None:
        """Take note that a file is dealt with, as it was when it was found complete."""
        self._taken[path] = self._seen.pop(path)[0]
