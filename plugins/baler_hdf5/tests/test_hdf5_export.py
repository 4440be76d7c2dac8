"""Exported NetCDF files are read by netCDF4 without a plugin, and say how values were rounded."""

from pathlib import Path

import netCDF4
import numpy as np
import xarray as xr

import baler_core

FAST = {"name": "auto", "effort": "fast"}


def test_datasets_are_rounded_filtered_and_described(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    t = (280 + np.cumsum(rng.normal(size=(10, 60, 80)), axis=0)).astype("f4")
    t[0, 0, 0] = np.nan
    q = np.exp(t / 300).astype("f4")
    data = xr.Dataset({"t": (("time", "y", "x"), t), "q": (("time", "y", "x"), q)}, {"time": np.arange(10.0)})
    data.to_netcdf(
        tmp_path / "a.nc", encoding={"t": {"zlib": True, "complevel": 1, "fletcher32": True, "chunksizes": (5, 60, 80)}}
    )
    bounds = {"t": {"abs": 0.05}, "q": {"rel": 1e-3}}
    baler_core.compress(tmp_path / "a.nc", tmp_path / "a.bal", bounds=bounds, model=FAST)
    done = baler_core.export(tmp_path / "a.bal", tmp_path / "b.nc", extra=0.5)
    assert done.file_bytes < done.plain_bytes
    assert not done.warnings
    with xr.open_dataset(tmp_path / "b.nc", engine="netcdf4") as found:
        assert np.nanmax(np.abs(found.t.values - t)) <= 0.075
        assert np.isnan(found.t.values[0, 0, 0])
        assert (np.abs(found.q - q) <= 1.5e-3 * q).values[~np.isnan(q)].all()
        assert np.array_equal(found.time, data.time)
    with netCDF4.Dataset(tmp_path / "b.nc") as file:
        assert file["t"].filters()["zlib"]
        assert file["t"].filters()["shuffle"]
        assert file["t"].filters()["fletcher32"]
        assert file["q"].filters()["zlib"]  # which was not in chunks
        assert file["t"].getncattr("quantization") == "quantization_info"
        assert file["q"].quantization_nsb == 10
        info = file["quantization_info"]
        assert info.algorithm == "bitround"
        assert info.implementation.startswith("baler-core version ")
        assert "quantization" not in file["time"].ncattrs()
    plain = baler_core.export(tmp_path / "a.bal", tmp_path / "c.nc")
    assert plain.file_bytes < plain.plain_bytes
    assert not plain.rounded
    with netCDF4.Dataset(tmp_path / "c.nc") as file:
        assert "quantization_info" not in file.variables  # values are as restored


def test_classic_files_say_that_they_have_no_compression(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(size=(40, 50)).astype("f4")
    xr.Dataset({"t": (("y", "x"), values)}).to_netcdf(tmp_path / "a.nc", format="NETCDF3_CLASSIC")
    baler_core.compress(tmp_path / "a.nc", tmp_path / "a.bal", bounds={"t": {"abs": 0.1}}, model=FAST)
    done = baler_core.export(tmp_path / "a.bal", tmp_path / "b.nc", extra=1)
    assert "nccopy" in done.warnings[0]
    with xr.open_dataset(tmp_path / "b.nc") as found:
        assert np.abs(found.t.values - values).max() <= 0.2
        assert not np.any(found.t.values % 0.125)
