"""Write a manifest that several runs share: each replaces what it knows of its own files, and keeps those of others."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from baler_core.machine.records import dataclass
from baler_core.pipeline.many.manifest import FailedRecord, Manifest, PartRecord, read_manifest, write_manifest


@dataclass(frozen=True)
class _Others:
    """What runs over other files recorded."""

    parts: tuple[PartRecord, ...] = ()
    failed: tuple[FailedRecord, ...] = ()


class SharedList:
    """The manifest in a folder into which other runs may write, before this one or at the same time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, ...] = ()
        self._others = _Others()

    def write(self, own: Manifest, outputs: Collection[str], *, alone: bool) -> Manifest:
        """Write what this run knows, together with what others recorded of files that are still there.

        Parameters
        ----------
        outputs
            Names of all files of this run.
        alone
            Whether nobody else writes to it, as for the share of a list.

        Returns
        -------
        The manifest as it was written: in the order of this run's list, or by the names of the inputs if there are others.
        """
        if alone:
            write_manifest(self._path, own)
            return own
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(self._path.parent):
            self._look(own, outputs)
            merged = self._merged(own)
            write_manifest(self._path, merged)
            self._seen = _stamp(self._path)
        return merged

    def _look(self, own: Manifest, outputs: Collection[str]) -> None:
        """Find what others recorded, unless the manifest is the one that was written last."""
        if not self._path.exists() or _stamp(self._path) == self._seen:
            return
        found, folder = read_manifest(self._path), self._path.parent
        parts = tuple(p for p in found.parts if p.file not in outputs and (folder / p.file).is_file())
        inputs = {*(part.input for part in (*own.parts, *parts)), *(failure.input for failure in own.failed)}
        stems = {Path(name).stem for name in outputs}
        failed = tuple(f for f in found.failed if f.input not in inputs and Path(f.input).stem not in stems)
        self._others = _Others(parts, failed)

    def _merged(self, own: Manifest) -> Manifest:
        others = self._others
        if not others.parts and not others.failed:
            return own
        parts = sorted((*others.parts, *own.parts), key=lambda part: part.input)
        return own.model_copy(
            update={
                "files": own.files + len(others.parts) + len(others.failed),
                "parts": tuple(parts),
                "failed": (*others.failed, *own.failed),
            }
        )


def _stamp(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other runs from writing a manifest in the folder meanwhile."""
    place = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some network file systems have no locks
            fcntl.flock(place, fcntl.LOCK_EX)
        yield
    finally:
        os.close(place)
