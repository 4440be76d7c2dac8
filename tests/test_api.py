"""Arrays, datasets and files can be compressed and opened from Python."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import baler_core
from baler_core import ConfigError, DataError


def test_an_array_returns_within_its_bound(tmp_path: Path) -> None:
    field = np.cumsum(np.random.default_rng(0).normal(size=(20, 16, 12)), axis=0)
    result = baler_core.compress(field, tmp_path / "f.bal", bounds={"abs": 0.01}, model="scalar")
    restored = baler_core.open(tmp_path / "f.bal")["data"].values
    assert np.abs(restored - field).max() <= 0.01
    assert result.file_bytes == (tmp_path / "f.bal").stat().st_size
    assert result.ratio == field.nbytes / result.file_bytes


def test_a_dataset_returns_with_integers_exact(tmp_path: Path) -> None:
    data = xr.Dataset({"pt": ("row", np.linspace(1, 50, 700)), "n": ("row", np.arange(700))})
    baler_core.compress(data, tmp_path / "d.bal", bounds={"pt": {"rel": 1e-2}}, model={"name": "scalar"})
    restored = baler_core.open(tmp_path / "d.bal")
    np.testing.assert_array_equal(restored["n"], data["n"])
    np.testing.assert_allclose(restored["pt"], data["pt"], rtol=1e-2)


def test_a_file_returns_in_its_format(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(50, dtype=np.float32))
    baler_core.compress(tmp_path / "x.npy", tmp_path / "x.bal", bounds="lossless", model="scalar")
    restored = baler_core.decompress(tmp_path / "x.bal", tmp_path / "y.npy")
    np.testing.assert_array_equal(np.load(restored), np.arange(50, dtype=np.float32))


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="abs"):
        baler_core.compress(np.ones(3), tmp_path / "x.bal", bounds={"abs": -1})
    with pytest.raises(DataError, match="no such file"):
        baler_core.compress("absent.npz", tmp_path / "x.bal")
    with pytest.raises(DataError, match="no arrays"):
        baler_core.compress({}, tmp_path / "x.bal")
    assert not list(tmp_path.iterdir())


def test_many_blocks_make_one_dataset(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(40, 500))
    baler_core.compress(values, tmp_path / "x.bal", bounds={"range": 1e-3}, model="scalar", block_bytes=20_000)
    restored = baler_core.open(tmp_path / "x.bal")["data"].values
    assert np.abs(restored - values).max() <= 1e-3 * np.ptp(values)


def test_preprocessors_leave_exact_variables_alone(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays = {"pt": 20 + rng.exponential(30, 3000), "label": rng.normal(size=3000), "n": rng.integers(0, 9, 3000)}
    grid = {"field": np.exp(rng.normal(size=(5, 6, 7)))}
    plain = baler_core.compress(
        arrays | grid, tmp_path / "a.bal", bounds={"pt": {"rel": 1e-3}, "*": "lossless"}, model="scalar"
    )
    changed = baler_core.compress(
        arrays | grid,
        tmp_path / "b.bal",
        bounds={"pt": {"rel": 1e-3}, "*": "lossless"},
        model="scalar",
        preprocess=[{"name": "log", "variables": ["*"]}],
    )
    restored = baler_core.open(tmp_path / "b.bal")
    for name in ("label", "n"):
        assert restored[name].values.tobytes() == arrays[name].tobytes()
    assert restored["field"].values.tobytes() == grid["field"].tobytes()
    assert (np.abs(restored["pt"].values - arrays["pt"]) <= 1e-3 * arrays["pt"]).all()
    assert changed.file_bytes < 1.1 * plain.file_bytes
