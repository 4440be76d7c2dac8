"""xarray's Dataset and DataArray come back with dimensions, coordinates, indexes, attributes and encoding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import baler_core
from baler_core import DataError
from baler_core.cli import main

TIMES = pd.date_range("2020-01-01", periods=4, name="time")


def climate() -> xr.Dataset:
    temperature = np.random.default_rng(0).normal(size=(4, 3, 2)).astype("f4")
    told = {"units": "K", "flags": np.array([1, 2], "i1"), "nested": {"a": (1, 2)}, "not": float("nan")}
    dataset = xr.Dataset(
        {
            "T": (("time", "y", "x"), temperature, told),
            "n": ((), 5),
            "name": ("y", np.array(["a", "bb", "ccc"])),
            "text": ("y", np.array(["a", "bb", ""], object)),
            "step": ("time", np.arange(4).astype("m8[ms]")),
            3: ("x", [1.0, 2]),
            ("a", 1): ("x", [1, 2]),
        },
        coords={
            "time": TIMES,
            "y": ["p", "q", "r"],
            "lat": (("y", "x"), np.arange(6.0).reshape(3, 2)),
            "height": 7.5,
            "month": ("time", [1, 1, 2, 2]),
            "reference": np.datetime64("2000-01-01", "ns"),
        },
        attrs={"title": "x", "n": 3, "levels": np.arange(3)},
    )
    dataset["T"].encoding = {
        "dtype": np.dtype("i2"),
        "scale_factor": 0.01,
        "_FillValue": np.int16(-9999),
        "chunksizes": (1, 3, 2),
        "zlib": True,
    }
    dataset.encoding = {"unlimited_dims": {"time"}}
    return dataset


def calendar() -> xr.Dataset:
    pytest.importorskip("cftime")
    dates = xr.date_range("2000-01-01", periods=3, calendar="360_day", use_cftime=True)
    return xr.Dataset({"a": ("time", np.arange(3.0))}, coords={"time": dates})


def levels() -> xr.Dataset:
    index = pd.MultiIndex.from_tuples([(1, "a"), (2, "b")], names=["u", "v"])
    return xr.Dataset({"a": ("z", [1.0, 2])}, coords=xr.Coordinates.from_pandas_multiindex(index, "z"))


def packed() -> xr.Dataset:
    told = {"scale_factor": 0.1, "_FillValue": np.int16(-99), "valid_range": np.array([0, 100], "i2")}
    return xr.Dataset({"a": ("x", np.array([1, 2, -99], "i2"), told)})


SETS = {
    "climate": climate,
    "calendar": calendar,
    "levels": levels,
    "packed": packed,
    "categories": lambda: xr.Dataset(
        {"c": ("x", pd.Categorical(["a", "b"])), "d": ("x", pd.array([1, None], "Int64"))}
    ),
    "odd dimensions": lambda: xr.Dataset({"a": ((1, ("q", 2)), np.zeros((2, 3)))}),
    "no index": lambda: xr.Dataset({"a": ("x", [1.0, 2])}, coords={"x": [1, 2]}).drop_indexes("x"),
    "other index": lambda: xr.Dataset({"a": ("x", [1.0, 2])}, coords={"k": ("x", [1, 2])}).set_xindex("k"),
    "empty": lambda: xr.Dataset({"a": ("x", np.zeros(0))}),
    "coordinates": lambda: xr.Dataset(coords={"x": [1, 2]}),
    "big-endian": lambda: xr.Dataset({"a": ("x", np.arange(3, dtype=">f4"))}),
}


def returned(data: Any, path: Path, **more: Any) -> Any:
    more = {"bounds": "lossless", "model": "scalar"} | more
    baler_core.compress(data, path / "x.bal", **more)
    return baler_core.open(path / "x.bal")


@pytest.mark.parametrize("name", SETS)
def test_a_dataset_returns_as_it_was(name: str, tmp_path: Path) -> None:
    before = SETS[name]()
    after = returned(before, tmp_path)
    xr.testing.assert_identical(before, after)
    assert list(before.coords) == list(after.coords)
    assert list(before.data_vars) == list(after.data_vars)
    assert set(before.xindexes) == set(after.xindexes)
    assert before.encoding == after.encoding
    for key in before.variables:
        assert before[key].dtype == after[key].dtype
        assert before[key].encoding == after[key].encoding


@pytest.mark.parametrize(
    "array",
    [
        climate()["T"],
        climate()["T"].rename(None),
        climate()["time"],
        climate()["lat"],
        climate()[3],
        xr.DataArray(np.arange(3.0)),
        xr.DataArray(2.0),
    ],
)
def test_a_labelled_array_returns_as_it_was(array: xr.DataArray, tmp_path: Path) -> None:
    after = returned(array, tmp_path)
    xr.testing.assert_identical(array, after)
    assert array.name == after.name
    assert set(array.xindexes) == set(after.xindexes)


def test_bounds_reach_the_data_and_leave_coordinates(tmp_path: Path) -> None:
    before = climate()
    after = returned(before, tmp_path, bounds={"T": {"abs": 0.1}, "*": "lossless"}, model="auto", block_bytes=1000)
    assert 0 < np.abs(after["T"] - before["T"]).max() <= 0.1
    xr.testing.assert_identical(after.drop_vars("T"), before.drop_vars("T"))


def test_variables_are_chosen_with_their_coordinates(tmp_path: Path) -> None:
    after = returned(climate(), tmp_path, variables=["n", "name"])
    xr.testing.assert_identical(after, climate()[["n", "name"]])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (xr.Dataset({"a": ("x", [1.0])}, attrs={"o": object()}), "attribute 'o' of the dataset is of type object"),
        (xr.Dataset({"a": ("x", [1.0], {"f": print})}), "attribute 'f' of variable 'a'"),
        (xr.Dataset({"a": ("x", np.array([{}], object))}), "'a' .* dict"),
        (xr.Dataset({"a": ("x", pd.period_range("2020", periods=2))}), "'a'"),
        (xr.DataTree(), "DataTree"),
        (xr.Dataset(), "no arrays"),
    ],
)
def test_what_cannot_be_held_is_refused_by_name(data: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        baler_core.compress(data, tmp_path / "x.bal")


def test_encoding_that_cannot_be_kept_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = packed()
    before["b"] = before["a"].copy()
    for name in ("a", "b"):
        before[name].encoding = {"codec": object(), "dtype": np.dtype("i2")}
    after = returned(before, tmp_path)
    assert after["a"].encoding == {"dtype": np.dtype("i2")}
    assert "the encoding 'codec' of type object is left out: of variable 'a', of variable 'b'" in caplog.text


def test_other_forms_of_a_dataset(tmp_path: Path) -> None:
    table = xr.Dataset({"a": ("x", [1.0, 2]), "b": ("x", [3, 4])}, coords={"x": [10, 20]})
    returned(table, tmp_path)
    pd.testing.assert_frame_equal(baler_core.open(tmp_path / "x.bal", as_="pandas"), table.to_dataframe())
    assert baler_core.open(tmp_path / "x.bal", as_="numpy")["b"].tolist() == [3, 4]


def test_the_commands_know_objects(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    returned(climate(), tmp_path)
    with pytest.raises(SystemExit, match="0"):
        main(["info", str(tmp_path / "x.bal")])
    assert "xarray.Dataset" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="0"):
        main(["decompress", str(tmp_path / "x.bal")])
    assert "baler_core.open" in capsys.readouterr().err
    with np.load(tmp_path / "x.restored.npz") as archive:
        np.testing.assert_array_equal(archive["T"], climate()["T"])
        np.testing.assert_array_equal(archive["time"], TIMES.values)
        assert archive["text"].tolist() == ["a", "bb", ""]


def test_a_file_opens_with_its_units_and_packing(tmp_path: Path) -> None:
    pytest.importorskip("baler_hdf5")
    netcdf = pytest.importorskip("netCDF4")
    with netcdf.Dataset(tmp_path / "x.nc", "w") as file:
        file.createDimension("x", 3)
        variable = file.createVariable("a", "i2", ("x",), fill_value=-99)
        variable.units, variable.long_name, variable.scale_factor = "K", "temperature", 0.1
        variable[:] = np.ma.array([1.0, 2.0, 3.0], mask=[0, 0, 1])
    baler_core.compress(tmp_path / "x.nc", tmp_path / "x.bal", bounds="lossless")
    after = baler_core.open(tmp_path / "x.bal")
    assert after["a"].attrs["units"] == "K"
    assert after["a"].attrs["long_name"] == "temperature"
    np.testing.assert_allclose(xr.decode_cf(after)["a"], [1, 2, np.nan])


def test_indexes_keep_their_frequency(tmp_path: Path) -> None:
    times = pd.date_range("2020", periods=4, freq="6h")
    array = xr.DataArray(np.arange(4.0), dims="time", coords={"time": ("time", times, {"axis": "T"})})
    back = returned(array, tmp_path)
    assert back.indexes["time"].freq == times.freq
    assert back.time.attrs == {"axis": "T"}
    assert back.time.dtype == array.time.dtype


def test_arrays_of_dask_are_computed_block_by_block(tmp_path: Path) -> None:
    dask = pytest.importorskip("dask.array")
    largest = []

    def part(block: np.ndarray) -> np.ndarray:
        largest.append(block.nbytes)
        return block * 2

    values = np.random.default_rng(1).normal(size=(64, 50))
    lazy = dask.from_array(values, chunks=(4, 50)).map_blocks(part, dtype=values.dtype, meta=values[:0])
    wanted = xr.DataArray(values * 2, dims=("t", "x"), name="u")
    baler_core.compress(
        xr.DataArray(lazy, dims=("t", "x"), name="u"), tmp_path / "x.bal", block_bytes=4 * 50 * 8, model="scalar"
    )
    xr.testing.assert_identical(baler_core.open(tmp_path / "x.bal"), wanted)
    assert max(largest) == 4 * 50 * 8
    for data in (lazy, {"a": lazy}):
        with pytest.raises(DataError, match=r"dask\.array.*xarray\.DataArray.*\.compute\(\)"):
            baler_core.compress(data, tmp_path / "y.bal")


def test_another_format_is_refused_with_what_to_do(tmp_path: Path) -> None:
    baler_core.compress(climate(), tmp_path / "x.bal", model="scalar")
    with pytest.raises(DataError, match=r"name it x\.npz, or save what baler_core\.open gives, as by its to_netcdf"):
        baler_core.decompress(tmp_path / "x.bal", tmp_path / "x.nc")
    assert not (tmp_path / "x.nc").exists()
