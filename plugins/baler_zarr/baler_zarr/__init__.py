"""The baler plugin for Zarr stores."""

from __future__ import annotations

from baler_core import Reader, hookimpl


@hookimpl
def baler_readers() -> list[type[Reader]]:
    """Return the reader `zarr`."""
    from baler_zarr.reader import ZarrReader

    return [ZarrReader]
