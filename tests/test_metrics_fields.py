"""Metrics of climate and of distributions agree with scipy and with their definitions, however data are cut into blocks."""

from __future__ import annotations

import numpy as np
import pytest

from baler_core import Metric, Variable, make_block
from baler_core.builtin.metrics import (
    DataSimilarity,
    Determination,
    EarthMover,
    KolmogorovSmirnov,
    MeanBias,
    SpatialRelativeError,
    SpectralError,
)
from baler_core.builtin.metrics.distances import DistanceOptions
from baler_core.builtin.metrics.similarity import data_similarity
from baler_core.builtin.metrics.spectral import radial_power

ALL = [DataSimilarity, Determination, EarthMover, KolmogorovSmirnov, MeanBias, SpatialRelativeError, SpectralError]


def found(metric: Metric, x: np.ndarray, y: np.ndarray, pieces: int = 3, **about: object) -> dict[str, float]:
    """What a metric finds for one variable, fed in pieces along its first dimension."""
    dims = ("t", "y", "x")[-x.ndim :]
    variable = Variable("v", x.dtype.str, dims, **about)  # type: ignore[arg-type]
    for one, two in zip(np.array_split(x, pieces), np.array_split(y, pieces), strict=True):
        metric.update(make_block({"v": (dims, one)}), make_block({"v": (dims, two)}), {"v": variable})
    metric.result()
    return dict(metric.result().values.get("v", {}))


@pytest.fixture
def field() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    y, x = np.mgrid[:40, :30]
    before = np.sin(x / 5 + np.arange(4)[:, None, None]) + 0.02 * y + rng.normal(0, 0.05, (4, 40, 30)) + 2
    return before, before + rng.uniform(-0.04, 0.05, before.shape)


def test_r2_and_bias_by_definition(field: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = field
    lost = np.sum((y - x) ** 2) / np.sum((x - x.mean()) ** 2)
    assert found(Determination(), x, y) == pytest.approx({"r2": 1 - lost, "unexplained": lost})
    bias = found(MeanBias(), x, y, pieces=4, units="K")
    assert bias["bias"] == pytest.approx((y - x).mean())
    assert bias["relative"] == pytest.approx((y - x).mean() / np.abs(x).mean())
    assert bias["mean_abs"] == pytest.approx(np.abs(y - x).mean())
    assert bias["worst_block"] == pytest.approx(np.abs((y - x).mean(axis=(1, 2))).max())


def test_r2_of_large_offsets_does_not_cancel(field: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = field
    assert found(Determination(), x + 1e9, y + 1e9)["unexplained"] == pytest.approx(
        found(Determination(), x, y)["unexplained"], rel=1e-4
    )


def test_spatial_relative_error_counts_values_beyond_the_threshold() -> None:
    x = np.array([1.0, 2.0, -4.0, 0.0, 0.0, 8.0, np.nan, 1.0])
    y = np.array([1.00005, 2.001, -4.001, 0.0, 0.01, 8.0, np.nan, 0.99])
    assert found(SpatialRelativeError(), x, y)["percent"] == pytest.approx(100 * 4 / 7)


def test_distances_of_distributions_are_those_of_scipy(field: tuple[np.ndarray, np.ndarray]) -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(3)
    for x, y in (field, (rng.normal(size=500), np.round(rng.normal(0.2, 2, 500), 1)), (np.zeros(5), np.ones(5))):
        ks = found(KolmogorovSmirnov(), x, y)
        assert ks["distance"] == pytest.approx(stats.ks_2samp(x.ravel(), y.ravel()).statistic, abs=1e-12)
        emd = found(EarthMover(), x, y)
        assert emd["distance"] == pytest.approx(stats.wasserstein_distance(x.ravel(), y.ravel()), abs=1e-12)
        assert emd["values"] == x.size


def test_distances_of_a_sample_are_near_those_of_all_and_compare_the_same_places() -> None:
    x = np.random.default_rng(4).normal(size=50_000)
    options = DistanceOptions(sample=2000)
    assert found(KolmogorovSmirnov(options), x, x)["distance"] == 0
    assert found(EarthMover(options), x, x + 0.25)["distance"] == pytest.approx(0.25)
    assert found(KolmogorovSmirnov(options), x, x + 0.25)["distance"] == pytest.approx(0.0995, abs=0.02)
    assert found(EarthMover(options), x, x)["values"] == 2000


def similarity_by_definition(x: np.ndarray, y: np.ndarray) -> float:
    """Cell by cell: weighted means, variances and covariance of each window."""
    low, high = min(np.nanmin(x), np.nanmin(y)), max(np.nanmax(x), np.nanmax(y))
    x, y = (np.round((v - low) / (high - low) * 255) / 255 for v in (x, y))
    offsets = np.arange(-5, 6)
    gauss = np.exp(-(offsets**2) / (2 * 1.5**2))
    weights = np.outer(gauss, gauss)
    indices = []
    for i in range(5, x.shape[0] - 5):
        for j in range(5, x.shape[1] - 5):
            if np.isnan(x[i, j]):
                continue
            a, b = (v[i - 5 : i + 6, j - 5 : j + 6] for v in (x, y))
            known = ~np.isnan(a)
            a, b, w = a[known], b[known], weights[known]
            mean_a, mean_b = np.average(a, weights=w), np.average(b, weights=w)
            var_a, var_b = np.average(a * a, weights=w) - mean_a**2, np.average(b * b, weights=w) - mean_b**2
            covariance = np.average(a * b, weights=w) - mean_a * mean_b
            one = (2 * mean_a * mean_b + 1e-8) / (mean_a**2 + mean_b**2 + 1e-8)
            indices.append(one * (2 * covariance + 1e-8) / (var_a + var_b + 1e-8))
    return float(np.mean(indices))


@pytest.mark.parametrize("hole", [False, True])
def test_data_similarity_is_that_of_its_definition(field: tuple[np.ndarray, np.ndarray], hole: bool) -> None:
    x, y = (values.copy() for values in field)
    if hole:
        x[:, 10:16, 4:9] = y[:, 10:16, 4:9] = np.nan
    wanted = [similarity_by_definition(one, two) for one, two in zip(x, y, strict=True)]
    assert 0.3 < min(wanted) < 0.99
    result = found(DataSimilarity(), x, y)
    assert result["worst"] == pytest.approx(min(wanted), abs=1e-9)
    assert result["mean"] == pytest.approx(np.mean(wanted), abs=1e-9)
    assert result["planes"] == 4
    # A single plane waits for all its rows.
    assert found(DataSimilarity(), x[0], y[0])["worst"] == pytest.approx(wanted[0], abs=1e-9)


def test_planes_that_are_equal_constant_or_empty() -> None:
    x = np.random.default_rng(1).normal(size=(20, 20))
    assert data_similarity(x, x) == pytest.approx(1.0)
    assert data_similarity(np.full((20, 20), 3.0), np.full((20, 20), 3.0)) == pytest.approx(1.0)
    assert np.isnan(data_similarity(np.full((20, 20), np.nan), x))
    assert found(DataSimilarity(), np.full((20, 20), np.nan), x) == {}
    assert found(DataSimilarity(), x[:5], x[:5]) == {}


def test_power_by_wavenumber_adds_up_and_finds_a_wave() -> None:
    y = np.mgrid[:32, :48][0]
    wave = 3 * np.cos(2 * np.pi * 4 * y / 32)
    power = radial_power(wave + 2)
    assert power[0] == pytest.approx(4)
    assert power[4] == pytest.approx(4.5)
    assert power.sum() == pytest.approx(8.5)
    assert len(power) == 17


def test_spectral_error_of_a_damped_scale_and_of_noise() -> None:
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:64, :64]
    before = 10 * np.cos(2 * np.pi * 3 * x / 64) + np.cos(2 * np.pi * 20 * y / 64)
    before = before + 1e-3 * rng.normal(size=before.shape)
    damped = before - 0.5 * np.cos(2 * np.pi * 20 * y / 64)
    result = found(SpectralError(), before, damped)
    assert result["max"] == pytest.approx(0.75, abs=0.01)
    assert result["resolved"] == 1.0
    noisy = found(SpectralError(), before[None], before[None] + 0.1 * rng.normal(size=(1, 64, 64)))
    assert noisy["resolved"] == 3 / 32
    assert found(SpectralError(), before, before) == {"rms": 0.0, "max": 0.0, "resolved": 1.0}


@pytest.mark.parametrize("kind", ALL)
def test_missing_values_and_packing_are_those_of_readers(kind: type[Metric]) -> None:
    x = (np.random.default_rng(6).normal(size=(3, 20, 20)) * 300).astype("<i2")
    y = x + np.random.default_rng(7).integers(-3, 4, x.shape).astype("<i2")
    x[:, 3, 4] = y[:, 3, 4] = -999
    packed = found(kind(), x, y, scale=0.01, offset=5.0, fill=(-999.0,))
    physical = (np.where(v == -999, np.nan, v * 0.01 + 5.0) for v in (x, y))
    assert packed == pytest.approx(found(kind(), *physical), rel=1e-6, abs=1e-9)
    assert packed
    assert all(np.isfinite(value) for value in packed.values())


@pytest.mark.parametrize("kind", ALL)
def test_nothing_to_compare_gives_nothing(kind: type[Metric]) -> None:
    none = np.full((3, 20, 20), np.nan)
    assert found(kind(), none, none) == {}
    assert kind().result().values == {}
