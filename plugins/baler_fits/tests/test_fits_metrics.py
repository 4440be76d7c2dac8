"""Astronomy metrics on images with known noise and sources."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from baler_core import Metric, Variable, make_block
from baler_fits.metrics.noise import NoiseMetric, noise_sigma
from baler_fits.metrics.photometry import PhotometryMetric, PhotometryOptions
from baler_fits.metrics.source_counts import SourceCountsMetric
from baler_fits.metrics.source_finding import aperture_fluxes, find_sources, sky

SIGMA, LEVEL = 2.0, 100.0
AXES = {"y": "y", "x": "x"}
SCI = Variable("SCI", "<f8", ("y", "x"), units="adu", axes=AXES)


def field(seed: int = 1, *, size: int = 200, height: float = 400.0) -> tuple[np.ndarray, np.ndarray]:
    """An image of noise, a gradient and 16 Gaussian stars; and the positions of the stars."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    image = rng.normal(LEVEL, SIGMA, (size, size)) + 0.05 * x
    places = np.array([(a, b) for a in range(25, size, 50) for b in range(25, size, 50)])
    for n, (a, b) in enumerate(places):
        image += height / (n + 1) * np.exp(-((y - a) ** 2 + (x - b) ** 2) / (2 * 1.5**2))
    return image, places


def compared(
    metric: Metric, before: np.ndarray, after: np.ndarray, variable: Variable = SCI, pieces: int = 1
) -> Metric:
    """The metric after it saw both images, in some pieces."""
    for one, two in zip(np.array_split(before, pieces), np.array_split(after, pieces), strict=True):
        blocks = [make_block({variable.name: (variable.dims, values)}) for values in (one, two)]
        metric.update(blocks[0], blocks[1], {variable.name: variable})
    return metric


def draw(metric: Metric) -> int:
    """Draw every plot; how many there are."""
    titles = metric.plots()
    for title in titles:
        axes = Figure().add_subplot()
        metric.plot(title, axes)
        axes.figure.canvas.draw()  # type: ignore[union-attr]
    return len(titles)


def test_noise_is_estimated_beside_stars_gradients_and_blanks() -> None:
    image, _ = field()
    image[:20] = np.nan
    assert noise_sigma(image) == pytest.approx(SIGMA, rel=0.03)
    assert noise_sigma(np.arange(100.0).reshape(2, 50)) == pytest.approx(0, abs=1e-9)
    assert np.isnan(noise_sigma(np.zeros((3, 4))))
    assert np.isnan(noise_sigma(np.full((3, 9), np.nan)))


def test_noise_metric_says_how_large_residuals_are() -> None:
    image, _ = field()
    restored = image + np.random.default_rng(2).uniform(-0.5, 0.5, image.shape)
    metric = compared(NoiseMetric(), image, restored, pieces=3)
    values = metric.result().values["SCI"]
    assert values["noise"] == pytest.approx(SIGMA, rel=0.03)
    assert values["residual_rms"] == pytest.approx(1 / np.sqrt(12), rel=0.02)
    assert values["residual_rms / noise"] == pytest.approx(values["residual_rms"] / values["noise"])
    assert values["residual_max / noise"] == pytest.approx(0.25, rel=0.05)
    assert metric.result().units == {"SCI": "adu"}
    assert draw(metric) == 2


def test_packed_images_count_in_physical_units_without_fill() -> None:
    image, _ = field()
    packed = np.round((image - 50) / 0.1).astype("i2")
    packed[0, :50] = -999
    variable = Variable("SCI", "<i2", ("y", "x"), fill=(-999.0,), scale=0.1, offset=50.0, axes=AXES)
    values = compared(NoiseMetric(), packed, packed, variable).result().values["SCI"]
    assert values["noise"] == pytest.approx(SIGMA, rel=0.03)
    assert values["residual_rms"] == 0


def test_only_images_are_measured() -> None:
    column = Variable("flux", "<f8", ("row",))
    assert compared(NoiseMetric(), np.ones(9), np.ones(9), column).result().values == {}


def test_all_stars_are_found_where_they_are() -> None:
    image, places = field()
    found = find_sources(image, *sky(image), threshold=6.0)
    assert found.above(6.0) == 16
    assert {tuple(p) for p in np.stack([found.y, found.x], axis=1)[:8]} <= {
        (a + i, b + j) for a, b in places for i in (-1, 0, 1) for j in (-1, 0, 1)
    }
    flat = np.zeros((20, 20))
    flat[5:7, 5:7] = 10.0
    assert len(find_sources(flat, 0.0, 1.0, threshold=3.0).y) == 1
    assert len(find_sources(flat, 0.0, 0.0, threshold=3.0).y) == 0


def test_aperture_flux_of_a_gaussian_above_a_sloping_sky() -> None:
    y, x = np.mgrid[:41, :41]
    image = 7.0 + 0.3 * x + 50 * np.exp(-((y - 20) ** 2 + (x - 20) ** 2) / (2 * 1.2**2))
    flux = aperture_fluxes(image, np.array([20]), np.array([20]), 6.0)
    assert flux[0] == pytest.approx(50 * 2 * np.pi * 1.2**2, rel=1e-3)
    image[20, 20] = np.nan
    assert np.isnan(aperture_fluxes(image, np.array([20]), np.array([20]), 6.0)[0])


def test_photometry_of_a_dimmed_image() -> None:
    image, _ = field()
    metric = compared(PhotometryMetric(PhotometryOptions(sources=5)), image, LEVEL + 0.9 * (image - LEVEL))
    values = metric.result().values["SCI"]
    assert values["sources"] == 5
    assert values["mean"] == pytest.approx(-2.5 * np.log10(0.9), abs=1e-9)
    assert values["max"] == pytest.approx(values["rms"], rel=1e-6)
    assert values["max / noise"] > 1
    assert draw(metric) == 1
    same = compared(PhotometryMetric(), image, image).result().values["SCI"]
    assert same["max"] == same["max / noise"] == 0


def test_source_counts_see_what_is_lost() -> None:
    image, places = field()
    restored = image.copy()
    y, x = places[0]
    restored[y - 6 : y + 7, x - 6 : x + 7] = LEVEL
    metric = compared(SourceCountsMetric(), image, restored)
    values = metric.result().values["SCI"]
    assert (values["original > 10"], values["restored > 10"]) == (16, 15)
    assert values["lost > 10"] == pytest.approx(1 / 16)
    assert compared(SourceCountsMetric(), image, image).result().values["SCI"]["lost > 3"] == 0
    assert draw(metric) == 1


def test_cubes_are_measured_plane_by_plane_whatever_the_order_of_axes() -> None:
    image, _ = field()
    cube = np.stack([image, image + 5, image * 2], axis=-1)
    variable = Variable("cube", "<f8", ("y", "x", "spectral"), axes={**AXES, "spectral": "spectral"})
    values = compared(SourceCountsMetric(), cube, cube, variable).result().values["cube"]
    assert values["original > 10"] == 48


def test_nothing_but_blanks_is_no_error() -> None:
    blank = np.full((30, 30), np.nan)
    for metric in (NoiseMetric(), PhotometryMetric(), SourceCountsMetric()):
        compared(metric, blank, blank).result()
        assert draw(metric) == 0
