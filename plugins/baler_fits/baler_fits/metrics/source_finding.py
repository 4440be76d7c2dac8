"""Find sources in an image and measure them: local maxima, and fluxes in circular apertures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from baler_fits.metrics.noise import noise_sigma

NEIGHBOURHOOD = 5  # pixels; a source is the largest value in a square of this side


@dataclass(frozen=True)
class Sources:
    """Local maxima of one image, brightest first.

    Attributes
    ----------
    y, x
        int64, shape (sources,): their pixels.
    height
        float64, shape (sources,): above the sky level, in units of the noise.
    """

    y: np.ndarray
    x: np.ndarray
    height: np.ndarray

    def above(self, threshold: float) -> int:
        """Return how many are higher than this many times the noise."""
        return int(np.count_nonzero(self.height > threshold))


def sky(image: np.ndarray) -> tuple[float, float]:
    """Return level (median) and noise of an image, shape (y, x); NaN without finite pixels."""
    good = image[np.isfinite(image)]
    return (float(np.median(good)), noise_sigma(image)) if good.size else (float("nan"), float("nan"))


def find_sources(image: np.ndarray, level: float, noise: float, *, threshold: float, margin: int = 0) -> Sources:
    """Return local maxima higher than `threshold` times the noise above the level.

    Parameters
    ----------
    image
        float64, shape (y, x); NaN is never a source.
    margin
        Leave out sources nearer than this to an edge, in pixels.
    """
    from scipy import ndimage

    none = np.zeros(0, np.int64)
    if not noise > 0 or min(image.shape) <= 2 * margin:
        return Sources(none, none, np.zeros(0))
    filled = np.where(np.isfinite(image), image, -np.inf)
    peaks = (filled == ndimage.maximum_filter(filled, NEIGHBOURHOOD)) & (filled > level + threshold * noise)
    # equal neighbours, as integers have them, are one source
    labels, _ = ndimage.label(peaks, np.ones((3, 3)))
    _, first = np.unique(labels, return_index=True)
    y, x = np.unravel_index(first[labels.ravel()[first] > 0], image.shape)
    inside = (np.minimum(y, image.shape[0] - 1 - y) >= margin) & (np.minimum(x, image.shape[1] - 1 - x) >= margin)
    y, x = y[inside], x[inside]
    height = (image[y, x] - level) / noise
    order = np.argsort(-height, kind="stable")
    return Sources(y[order].astype(np.int64), x[order].astype(np.int64), height[order])


def aperture_fluxes(image: np.ndarray, y: np.ndarray, x: np.ndarray, radius: float) -> np.ndarray:
    """Flux in a circle about each position, less the median of a ring (1.5 to 2.5 radii) times the circle's pixels.

    Parameters
    ----------
    image
        float64, shape (y, x).
    y, x
        Integer pixels, shape (sources,), at least 2.5 radii from every edge.

    Returns
    -------
    ndarray
        float64, shape (sources,), units of the image times pixels; NaN where the circle holds a NaN or the ring
        nothing else.
    """
    reach, (circle, ring) = ring_reach(radius), circle_and_ring(radius)
    fluxes = np.full(len(y), np.nan)
    for n, (row, column) in enumerate(zip(y, x, strict=True)):
        stamp = image[row - reach : row + reach + 1, column - reach : column + reach + 1]
        background = stamp[ring][np.isfinite(stamp[ring])]
        if background.size:
            fluxes[n] = stamp[circle].sum() - np.median(background) * np.count_nonzero(circle)
    return fluxes


def circle_and_ring(radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Return which pixels about a source are of its aperture, and which of the ring for the background: boolean (y, x)."""
    reach = ring_reach(radius)
    distance = np.hypot(*np.mgrid[-reach : reach + 1, -reach : reach + 1])
    return distance <= radius, (distance >= 1.5 * radius) & (distance <= 2.5 * radius)


def ring_reach(radius: float) -> int:
    """Return pixels from the centre of an aperture to the outer edge of its ring."""
    return int(np.ceil(2.5 * radius))
