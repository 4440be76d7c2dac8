"""Bounds in units of own errors, checked by h5py and by netCDF4 on packed variables."""

from __future__ import annotations

from pathlib import Path

import h5py
import netCDF4
import numpy as np

import baler_core


def test_datasets_keep_a_share_of_their_errors(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    error = np.exp(rng.normal(0, 1, (40, 30)))
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["run/value"] = rng.normal(0, 5, (40, 30))
        file["run/value_err"] = error
        file["run/t"] = rng.normal(0, 5, 700)
        file["run/t_err"] = np.exp(rng.normal(0, 1, 700))
    bounds = {
        "run/value": {"abs": "0.1 * value_err"},
        "run/t": {"abs": "0.1 * `run/t_err`"},
        "run/*_err": {"rel": 0.05},
    }
    baler_core.compress(tmp_path / "d.h5", tmp_path / "d.bal", bounds=bounds)
    baler_core.decompress(tmp_path / "d.bal", tmp_path / "r.h5")
    with h5py.File(tmp_path / "d.h5") as before, h5py.File(tmp_path / "r.h5") as after:
        for name in ("run/value", "run/t"):
            off = np.abs(after[name][()] - before[name][()])
            assert (off <= 0.1 * before[f"{name}_err"][()]).all()
            assert (off <= 0.1 * after[f"{name}_err"][()]).all()
            assert (off > 0).mean() > 0.5


def test_packed_variables_keep_a_share_of_packed_errors(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    with netCDF4.Dataset(tmp_path / "p.nc", "w") as file:
        file.createDimension("y", 30)
        file.createDimension("x", 40)
        for name, scale, offset in (("sst", 0.01, 280.0), ("sst_error", 0.002, 1.0)):
            variable = file.createVariable(name, "i2", ("y", "x"), fill_value=-32768)
            variable.scale_factor, variable.add_offset = scale, offset
        file["sst"][:] = 285 + rng.normal(0, 3, (30, 40))
        file["sst_error"][:] = np.ma.masked_less(rng.uniform(0.2, 3, (30, 40)), 0.4)
    bounds = {"sst": {"abs": "0.25 * sst_error"}, "sst_error": {"abs": 0.02}}
    baler_core.compress(tmp_path / "p.nc", tmp_path / "p.bal", bounds=bounds)
    baler_core.decompress(tmp_path / "p.bal", tmp_path / "r.nc")
    with netCDF4.Dataset(tmp_path / "p.nc") as before, netCDF4.Dataset(tmp_path / "r.nc") as after:
        first, second = before["sst"][:], after["sst"][:]
        off = np.abs(np.asarray(second) - np.asarray(first))
        for side in (before, after):
            allowed = side["sst_error"][:]
            known = ~np.ma.getmaskarray(allowed)
            assert (off[known] <= 0.25 * np.asarray(allowed)[known]).all()
            assert (off[~known] == 0).all()
    assert (off > 0).mean() > 0.5
