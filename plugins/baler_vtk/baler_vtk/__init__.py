"""The baler plugin for VTK's XML files: meshes and grids of simulations."""

from __future__ import annotations

from baler_core import Reader, hookimpl


@hookimpl
def baler_readers() -> list[type[Reader]]:
    """Return the reader `vtk`."""
    from baler_vtk.reader import VtkReader

    return [VtkReader]
