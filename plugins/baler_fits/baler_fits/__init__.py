"""The baler plugin for FITS files and astronomy metrics."""

from __future__ import annotations

from baler_core import Metric, ObjectKind, Quantity, Reader, hookimpl


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
