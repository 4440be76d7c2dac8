"""Find what is installed: the entry points of the group `baler`, with the package and version behind each."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, packages_distributions, version

GROUP = "baler"


def entries() -> Sequence[tuple[EntryPoint, tuple[str, str]]]:
    """Return distinct entry points and where they come from, in an order that does not depend on how things were installed."""
    return _entries_at(tuple((place, _changed(place)) for place in sys.path))


def _changed(place: str) -> int:
    """When anything was installed in a folder, or removed."""
    try:
        return os.stat(place or ".").st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=1)
def _entries_at(_: tuple[tuple[str, int], ...]) -> Sequence[tuple[EntryPoint, tuple[str, str]]]:
    """Look through all that is installed, once for as long as it stays the same: it takes longer than opening a file."""
    found = [(entry, _origin(entry)) for entry in entry_points(group=GROUP)]
    distinct = {(entry.name, entry.value, origin): (entry, origin) for entry, origin in found}
    return [distinct[key] for key in sorted(distinct)]


def _origin(entry: EntryPoint) -> tuple[str, str]:
    """Package and version behind an entry point."""
    if entry.dist is not None:
        metadata = entry.dist.metadata  # read from its file each time
        return metadata["Name"], metadata["Version"]
    packages = packages_distributions().get(entry.value.split(".")[0].split(":")[0], ["unknown"])
    try:
        return packages[0], version(packages[0])
    except PackageNotFoundError:
        return packages[0], "unknown"
