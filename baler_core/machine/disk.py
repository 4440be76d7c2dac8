"""Files, and folders that stand for one file (a Zarr store): the room they take, and one put in place of another."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# How often a file that grows is looked at, and what is worth writing to disk before it is complete.
_SECONDS_BETWEEN_LOOKS, _WORTH_WRITING = 0.1, 1 << 24


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder, without what links in it lead to."""
    if not path.is_dir():
        return path.stat().st_size
    total = 0
    for folder, _, names in os.walk(path):
        total += sum(os.lstat(os.path.join(folder, name)).st_size for name in names)
    return total


def stamp_of(path: Path) -> str:
    """Return what changes when a file does, or a file of a folder: its size and time, on whatever machine it is seen."""
    if not path.is_dir():
        found = path.stat()
        return f"{found.st_size} bytes of {found.st_mtime_ns}"
    digest, size = hashlib.sha256(), 0
    for folder, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            found = os.lstat(os.path.join(folder, name))
            size += found.st_size
            digest.update(f"{name}\0{found.st_size}\0{found.st_mtime_ns}\0".encode("utf-8", "surrogateescape"))
    return f"{size} bytes of {digest.hexdigest()[:16]}"


def settle(path: Path) -> None:
    """Have the bytes of a file, or of all files in a folder, on disk."""
    if path.is_dir():
        for folder, _, names in os.walk(path):
            for name in names:
                _sync(Path(folder) / name)
    else:
        _sync(path)


@contextmanager
def settled_meanwhile(path: Path) -> Iterator[None]:
    """Have the bytes of a growing file written to disk while the body computes others, so that `settle` has little left."""
    complete = threading.Event()

    def look() -> None:
        settled = 0
        while not complete.wait(_SECONDS_BETWEEN_LOOKS):
            with suppress(OSError):  # `settle` will tell
                if path.is_file() and (size := path.stat().st_size) >= settled + _WORTH_WRITING:
                    _sync(path)
                    settled = size

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        complete.set()
        thread.join()


def put_in_place(temporary: Path, path: Path) -> None:
    """Rename a file or folder; what was there is replaced, a folder after it was moved beside the new one."""
    if path.is_dir() and not path.is_symlink():
        old = temporary.parent / "replaced"
        try:
            os.replace(path, old)
            os.replace(temporary, path)
        except BaseException:  # also a signal between the two
            if old.exists() and not path.exists():
                os.replace(old, path)
            raise
    else:
        os.replace(temporary, path)


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
