"""The quantity `aperture_flux`: fluxes of the sources of an image in circular apertures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from baler_core import Around, Cells, ConfigError, Quantity
from baler_fits.metrics.source_finding import circle_and_ring, find_sources, ring_reach, sky

RADIUS, THRESHOLD = 4.0, 5.0
SOURCES = "(sources)"
_LARGEST = 50.0


@dataclass(frozen=True)
class Apertures:
    """Where fluxes are taken.

    Attributes
    ----------
    plane, y, x
        int64, (sources,): places in the image, planes counted along all dimensions but the last two.
    circle, ring
        int64, (2, pixels): offsets of the pixels of an aperture, and of the ring that tells the background.
    """

    plane: np.ndarray
    y: np.ndarray
    x: np.ndarray
    circle: np.ndarray
    ring: np.ndarray


class ApertureFlux(Quantity):
    """Flux of every source in a circle, less the median of a ring about it times the circle's pixels.

    Sources are local maxima of the original above a threshold in units of the noise, no nearer to an edge of the image (or
    of a block of its rows) than the ring reaches. `aperture_flux(SCI, 4, 5)`: radius in pixels, threshold.
    """

    name = "aperture_flux"
    summary = "fluxes of the sources of an image in circles (options: radius 4 pixels, threshold 5 sigma)"
    most = 3

    def plan(self, parts: Sequence[Cells], around: Around) -> Apertures:
        """Find the sources."""
        image = parts[0]
        radius, threshold = (_number(parts, place, default) for place, default in ((1, RADIUS), (2, THRESHOLD)))
        if len(image.dims) < 2 or not 0 < radius <= _LARGEST or threshold <= 0:
            raise ConfigError(
                f"aperture_flux takes an image, a radius of at most {_LARGEST:g} pixels and a threshold, "
                f"found {len(image.dims)} dimensions, {radius:g} and {threshold:g}"
            )
        planes = image.values.reshape(-1, *image.values.shape[-2:])
        found = [find_sources(p, *sky(p), threshold=threshold, margin=ring_reach(radius)) for p in planes]
        plane = np.repeat(np.arange(len(found)), [len(each.y) for each in found])
        empty = np.zeros(0, np.int64)
        y, x = (np.concatenate([empty, *(getattr(each, axis) for each in found)]) for axis in "yx")
        return Apertures(plane, y, x, *_offsets(radius))

    def compute(self, parts: Sequence[Cells], plan: Apertures) -> Cells:
        """Return one flux per source."""
        planes = parts[0].values.reshape(-1, *parts[0].values.shape[-2:])
        circle, ring = (
            planes[plan.plane[:, None], plan.y[:, None] + offsets[0], plan.x[:, None] + offsets[1]]
            for offsets in (plan.circle, plan.ring)
        )
        known = np.isfinite(ring).any(axis=1)
        background = np.full(len(ring), np.nan)
        background[known] = np.nanmedian(np.where(np.isfinite(ring[known]), ring[known], np.nan), axis=1)
        return Cells(circle.sum(axis=1) - background * circle.shape[1], (SOURCES,))

    def depends(self, wrong: np.ndarray, parts: Sequence[Cells], plan: Apertures) -> Sequence[np.ndarray]:
        """Return the pixels of circle and ring."""
        mask = np.zeros(parts[0].values.shape, bool)
        planes = mask.reshape(-1, *mask.shape[-2:])
        for offsets in (plan.circle, plan.ring):
            planes[plan.plane[wrong, None], plan.y[wrong, None] + offsets[0], plan.x[wrong, None] + offsets[1]] = True
        return [mask, *(np.zeros(part.values.shape, bool) for part in parts[1:])]

    def units(self, units: Sequence[str]) -> str:
        """Return those of the pixels."""
        return units[0]


def _number(parts: Sequence[Cells], place: int, default: float) -> float:
    if place >= len(parts):
        return default
    if parts[place].values.size != 1:
        raise ConfigError("aperture_flux takes an image, and numbers for radius and threshold")
    return float(parts[place].values.reshape(-1)[0])


def _offsets(radius: float) -> tuple[np.ndarray, np.ndarray]:
    circle, ring = (np.stack(np.nonzero(inside)) - ring_reach(radius) for inside in circle_and_ring(radius))
    return circle, ring
