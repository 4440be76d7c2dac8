"""Efforts are in order: more of it never makes clearly more bytes, whatever the data."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import baler_core

Arrays = dict[str, np.ndarray]
EFFORTS = ("fast", "balanced", "max")
SHARE, BYTES = 0.003, 16


def _grid(*shape: int) -> list[np.ndarray]:
    return list(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"))


def waves() -> Arrays:
    t, y, x = _grid(16, 24, 40)
    return {"u": (np.sin(x / 7 - t / 9) * np.cos(y / 5 + t / 30)).astype("f4")}


def noisy_waves() -> Arrays:
    noise = np.random.default_rng(0).normal(size=(16, 24, 40))
    return {"u": (waves()["u"] + 0.02 * noise).astype("f4")}


def noise() -> Arrays:
    return {"u": np.random.default_rng(1).normal(size=(6, 40, 40)).astype("f4")}


def image() -> Arrays:
    random = np.random.default_rng(2)
    y, x = _grid(120, 90)
    stars = sum(
        np.exp(-((y - a) ** 2 + (x - b) ** 2) / 4) * c
        for a, b, c in zip(
            random.uniform(0, 120, 30), random.uniform(0, 90, 30), random.exponential(20, 30), strict=True
        )
    )
    return {"image": (stars + random.normal(size=y.shape)).astype("f4")}


def large_noise() -> Arrays:
    """More bytes than grids that all candidates code."""
    return {"u": np.random.default_rng(3).normal(size=(20, 80, 90)).cumsum(axis=0).astype("f4")}


def two_fields_with_holes() -> Arrays:
    t, y, x = _grid(8, 20, 30)
    u = np.sin(x / 4 + t / 3).astype("f4")
    u[:, (y[0] - 10) ** 2 + (x[0] - 15) ** 2 < 20] = np.nan
    return {"u": u, "v": (0.5 * u + np.cos(y / 6)).astype("f4")}


def packed_field() -> Arrays:
    return {"counts": np.random.default_rng(4).poisson(3 + waves()["u"]).astype("i2")}


def related_columns() -> Arrays:
    random = np.random.default_rng(5)
    a, b = random.normal(size=900), random.exponential(size=900)
    return {"a": a, "b": b, "sum": a + b, "kind": random.integers(0, 5, 900), "twice": 2 * a}


def correlated_columns() -> Arrays:
    random = np.random.default_rng(6)
    a = random.normal(size=1500)
    return {name: (a + k * random.normal(size=1500)).astype("f4") for k, name in enumerate(("a", "b", "c"), 1)}


def random_columns() -> Arrays:
    random = np.random.default_rng(7)
    return {"x": random.random(700), "y": random.integers(0, 1 << 30, 700)}


def repeated_rows() -> Arrays:
    return {"x": np.tile(np.random.default_rng(8).normal(size=50), 20), "n": np.repeat(np.arange(100), 10)}


def steady_wake() -> Arrays:
    """Smooth and periodic, far below a bit per value: what adapts learns less than what is counted."""
    t, y, x = _grid(60, 20, 50)
    phase = x / 4 - t / 3
    return {"u": (np.exp(-((y - 10) ** 2) / 20) * np.sin(phase + 0.3 * np.sin(phase))).astype("f4")}


def many_times() -> Arrays:
    """More rows than a row block of lesser efforts, kept exactly."""
    return {"start": 2.4e8 + np.random.default_rng(9).integers(1, 9000, 70_000).cumsum() / 1024}


CASES: tuple[tuple[Callable[[], Arrays], float, str], ...] = (
    (waves, 1e-2, "auto"),
    (waves, 1e-4, "predictive"),
    (noisy_waves, 1e-4, "auto"),
    (noisy_waves, 1e-3, "predictive"),
    (steady_wake, 1e-3, "predictive"),
    (noise, 1e-3, "auto"),
    (noise, 1e-4, "transform"),
    (image, 1e-2, "auto"),
    (image, 1e-3, "predictive"),
    (large_noise, 1e-3, "auto"),
    (two_fields_with_holes, 1e-3, "auto"),
    (packed_field, 1e-4, "auto"),
    (related_columns, 1e-3, "auto"),
    (correlated_columns, 1e-4, "auto"),
    (random_columns, 1e-2, "auto"),
    (repeated_rows, 1e-4, "auto"),
    (many_times, 0.0, "auto"),
)


@pytest.mark.parametrize(("made", "bound", "name"), CASES)
def test_more_effort_never_makes_clearly_more_bytes(
    made: Callable[[], Arrays], bound: float, name: str, tmp_path: Path
) -> None:
    sizes = []
    for effort in EFFORTS:
        model = {"name": name, "effort": effort}
        bounds = {"range": bound} if bound else "lossless"
        sizes.append(baler_core.compress(made(), tmp_path / "x.bal", bounds=bounds, model=model).file_bytes)
    least = sizes[0]
    for size in sizes[1:]:
        assert size <= least * (1 + SHARE) + BYTES, sizes
        least = min(least, size)


def test_fields_with_common_modes_share_them_where_a_sample_does_not_show_that(tmp_path: Path) -> None:
    t, y, x = np.meshgrid(np.arange(100), np.linspace(-2, 2, 50), np.linspace(0, 12, 100), indexing="ij")
    fields = {
        name: sum(
            np.exp(-(y**2) * h / 2) * np.sin(h * (x * 1.3 - t / 5.3) + k * (h + y)) * (1 + x / 12) / h**2
            for h in range(1, 6)
        ).astype("f4")
        for k, name in enumerate("uvp")
    }

    def size(arrays: Arrays) -> int:
        given = {"bounds": {"range": 1e-2, "sign": "free"}, "model": "transform"}
        return baler_core.compress(arrays, tmp_path / "x.bal", overwrite=True, **given).file_bytes

    assert size(fields) < 0.92 * sum(size({name: values}) for name, values in fields.items())
