"""Write a file that appears under its name only when it is complete."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from baler_core.errors import DataError
from baler_core.machine.disk import put_in_place, settle, settled_meanwhile

_PREFIX = ".partial-"
_LOCK = "lock"
# A folder without a lock is left alone for so long, since its writer may be about to take it.
_SECONDS_TO_LOCK = 60.0


@contextmanager
def completed(path: Path, *, over_folder: bool = False) -> Iterator[Path]:
    """Give a temporary path whose file becomes `path` if the body succeeds, and is removed if not.

    The temporary file has the name of `path`, in a folder of its own beside it. A link is followed: what it points to
    is replaced. A pipe or a character device is written to, once the file is complete. What writers that were killed
    have left beside `path` is removed.

    Parameters
    ----------
    over_folder
        Whether a folder, one that stands for a file, may be replaced.

    Raises
    ------
    DataError
        If `path` is something that cannot be written to as a file.
    """
    mode = path.stat().st_mode if path.exists() else stat.S_IFREG
    if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
        with tempfile.TemporaryDirectory() as folder:
            temporary = Path(folder) / path.name
            yield temporary
            with temporary.open("rb") as made, path.open("wb") as target:
                shutil.copyfileobj(made, target)
        return
    if not stat.S_ISREG(mode) and not (stat.S_ISDIR(mode) and over_folder):
        raise DataError(f"{path}: is not a file that can be replaced: name another output")
    resolved = Path(os.path.realpath(path))
    if resolved.is_symlink() or (path.exists() and not resolved.exists()):
        raise DataError(f"{path}: does not lead to a place in a folder: name another output")
    path = resolved
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_stale(path.parent)
    with _own_folder(path.parent) as own:
        temporary = own / path.name
        with settled_meanwhile(temporary):
            yield temporary
        # The bytes are on disk before the name: after a power cut there is the whole file or none.
        settle(temporary)
        put_in_place(temporary, path)


@contextmanager
def _own_folder(parent: Path) -> Iterator[Path]:
    """Make a folder in `parent` that no other writer uses, locked as long as this process lives."""
    own = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    try:
        # Gets its name once it is locked: another writer would take a free lock for that of a dead one.
        unlocked = own / f"{_LOCK}.new"
        with unlocked.open("wb") as lock:
            with contextlib.suppress(OSError):  # some network file systems have no locks
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            unlocked.rename(own / _LOCK)
            yield own
    finally:
        try:
            shutil.rmtree(own, ignore_errors=True)
        except BaseException:
            # A signal arrived right now: what is not removed yet still has to go.
            shutil.rmtree(own, ignore_errors=True)
            raise


def _remove_stale(folder: Path) -> None:
    """Remove the temporary folders of writers that are no longer alive."""
    for left in folder.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if left.is_dir() and not left.is_symlink() and _abandoned(left):
                shutil.rmtree(left, ignore_errors=True)


def _abandoned(left: Path) -> bool:
    """Whether the lock of a temporary folder is free, or was never taken."""
    lock = left / _LOCK
    if not lock.is_file():
        return time.time() - left.stat().st_mtime > _SECONDS_TO_LOCK
    with lock.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
