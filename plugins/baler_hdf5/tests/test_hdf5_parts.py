"""Some variables and rows are restored into an HDF5 or NetCDF file that holds these, as xarray and h5py read it."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

import baler_core


def test_a_variable_comes_with_its_coordinates(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    original = xr.Dataset(
        {name: (("time", "lat", "lon"), rng.normal(size=(40, 8, 9)).astype("f4"), {"units": "m/s"}) for name in "uv"},
        {"time": np.arange(40), "lat": np.linspace(-9, 9, 8), "lon": np.linspace(0, 9, 9)},
        {"title": "winds"},
    )
    encoding = {"u": {"zlib": True, "chunksizes": (10, 8, 9)}}
    original.to_netcdf(tmp_path / "a.nc", engine="netcdf4", unlimited_dims=["time"], encoding=encoding)
    bounds = {"u": {"abs": 0.01}, "*": "lossless"}
    baler_core.compress(tmp_path / "a.nc", tmp_path / "a.bal", bounds=bounds, model="scalar", block_bytes=3000)
    baler_core.decompress(tmp_path / "a.bal", tmp_path / "p.nc", variables="u", rows=(13, 31))
    with xr.open_dataset(tmp_path / "p.nc", engine="netcdf4") as found:
        xr.testing.assert_allclose(found, original[["u"]].isel(time=slice(13, 31)), rtol=0, atol=0.01)
        xr.testing.assert_identical(found.drop_vars("u"), original.isel(time=slice(13, 31)).drop_vars(["u", "v"]))


def test_records_and_links(tmp_path: Path) -> None:
    records = np.zeros(50, [("a", "<i4"), ("b", "<f8"), ("c", "<f4")])
    records["a"], records["b"] = np.arange(50), np.arange(50) / 3
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["g/records"] = records
        file["g/other"] = np.arange(7)
        file["g"].attrs["kind"] = "test"
        file["soft"], file["gone"] = h5py.SoftLink("/g/records"), h5py.SoftLink("/g/other")
    baler_core.compress(tmp_path / "a.h5", tmp_path / "a.bal", model="scalar")
    baler_core.decompress(tmp_path / "a.bal", tmp_path / "p.h5", variables=["g/records/a", "g/records/b"], rows=(5, 20))
    with h5py.File(tmp_path / "p.h5") as file:
        assert file["soft"].dtype.names == ("a", "b")
        np.testing.assert_array_equal(file["g/records"]["b"], records["b"][5:20])
        assert file["g"].attrs["kind"] == "test"
        assert set(file["g"]) == {"records"}
        assert "gone" not in file


def test_classic_files_are_restored_whole(tmp_path: Path) -> None:
    xr.Dataset({"x": ("t", np.arange(5.0))}).to_netcdf(tmp_path / "a.nc", engine="scipy")
    baler_core.compress(tmp_path / "a.nc", tmp_path / "a.bal")
    with pytest.raises(baler_core.DataError, match="classic NetCDF"):
        baler_core.decompress(tmp_path / "a.bal", tmp_path / "p.nc", rows=(0, 3))
