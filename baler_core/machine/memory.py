"""How much memory there is for this process: that of the machine, or what its batch job or container may take."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_UNKNOWN = 8 << 30
_MEMBERSHIPS, _GROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def memory_limit() -> int:
    """Return how many bytes may be taken for data whose size only a header claims: half of what there is."""
    return min([_granted(), *_stated()]) // 2


@cache
def _granted() -> int:
    """Return what the machine has, or grants its batch job or container: that does not change while a process lives."""
    try:
        machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        machine = _UNKNOWN
    return min([machine, *limits_of_groups(_MEMBERSHIPS, _GROUPS)])


def _stated() -> Iterator[int]:
    """Yield the limit of addresses of this process (`ulimit -v`), if it has one."""
    try:
        import resource
    except ImportError:  # no Unix
        return
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY:
        yield soft


def limits_of_groups(memberships: Path, groups: Path) -> Iterator[int]:
    """Yield the limits of the control groups of Linux that a process belongs to, of either version, and of those above.

    Parameters
    ----------
    memberships
        Lists them, as /proc/PID/cgroup does.
    groups
        Where they are mounted.
    """
    try:
        lines = memberships.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        top = groups / "memory" if controllers else groups
        name = "memory.limit_in_bytes" if controllers else "memory.max"
        own = top / path.lstrip("/")
        for folder in (own, *own.parents):
            if folder.is_relative_to(top):
                yield from _number_in(folder / name)


def _number_in(path: Path) -> Iterator[int]:
    try:
        yield int(path.read_text())
    except (OSError, ValueError):  # there is none, or it is "max"
        return
