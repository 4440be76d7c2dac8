"""Keep the memory of large temporary arrays for the next ones, instead of having the system clear new pages for each."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import ctypes

# Names of glibc's malloc.h, and what they are to be: with larger numbers, no more time was saved, of fields of 200 MB in blocks
# of 16 and 64 MB, and threads took half as much memory again.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -2, -3, -4
_KEPT: Final = {_MMAP_THRESHOLD: 64 << 20, _TRIM_THRESHOLD: 128 << 20, _TOP_PAD: 1 << 20}
# What glibc comes to by itself in a process that has freed a large array; smaller thresholds cannot be asked for.
_USUAL: Final = {_MMAP_THRESHOLD: 32 << 20, _TRIM_THRESHOLD: 64 << 20, _TOP_PAD: 128 << 10, _MMAP_MAX: 65536}
_LARGE: Final = 8 << 20


class _Kept:
    """Keeps memory as long as anybody asks for it: what malloc knows is one number per process."""

    def __init__(self) -> None:
        self._lock, self._users = Lock(), 0

    def __enter__(self) -> None:
        library = _allocator()
        with self._lock:
            if not self._users and library is not None:
                accepted = [library.mallopt(name, value) for name, value in _KEPT.items()]
                if not accepted[0]:  # glibc before 2.35 refuses so large a threshold
                    library.mallopt(_MMAP_MAX, 0)
            self._users += 1

    def __exit__(self, *error: object) -> None:
        library = _allocator()
        with self._lock:
            self._users -= 1
            if not self._users and library is not None:
                for name, value in _USUAL.items():
                    library.mallopt(name, value)
                library.malloc_trim(0)


_MEMORY = _Kept()


@contextmanager
def memory_kept(nbytes: int) -> Iterator[None]:
    """Keep memory for arrays while the body works on so many bytes, and give it back to the system afterwards.

    Pages for temporary arrays took up to a sixth of the time in which fields of 16 MB and more were encoded. On other
    systems than Linux with glibc, and for few bytes, nothing is done.
    """
    if nbytes < _LARGE:
        yield
        return
    with _MEMORY:
        yield


def keep_memory() -> None:
    """Keep it as long as this process lives, which works for others."""
    _MEMORY.__enter__()


@cache
def _allocator() -> ctypes.CDLL | None:
    """Return the C library, if it is glibc."""
    if sys.platform != "linux":
        return None
    import ctypes

    library = ctypes.CDLL(None)
    return library if hasattr(library, "mallopt") and hasattr(library, "gnu_get_libc_version") else None
