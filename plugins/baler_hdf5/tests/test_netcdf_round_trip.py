"""NetCDF files of every format come back as netCDF4 and xarray see them, packed values and fill values included."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np
import pytest
import xarray as xr

from baler_core import values_of
from baler_hdf5.contents.creation import _is_same
from baler_hdf5.reader import NetcdfReader

Restore = Callable[..., Path]
Compare = Callable[[Path, Path], None]
CLASSIC: list[Any] = ["NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA"]
FORMATS = ["NETCDF4", "NETCDF4_CLASSIC", *CLASSIC]
rng = np.random.default_rng(11)


def climate() -> xr.Dataset:
    """A small data set with every CF ingredient: packing, fill, coordinates, bounds, scalars, an ensemble."""
    temperature = 280 + rng.normal(size=(5, 3, 4, 6))
    temperature[1, 0, 2, 3] = np.nan
    return xr.Dataset(
        {
            "t2m": (("time", "member", "lat", "lon"), temperature, {"units": "K", "long_name": "2 m temperature"}),
            "wind": (
                ("time", "lat", "lon"),
                rng.normal(size=(5, 4, 6)).astype("f4"),
                {"standard_name": "eastward_wind"},
            ),
            "mask": (("lat", "lon"), rng.integers(0, 2, (4, 6)).astype("i1"), {"flag_values": np.array([0, 1], "i1")}),
            "crs": ((), np.int32(0), {"grid_mapping_name": "latitude_longitude", "radius": 6371229.0}),
            "time_bnds": (("time", "bnds"), np.arange(10.0).reshape(5, 2)),
        },
        coords={
            "time": ("time", np.arange(5.0), {"units": "hours since 2000-01-01", "calendar": "standard", "axis": "T"}),
            "lat": ("lat", np.linspace(40, 43, 4), {"units": "degrees_north"}),
            "lon": ("lon", np.linspace(0, 5, 6).astype("f4"), {"units": "degrees_east"}),
            "member": ("member", np.arange(3, dtype="i4")),
        },
        attrs={"title": "näme", "version": np.int32(3), "levels": np.array([1.5, 2.5], "f4"), "Conventions": "CF-1.8"},
    )


ENCODING: dict[str, dict[str, Any]] = {
    "t2m": {"dtype": "i2", "scale_factor": 0.001, "add_offset": 280.0, "_FillValue": np.int16(-32767)},
    "wind": {"_FillValue": np.float32(1e20)},
}


@pytest.fixture(params=FORMATS)
def path(request: Any, tmp_path: Path) -> Path:
    file = tmp_path / "climate.nc"
    climate().to_netcdf(file, format=request.param, encoding=ENCODING, unlimited_dims=["time"], engine="netcdf4")
    return file


def test_every_format_returns(path: Path, restore: Restore, same_netcdf: Compare) -> None:
    same_netcdf(path, restore(path, max_bytes=300))


def test_values_stay_packed_and_the_schema_tells_how(path: Path) -> None:
    with NetcdfReader().open(path) as source:
        t2m = source.schema["t2m"]
        assert (t2m.dtype, t2m.scale, t2m.offset, t2m.fill) == ("<i2", 0.001, 280.0, (-32767.0,))
        assert (t2m.units, t2m.label) == ("K", "2 m temperature")
        assert t2m.axes == {"member": "member", "time": "time", "lat": "y", "lon": "x"}
        assert source.schema["wind"].fill == (float(np.float32(1e20)),)
        assert source.schema["wind"].label == "eastward_wind"
        stored = np.concatenate([values_of(block, "t2m") for block in source.blocks(500) if "t2m" in block])
    with xr.open_dataset(path, mask_and_scale=False) as expected:
        assert stored.dtype == np.int16
        np.testing.assert_array_equal(stored, expected["t2m"].values)
    assert stored[1, 0, 2, 3] == -32767


def test_chosen_variables_keep_their_coordinates(path: Path, restore: Restore) -> None:
    restored = restore(path, patterns=["wind"])
    with xr.open_dataset(path) as a, xr.open_dataset(restored) as b:
        assert list(b.data_vars) == ["wind"]
        xr.testing.assert_identical(b[["wind"]].load(), a[["wind"]].load())
    with netCDF4.Dataset(path) as a, netCDF4.Dataset(restored) as b:
        assert a.data_model == b.data_model
        assert b.dimensions["time"].isunlimited()


@pytest.mark.parametrize("kind", CLASSIC)
def test_every_classic_type_returns(tmp_path: Path, restore: Restore, same_netcdf: Compare, kind: Any) -> None:
    path = tmp_path / "classic.nc"
    with netCDF4.Dataset(path, "w", format=kind) as file:
        file.createDimension("t", None)
        file.createDimension("x", 3)
        for number, code in enumerate(["i1", "S1", "i2", "i4", "f4", "f8"]):
            fixed = file.createVariable(f"fixed{number}", code, ("x",))
            record = file.createVariable(f"record{number}", code, ("t", "x"))
            fixed[:] = np.array([b"a", b"b", b"c"]) if code == "S1" else [1, 2, 3]
            record[:4] = np.full((4, 3), b"z") if code == "S1" else np.arange(12).reshape(4, 3)
        file.createVariable("scalar", "f8", ())[...] = 2.5
        file.setncattr("bytes", np.array([1, 2, 3], "i1"))
    restored = restore(path, max_bytes=60)
    same_netcdf(path, restored)
    assert restored.stat().st_size == path.stat().st_size


@pytest.mark.parametrize("code", ["i1", "i2", "f8"])
@pytest.mark.parametrize("records", [0, 1, 5])
def test_a_single_record_variable_is_not_padded(tmp_path: Path, restore: Restore, code: str, records: int) -> None:
    path = tmp_path / "single.nc"
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as file:
        file.createDimension("t", None)
        file.createDimension("x", 3)
        variable = file.createVariable("v", code, ("t", "x"))
        variable[:records] = np.arange(records * 3).reshape(records, 3)
    restored = restore(path, max_bytes=10)
    assert restored.read_bytes() == path.read_bytes()
    with netCDF4.Dataset(restored) as file:
        assert file["v"][:].tolist() == np.arange(records * 3).reshape(records, 3).tolist()


def test_unsigned_and_long_integers_of_cdf5(tmp_path: Path, restore: Restore, same_netcdf: Compare) -> None:
    path = tmp_path / "cdf5.nc"
    with netCDF4.Dataset(path, "w", format="NETCDF3_64BIT_DATA") as file:
        file.createDimension("x", 2)
        for code in ("u1", "u2", "u4", "i8", "u8"):
            limits = np.iinfo(code)
            file.createVariable(code, code, ("x",))[:] = [limits.min, limits.max]
    same_netcdf(path, restore(path))


def test_groups_types_and_strings_of_netcdf4(
    tmp_path: Path, restore: Restore, same_netcdf: Compare, same_hdf5: Compare
) -> None:
    path = tmp_path / "rich.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("time", None)
        file.createDimension("x", 4)
        clouds = file.createEnumType(np.int8, "cloud", {"clear": 0, "fog": 1})
        pair = file.createCompoundType(np.dtype([("a", "f4"), ("b", "i2")]), "pair")
        zeta = file.createVariable(
            "zeta", "f4", ("time", "x"), zlib=True, complevel=3, fill_value=-9.0, chunksizes=(2, 3)
        )
        zeta[:5] = rng.normal(size=(5, 4))
        zeta.setncattr_string("words", "a string")
        zeta.flags, zeta.names = np.array([1, 2], "i2"), ["a", "bc"]
        file.createVariable("alpha", clouds, ("x",), fill_value=0)[:] = [0, 1, 1, 0]
        file.createVariable("pairs", pair, ("x",))[:] = np.array([(1, 2)] * 4, pair.dtype)
        names = file.createVariable("names", str, ("x",))
        names[:] = np.array(["a", "ß", "", "long name"], object)
        file.createVariable("big", ">f8", ("x",), endian="big")[:] = rng.normal(size=4)
        file.createVariable("time", "f8", ("time",))[:] = np.arange(5.0)
        group = file.createGroup("deep/er")
        group.createDimension("y", 2)
        group.createVariable("q", "u2", ("y", "x"), fill_value=False)[:] = 7
        group.createVariable("x", "i4", ("y",))[:] = 1  # named like a dimension it does not have
        file.createVariable("never", "f4", ("x",))
        group.note = "inner"
    with NetcdfReader().open(path) as source:
        assert source.schema["deep/er/q"].dims == ("deep/er/y", "x")
        assert source.schema["deep/er/x"].dims == ("deep/er/y",)
        assert source.schema["names"].dtype == "str"
        assert source.schema["never"].fill == (9.969209968386869e36,)
    restored = restore(path, max_bytes=40)
    same_netcdf(path, restored)
    same_hdf5(path, restored)


def test_ragged_rows_of_netcdf4(tmp_path: Path, restore: Restore, same_hdf5: Compare) -> None:
    path = tmp_path / "ragged.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("x", 3)
        rows = file.createVariable("rows", file.createVLType(np.int32, "ragged"), ("x",))
        rows[0], rows[2] = np.array([1, 2], "i4"), np.array([3], "i4")
    restored = restore(path)
    same_hdf5(path, restored)
    with netCDF4.Dataset(restored) as file:
        assert [row.tolist() for row in file["rows"][:]] == [[1, 2], [], [3]]
    with h5py.File(path) as a, h5py.File(restored) as b:
        fills = [file["rows"].id.get_create_plist().fill_value_defined() for file in (a, b)]
        assert fills == [h5py.h5d.FILL_VALUE_USER_DEFINED] * 2
        assert b["rows"].fillvalue.size == 0


def test_shorter_variables_along_an_unlimited_dimension(tmp_path: Path, restore: Restore, same_netcdf: Compare) -> None:
    path = tmp_path / "uneven.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("time", None)
        file.createVariable("long", "f4", ("time",))[:6] = np.arange(6)
        file.createVariable("short", "f4", ("time",))[:2] = np.arange(2)
    same_netcdf(path, restore(path))


def test_two_dimensional_coordinates_and_repeated_dimensions(
    tmp_path: Path, restore: Restore, same_netcdf: Compare
) -> None:
    path = tmp_path / "odd.nc"
    with netCDF4.Dataset(path, "w") as file:
        for name in ("x", "y"):
            file.createDimension(name, 3)
        file.createVariable("y", "f8", ("y", "x"))[:] = rng.normal(size=(3, 3))
        file.createVariable("covariance", "f8", ("x", "x"))[:] = np.eye(3)
    with NetcdfReader().open(path) as source:
        assert source.schema["y"].dims == ("y", "x")
        assert source.schema["covariance"].dims == ("x", "x_3")
    with netCDF4.Dataset(path) as a, netCDF4.Dataset(restore(path)) as b:
        assert b["y"].dimensions == ("y", "x")
        np.testing.assert_array_equal(a["covariance"][:], b["covariance"][:])


def test_nan_fill_on_packed_integers_is_ignored(tmp_path: Path, restore: Restore) -> None:
    path = tmp_path / "nan.nc"
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as file:
        file.createDimension("x", 2)
        variable = file.createVariable("z", "i2", ("x",))
        variable.set_auto_maskandscale(False)
        variable.setncattr("scale_factor", -1.5)
        variable[:] = [-32767, 0]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            variable.setncattr("missing_value", np.float64(np.nan))
    with NetcdfReader().open(path) as source:
        assert source.schema["z"].fill == (-32767.0,)
        assert source.schema["z"].scale == -1.5
    assert restore(path).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("stored", [np.full(3, np.nan), np.arange(3.0)], ids=["one value", "several"])
def test_what_dimensions_without_a_variable_hold_returns(stored: np.ndarray, tmp_path: Path, restore: Restore) -> None:
    path = tmp_path / "bare.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("n", 3)
        file.createVariable("x", "f8", ("n",))[:] = [1.0, 2.0, 3.0]
    with h5py.File(path, "r+") as file:
        file["n"][...] = stored
    with h5py.File(restore(path)) as file:
        np.testing.assert_array_equal(file["n"][...], stored.astype(file["n"].dtype))
    with netCDF4.Dataset(restore(path)) as file:
        assert list(file.variables) == ["x"]


@pytest.mark.shared
def test_research_files_return(shared_data: Path, restore: Restore, same_netcdf: Compare, same_hdf5: Compare) -> None:
    files = sorted((shared_data / "cfd").glob("*.nc")) + sorted((shared_data / "cfd").glob("*.h5"))
    assert len(files) == 16
    for path in files:
        restored = restore(path, max_bytes=2**20)
        if path.suffix == ".h5":
            same_hdf5(path, restored)
        else:
            same_netcdf(path, restored)
        restored.unlink()


def test_lists_without_a_fill_value_of_their_own_are_as_in_the_original(restore: Restore, tmp_path: Path) -> None:
    path = tmp_path / "lists.nc"
    with netCDF4.Dataset(path, "w") as data:
        data.createDimension("station", 6)
        data.createDimension("time", None)
        for name, dtype in (("depths", "f4"), ("counts", "i8")):
            lists = data.createVariable(name, data.createVLType(dtype, f"{name}_t"), ("time", "station"))
            for n in range(6):
                if n != 3:
                    lists[0, n] = np.arange(n).astype(dtype)
    with NetcdfReader().open(path) as source:
        assert list(source.warnings) == []
    with netCDF4.Dataset(path) as before, netCDF4.Dataset(restore(path)) as after:
        for name in ("depths", "counts"):
            for one, other in zip(before[name][:].flat, after[name][:].flat, strict=True):
                np.testing.assert_array_equal(one, other)


def test_a_fill_value_that_says_something_is_told_apart_from_none() -> None:
    lists = np.dtype([("x", "f4", (2,)), ("n", "O")])
    nothing, some = (np.array((0.0, content), lists)[()] for content in (np.empty(0, "i2"), np.zeros(1, "i2")))
    assert _is_same(nothing, np.array((0.0, np.empty(0, "i2")), lists)[()])
    assert not _is_same(some, nothing)
    assert not _is_same(np.array(((0.0, 1.0), np.empty(0, "i2")), lists)[()], nothing)
    assert not _is_same(np.zeros(2), np.zeros(1))
