"""Tell folders that stand for one file, such as a Zarr store, from others."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path


def is_marked(path: Path, marks: Collection[str]) -> bool:
    """Return whether a folder holds a file of one of these names, which `Reader.folders` lists."""
    return any((path / mark).is_file() for mark in marks)
