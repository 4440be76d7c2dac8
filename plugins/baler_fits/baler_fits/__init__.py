"""The baler plugin for FITS files and astronomy metrics."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from baler_core import Metric, ObjectKind, Quantity, Reader, hookimpl

if TYPE_CHECKING:
    from pathlib import Path

    from astropy.io.fits import HDUList


def open(path: Any, *, trained: str | Path | None = None, cache: str | int = "256 MB", **options: Any) -> HDUList:
    """Open a `.bal` file of a FITS file as an `HDUList` of astropy whose values are restored when they are used.

    See `baler_fits.opened.open`.
    """
    from baler_fits.opened import open as opened

    return opened(path, trained=trained, cache=cache, **options)


@hookimpl
def baler_readers() -> list[type[Reader]]:
    """Return the reader `fits`."""
    from baler_fits.reader import FitsReader

    return [FitsReader]


@hookimpl
def baler_metrics() -> list[type[Metric]]:
    """Return metrics of images: `noise`, `photometry`, `source_counts`."""
    from baler_fits.metrics.noise import NoiseMetric
    from baler_fits.metrics.photometry import PhotometryMetric
    from baler_fits.metrics.source_counts import SourceCountsMetric

    return [NoiseMetric, PhotometryMetric, SourceCountsMetric]


@hookimpl
def baler_quantities() -> list[type[Quantity]]:
    """Return fluxes of sources, and what is computed from columns of catalogues."""
    from baler_fits.quantities.apertures import ApertureFlux
    from baler_fits.quantities.catalogues import Colour, Distance, Magnitude, Separation

    return [ApertureFlux, Colour, Distance, Magnitude, Separation]


@hookimpl
def baler_objects() -> list[type[ObjectKind]]:
    """Return tables and quantities of astropy."""
    from baler_fits.objects.table_objects import AstropyTables

    return [AstropyTables]


# Where tables of astropy are in use, `Table.read("x.bal")` is to work; where not, importing them would take a second.
if "astropy.table" in sys.modules:
    from baler_fits.opened import register

    register()
