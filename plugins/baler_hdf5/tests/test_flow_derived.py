"""Derivatives, energies and spectra, kept, as computed by numpy from the restored file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import baler_core
from baler_core import ConfigError

FAST: dict[str, Any] = {"name": "auto", "effort": "fast"}


def smooth(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """A field with a steep spectrum and a little noise."""
    waves = np.fft.fftn(rng.normal(size=shape))
    size = np.sqrt(sum(f**2 for f in np.meshgrid(*(np.fft.fftfreq(n) * n for n in shape), indexing="ij")))
    field = np.fft.ifftn(waves / (1 + size) ** 2.5).real
    return (field / field.std()).astype("<f4")


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    """Velocities (z, y, x) on an uneven grid in x."""
    rng = np.random.default_rng(7)
    path = tmp_path / "flow.h5"
    with h5py.File(path, "w") as file:
        for name in "uvw":
            file[name] = smooth(rng, (32, 24, 32))
        for axis, size in (("z", 32), ("y", 24), ("x", 32)):
            file[axis] = np.cumsum(np.linspace(0.1, 0.2, size)) if axis == "x" else 0.5 * np.arange(size)
            file[axis].make_scale(axis)
            for name in "uvw":
                file[name].dims["zyx".index(axis)].attach_scale(file[axis])
    return path


def by_numpy(path: Path) -> dict[str, Callable[[], np.ndarray]]:
    with h5py.File(path) as file:
        u, v, w = (file[name][()].astype(np.float64) for name in "uvw")
        x, y, z = (file[name][()] for name in "xyz")

    def d(values: np.ndarray, along: str) -> np.ndarray:
        return np.asarray(np.gradient(values, {"x": x, "y": y, "z": z}[along], axis="zyx".index(along)))

    return {
        "ddx(v) - ddy(u)": lambda: d(v, "x") - d(u, "y"),
        "vorticity(u, v)": lambda: d(v, "x") - d(u, "y"),
        "vorticity(u, v, w)": lambda: np.stack(
            [d(w, "y") - d(v, "z"), d(u, "z") - d(w, "x"), d(v, "x") - d(u, "y")], axis=-1
        ),
        "divergence(u, v, w)": lambda: d(u, "x") + d(v, "y") + d(w, "z"),
        "ddz(ddz(w))": lambda: d(d(w, "z"), "z"),
        "kinetic_energy(u, v, w)": lambda: 0.5 * (u**2 + v**2 + w**2),
        "mean(u * u)": lambda: (u * u).mean((1, 2)),
    }


@pytest.mark.parametrize("block_bytes", [10**8, 160_000])
@pytest.mark.parametrize("formula", ["ddx(v) - ddy(u)", "vorticity(u, v, w)", "divergence(u, v, w)", "ddz(ddz(w))"])
def test_derivatives_of_the_whole_field_hold_however_it_is_cut(
    flow: Path, tmp_path: Path, formula: str, block_bytes: int
) -> None:
    bounds = {name: {"range": 1e-2} for name in "uvw"}
    done = baler_core.compress(
        flow,
        tmp_path / "x.bal",
        bounds=bounds,
        derived={"q": {"of": formula, "range": 1e-3}},
        model=FAST,
        block_bytes=block_bytes,
    )
    restored = baler_core.decompress(tmp_path / "x.bal", tmp_path / "x.h5")
    before, after = by_numpy(flow)[formula](), by_numpy(restored)[formula]()
    assert np.abs(after - before).max() <= 1e-3 * np.ptp(before)
    assert np.abs(after - before).max() > 0
    assert done.derived["q"].cells == before.size
    with h5py.File(flow) as one, h5py.File(restored) as other:
        for name in "uvw":
            assert np.abs(other[name][()] - one[name][()]).max() <= 1e-2 * np.ptp(one[name][()])


@pytest.mark.parametrize("formula", ["kinetic_energy(u, v, w)", "mean(u * u)", "vorticity(u, v)"])
def test_fields_without_bounds_of_their_own_lose_what_the_quantity_allows(
    flow: Path, tmp_path: Path, formula: str
) -> None:
    done = baler_core.compress(flow, tmp_path / "x.bal", derived={"q": {"of": formula, "range": 1e-3}}, model=FAST)
    restored = baler_core.decompress(tmp_path / "x.bal", tmp_path / "x.h5")
    before, after = by_numpy(flow)[formula](), by_numpy(restored)[formula]()
    assert np.abs(after - before).max() <= 1e-3 * np.ptp(before)
    assert done.ratio > 1.5


def energies(frame: np.ndarray) -> np.ndarray:
    """Half the mean square by ring of equal wavenumber, ring by ring."""
    power = 0.5 * np.abs(np.fft.fft2(frame.astype(np.float64)) / frame.size) ** 2
    rows, columns = frame.shape
    ring = np.rint(
        np.hypot(*np.meshgrid(np.fft.fftfreq(rows), np.fft.fftfreq(columns), indexing="ij")) * min(rows, columns)
    )
    return np.array([power[ring == k].sum() for k in range(min(rows, columns) // 2 + 1)])


def test_spectra_of_all_frames_hold(flow: Path, tmp_path: Path) -> None:
    bounds = {name: {"range": 3e-2} for name in "uv"}
    baler_core.compress(
        flow, tmp_path / "x.bal", bounds=bounds, derived={"q": {"of": "spectrum(u, v)", "rel": 1e-2}}, model=FAST
    )
    restored = baler_core.decompress(tmp_path / "x.bal", tmp_path / "x.h5")
    spectra = []
    for path in (flow, restored):
        with h5py.File(path) as file:
            spectra.append(np.array([energies(u) + energies(v) for u, v in zip(file["u"], file["v"], strict=True)]))
    before, after = spectra
    held = before > 1e-6 * before[:, 1:].max(axis=1, keepdims=True)
    assert (np.abs(after / before - 1)[held] <= 1e-2).all()
    assert held.mean() > 0.9


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("ddz(x)", "ddz needs a dimension z"),
        ("vorticity(u, x)", "vorticity takes fields on one grid|other rows"),
        ("vorticity(u)", "vorticity takes 2 to 3 values"),
        ("curl(u, v)", "calls 'curl'"),
        ("spectrum(x)", "spectrum takes fields on one grid"),
    ],
)
def test_what_does_not_fit_is_refused(flow: Path, tmp_path: Path, formula: str, message: str) -> None:
    with pytest.raises((ConfigError, baler_core.BalerError), match=message):
        baler_core.compress(flow, tmp_path / "x.bal", derived={"q": {"of": formula, "abs": 1e-3}})


def test_coordinates_of_derivatives_must_be_exact(flow: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="needs the coordinates 'x' exactly: leave its bound out"):
        baler_core.compress(
            flow, tmp_path / "x.bal", bounds={"x": {"abs": 0.01}}, derived={"q": {"of": "ddx(u)", "abs": 1e-3}}
        )
