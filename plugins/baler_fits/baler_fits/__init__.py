"""The baler plugin for FITS files and astronomy metrics."""

from __future__ import annotations

from baler_core import Reader, hookimpl


@hookimpl
def baler_readers() -> list[type[Reader]]:
    """The reader `fits`."""
    from baler_fits.reader import FitsReader

    return [FitsReader]
