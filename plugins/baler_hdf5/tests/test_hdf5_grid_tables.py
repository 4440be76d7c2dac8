"""Fields of a NetCDF file open as the table that xarray makes of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import baler_core
from baler_core import DataError


def test_a_grid_is_a_table_of_its_places(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    data = xr.Dataset(
        {"t": (("time", "lat"), rng.normal(size=(4, 3)).astype("f4")), "h": ("lat", np.arange(3)), "k": ((), 2.5)},
        coords={"time": [0.0, 1.0, 2.0, 5.0], "lat": [-10.0, 0.0, 10.0]},
    )
    data.to_netcdf(tmp_path / "a.nc")
    baler_core.compress(tmp_path / "a.nc", tmp_path / "a.bal", model="scalar")
    found = baler_core.open(tmp_path / "a.bal", as_="pandas")
    pd.testing.assert_frame_equal(found[["t", "h", "k"]], data.to_dataframe()[["t", "h", "k"]], check_like=True)
    assert found.loc[(5.0, -10.0), "t"] == data["t"].values[3, 0]


def test_dimensions_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    data = xr.Dataset({"a": ("x", np.arange(100.0)), "b": ("y", np.arange(200.0))})
    data.to_netcdf(tmp_path / "a.nc")
    baler_core.compress(tmp_path / "a.nc", tmp_path / "a.bal", model="scalar")
    with pytest.raises(DataError, match="on one grid, and these lie along x, y: choose some"):
        baler_core.open(tmp_path / "a.bal", as_="pandas")
