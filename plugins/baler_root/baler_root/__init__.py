"""The baler plugin for ROOT files and particle-physics metrics."""

from __future__ import annotations

from baler_core import Reader, hookimpl


@hookimpl
def baler_readers() -> list[type[Reader]]:
    """The reader `root`."""
    from baler_root.reader import RootReader

    return [RootReader]
