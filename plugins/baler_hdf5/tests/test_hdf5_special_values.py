"""Signs, fills, limits and flags are those that netCDF4 and xarray show, in classic files and in HDF5."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np
import pytest
import xarray as xr

import baler_core
from baler_core import Variable, values_of
from baler_hdf5.reader import Hdf5Reader, NetcdfReader

Restore = Callable[..., Path]
FORMATS: list[Any] = ["NETCDF4", "NETCDF3_CLASSIC", "NETCDF3_64BIT_DATA"]
OPEN = (-math.inf, math.inf)


def write(path: Path, kind: Any, code: str, stored: np.ndarray, **attributes: Any) -> None:
    """A file with the one variable `v` and its attributes; `_FillValue` stays away unless it is among them."""
    with netCDF4.Dataset(path, "w", format=kind) as file:
        file.createDimension("x", stored.size)
        fill = attributes.pop("_FillValue", None)
        variable = file.createVariable("v", code, ("x",), fill_value=fill)
        variable.set_auto_maskandscale(False)
        for name, value in attributes.items():
            variable.setncattr(name, value)
        variable[:] = stored.view(code)


def read(path: Path) -> tuple[Variable, np.ndarray]:
    with NetcdfReader().open(path) as source:
        blocks = [values_of(block, "v") for block in source.blocks(100)]
        return source.schema["v"], np.concatenate(blocks)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(("code", "shown"), [("i1", "u1"), ("i2", "u2"), ("i4", "u4")])
def test_unsigned_by_attribute(tmp_path: Path, restore: Restore, kind: Any, code: str, shown: str) -> None:
    path, largest = tmp_path / "v.nc", np.iinfo(shown).max
    stored = np.array([0, 1, largest // 2, largest // 2 + 1, largest - 1, largest], shown)
    minus_two, scale = np.array([0, -2], code), np.array([0.5])
    write(path, kind, code, stored, _Unsigned="true", _FillValue=-1, valid_range=minus_two, scale_factor=scale)
    variable, values = read(path)
    assert variable.numpy_dtype == np.dtype(shown)
    assert (variable.fill, variable.limits) == ((float(largest),), (-math.inf, float(largest) - 1))
    assert (variable.scale, variable.offset) == (0.5, 0.0)
    assert values.tolist() == stored.tolist()
    with xr.open_dataset(path) as a, xr.open_dataset(restore(path)) as b:
        xr.testing.assert_identical(a.load(), b.load())
        assert np.nanmax(a["v"]) == (largest - 1) / 2


@pytest.mark.parametrize("kind", ["NETCDF4", "NETCDF3_64BIT_DATA"])
def test_signed_by_attribute(tmp_path: Path, restore: Restore, kind: Any) -> None:
    path = tmp_path / "v.nc"
    stored = np.array([0, 127, 128, 254, 255], "u1")
    write(path, kind, "u1", stored, _Unsigned="false", flag_values=np.array([128, 254], "u1"), add_offset=np.array(1.5))
    variable, values = read(path)
    assert variable.dtype == "|i1"
    assert values.tolist() == [0, 127, -128, -2, -1]
    assert variable.flags == (-128.0, -2.0)
    with xr.open_dataset(path) as a, xr.open_dataset(restore(path)) as b:
        assert a["v"].values.tolist() == b["v"].values.tolist() == [1.5, 128.5, -126.5, -0.5, 0.5]


@pytest.mark.parametrize("said", ["true", np.bytes_(b"true"), np.array(["true"], object), "True"])
def test_the_sign_is_found_however_it_is_spelled(tmp_path: Path, said: Any) -> None:
    path = tmp_path / "v.h5"
    with h5py.File(path, "w") as file:
        file["v"] = np.array([-1, 1], ">i2")
        file["v"].attrs["_Unsigned"] = said
        file["w"] = np.array([-1, 1], "i2")
        file["w"].attrs["_Unsigned"] = "maybe"
    with Hdf5Reader().open(path) as source:
        assert (source.schema["v"].dtype, source.schema["w"].dtype) == ("<u2", "<i2")
        (block,) = source.blocks(1000)
        assert values_of(block, "v").tolist() == [65535, 1]


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(
    ("code", "attributes", "fill"),
    [
        ("f4", {}, (9.969209968386869e36,)),
        ("i2", {}, (-32767.0,)),
        ("i4", {"missing_value": np.array([-1, -2], "i4")}, (-2147483647.0, -1.0, -2.0)),
        ("i2", {"_FillValue": 7, "missing_value": np.float64(-9)}, (7.0, -9.0)),
        ("i2", {"_FillValue": 7, "missing_value": np.float64(np.nan)}, (7.0,)),
        ("i2", {"_FillValue": 7, "missing_value": np.float64(1e20)}, (7.0,)),
        (
            "f4",
            {"_FillValue": 1e20, "missing_value": np.float64(-9.1)},
            (float(np.float32(1e20)), float(np.float32(-9.1))),
        ),
        ("f8", {"_FillValue": np.nan, "missing_value": -9.0}, (-9.0,)),
        # stated in unpacked units, which no packed value can be
        ("i2", {"_FillValue": 7, "missing_value": np.float64(99999), "scale_factor": np.float64(10)}, (7.0, 10000.0)),
    ],
)
def test_fills(tmp_path: Path, kind: Any, code: str, attributes: dict[str, Any], fill: tuple[float, ...]) -> None:
    write(tmp_path / "v.nc", kind, code, np.zeros(3, code), **attributes)
    assert read(tmp_path / "v.nc")[0].fill == fill


def test_fill_values_of_hdf5_itself_are_exact_and_no_other_value_becomes_one(tmp_path: Path) -> None:
    values = -5 + np.random.default_rng(3).normal(0, 1e-3, 300)
    values[::4] = -5
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", data=values, dtype=">f8", fillvalue=-5)
    baler_core.compress(tmp_path / "x.h5", tmp_path / "x.bal", bounds={"x": {"abs": 0.01}}, model="scalar")
    baler_core.decompress(tmp_path / "x.bal", tmp_path / "y.h5")
    with h5py.File(tmp_path / "y.h5") as file:
        assert ((file["x"][()] == -5) == (values == -5)).all()
        assert 0 < np.abs(file["x"][()] - values).max() <= 0.01


@pytest.mark.parametrize(
    ("kind", "code"),
    [(kind, code) for kind in FORMATS for code in ("i1", "i2", "i4", "f4", "f8")]
    + [(kind, code) for kind in ("NETCDF4", "NETCDF3_64BIT_DATA") for code in ("i8", "u8")],
)
def test_what_netcdf4_masks_is_fill(tmp_path: Path, kind: Any, code: str) -> None:
    path = tmp_path / "v.nc"
    default = netCDF4.default_fillvals[code]
    stored = np.array([default, 1, 0], code)
    write(path, kind, code, stored)
    with netCDF4.Dataset(path) as file:
        masked = np.ma.getmaskarray(file["v"][:])
    fill = read(path)[0].fill
    assert masked.tolist() == [value in [np.dtype(code).type(f) for f in fill] for value in stored]


@pytest.mark.parametrize("fill", [None, 2**63 - 1, 2**53 + 1])
def test_missing_integers_that_no_float_equals_stay_missing(tmp_path: Path, fill: int | None) -> None:
    values = np.random.default_rng(4).integers(0, 500, 900)
    values[::7] = netCDF4.default_fillvals["i8"] if fill is None else fill
    about = {} if fill is None else {"_FillValue": np.int64(fill)}
    write(tmp_path / "v.nc", "NETCDF4", "i8", values, **about)
    baler_core.compress(tmp_path / "v.nc", tmp_path / "v.bal", bounds={"v": {"range": 0.02}}, model="scalar")
    baler_core.decompress(tmp_path / "v.bal", tmp_path / "w.nc")
    with netCDF4.Dataset(tmp_path / "w.nc") as file:
        back = file["v"][:]
    assert np.ma.getmaskarray(back).tolist() == [place % 7 == 0 for place in range(900)]
    assert 0 < np.abs(back - values).max() <= 10


@pytest.mark.parametrize("fill", [2**63 - 1, 2**53 + 1])
def test_integers_that_hdf5_fills_with_are_exact(tmp_path: Path, fill: int) -> None:
    values = np.random.default_rng(4).integers(0, 500, 900)
    values[::7], values[5] = fill, fill - 1
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", data=values, fillvalue=fill)
    baler_core.compress(tmp_path / "x.h5", tmp_path / "x.bal", bounds={"x": {"abs": 5}}, model="scalar")
    with baler_core.open_file(tmp_path / "x.bal") as ours:
        np.testing.assert_array_equal(ours["x"][:] == fill, values == fill)


@pytest.mark.filterwarnings("ignore:.*_FillValue not used since:UserWarning", "ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("fill", [np.nan, 1e20, 40000.0])
def test_where_a_fill_cannot_be_held_the_default_is_missing_as_netcdf4_has_it(tmp_path: Path, fill: float) -> None:
    path = tmp_path / "v.nc"
    stored = np.concatenate([np.arange(-32767, -32700), np.arange(100)]).astype("i2")
    write(path, "NETCDF3_CLASSIC", "i2", stored, _FillXalue=np.float64(fill), scale_factor=0.5)
    path.write_bytes(path.read_bytes().replace(b"_FillXalue", b"_FillValue"))  # of another type, which netCDF refuses
    baler_core.compress(path, tmp_path / "v.bal", bounds={"v": {"abs": 1.5}}, model="scalar")
    baler_core.decompress(tmp_path / "v.bal", tmp_path / "w.nc")
    with netCDF4.Dataset(path) as a, netCDF4.Dataset(tmp_path / "w.nc") as b:
        before, after = a["v"][:], b["v"][:]
    assert np.ma.getmaskarray(before).tolist() == np.ma.getmaskarray(after).tolist() == [True, *[False] * 166]
    assert np.abs(before - after).max() <= 1.5


@pytest.mark.parametrize(
    ("code", "attributes", "limits"),
    [
        ("f4", {"valid_range": np.array([0, 100], "f4")}, (0.0, 100.0)),
        ("f4", {"valid_range": np.array([0.1, 100])}, (float(np.float32(0.1)), 100.0)),
        ("f8", {"valid_min": 3.0}, (3.0, math.inf)),
        ("i2", {"valid_max": np.int16(9), "valid_min": np.int16(-9)}, (-9.0, 9.0)),
        ("i2", {"valid_range": np.array([0, 5], "i2"), "valid_min": np.int16(2)}, (0.0, 5.0)),
        ("i2", {"valid_range": np.array([-32768, 32767], "i2")}, OPEN),
        ("i2", {"valid_range": np.array([5, 0], "i2")}, OPEN),
        ("f4", {"valid_range": np.array([np.nan, np.inf], "f4")}, OPEN),
        ("i2", {"valid_range": "0 to 100"}, OPEN),
        # packed units
        ("i2", {"valid_range": np.array([0, 10000], "i2"), "scale_factor": 0.01}, (0.0, 10000.0)),
        # unpacked ones, since wider than what is stored
        ("i2", {"valid_range": np.array([0.0, 50.0]), "scale_factor": 0.01, "add_offset": 1.0}, (-100.0, 4900.0)),
        ("i2", {"valid_range": np.array([0.0, 50.0]), "scale_factor": -0.01}, (-5000.0, 0.0)),
    ],
)
@pytest.mark.parametrize("kind", FORMATS[:2])
def test_limits(tmp_path: Path, kind: Any, code: str, attributes: dict[str, Any], limits: tuple[float, float]) -> None:
    write(tmp_path / "v.nc", kind, code, np.zeros(3, code), **attributes)
    assert read(tmp_path / "v.nc")[0].limits == limits


@pytest.mark.parametrize("kind", FORMATS[:2])
def test_limits_of_a_wider_type_are_kept_for_readers_of_stored_and_of_physical_units(tmp_path: Path, kind: Any) -> None:
    path, restored = tmp_path / "v.nc", tmp_path / "restored.nc"
    stored = np.random.default_rng(1).integers(-50, 2050, 3000).astype("i2")
    write(path, kind, "i2", stored, valid_range=np.array([0, 100], "f4"), scale_factor=0.05)
    variable, _ = read(path)
    assert (variable.limits, variable.stated_limits) == ((0.0, 2000.0), (0.0, 100.0))
    baler_core.compress(path, tmp_path / "v.bal", bounds={"v": {"abs": 2.0}}, model={"name": "auto", "effort": "fast"})
    baler_core.decompress(tmp_path / "v.bal", restored, overwrite=True)
    with netCDF4.Dataset(path) as before, netCDF4.Dataset(restored) as after:
        assert np.array_equal(np.ma.getmaskarray(before["v"][:]), np.ma.getmaskarray(after["v"][:]))
        for file in (before, after):
            file["v"].set_auto_mask(False)
        x, y = before["v"][:], after["v"][:]
    assert 0 < np.abs(x - y).max() <= 2.0
    assert np.array_equal((x < 0) | (x > 100), (y < 0) | (y > 100))


def test_limits_that_packed_values_cannot_hold_are_physical_ones(tmp_path: Path) -> None:
    path = tmp_path / "v.nc"
    write(path, "NETCDF4", "i2", np.zeros(3, "i2"), valid_max=np.float32(2.5), scale_factor=0.5)
    assert (read(path)[0].limits, read(path)[0].stated_limits) == ((-math.inf, 5.0), OPEN)


def test_flags_and_plain_hdf5(tmp_path: Path) -> None:
    path = tmp_path / "v.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("v", data=[1.0, 2.0], fillvalue=-9.5)
        file["q"] = np.array([1, 2, 4], "u1")
        file["q"].attrs["flag_masks"] = np.array([1, 2, 4], "u1")
        file["s"] = np.array([1, 2], "i2")
        file["s"].attrs["scale_factor"] = np.array([[0.5]])  # no number: nobody unpacks with it
        file["t"] = np.array([1, 2], "i2")
        file["t"].attrs["scale_factor"] = "0.5"
    with Hdf5Reader().open(path) as source:
        assert (source.schema["v"].fill, source.schema["v"].flags) == ((), (-9.5,))
        assert (source.schema["q"].flags, source.schema["q"].role) == ((1.0, 2.0, 4.0), "flag")
        assert (source.schema["s"].scale, source.schema["t"].scale) == (1.0, 0.5)


@pytest.mark.parametrize("kind", ["NETCDF4", "NETCDF3_64BIT_DATA"])
def test_bytes_that_are_signed_by_attribute_are_missing_before_and_after_for_readers_of_either_kind(
    tmp_path: Path, kind: Any
) -> None:
    path, stored = tmp_path / "v.nc", np.random.default_rng(1).integers(0, 256, 4000).astype("u1")
    write(path, kind, "u1", stored, _Unsigned="false", scale_factor=np.array(0.5))
    baler_core.compress(path, tmp_path / "v.bal", bounds={"v": {"abs": 5.0}})
    restored = baler_core.decompress(tmp_path / "v.bal", tmp_path / "r.nc")
    masks = []
    for one in (path, restored):
        with netCDF4.Dataset(one) as file:
            masks.append(np.ma.getmaskarray(file["v"][:]))
    assert masks[0].any()
    np.testing.assert_array_equal(*masks)
    with xr.open_dataset(path) as a, xr.open_dataset(restored) as b:
        assert 0 < np.abs(a["v"].values - b["v"].values).max() <= 5.0


@pytest.mark.parametrize(
    ("code", "scale", "offset"), [("i2", 0.01, 273.15), ("u1", -0.02, -300.0), ("f4", 0.01, 273.15), ("i4", 1e-3, -2.0)]
)
def test_relative_bounds_on_packed_numbers_with_an_offset_count_from_its_zero(
    tmp_path: Path, code: str, scale: float, offset: float
) -> None:
    path, packed, again = (tmp_path / name for name in ("v.nc", "v.bal", "w.nc"))
    stored = np.rint(np.clip(120 + np.cumsum(np.random.default_rng(3).normal(size=4000)), 0, 240)).astype(code)
    write(path, "NETCDF4", code, stored, scale_factor=scale, add_offset=offset)
    baler_core.compress(path, packed, bounds={"v": {"rel": 1e-3}}, model="scalar")
    baler_core.decompress(packed, again)
    with netCDF4.Dataset(path) as a, netCDF4.Dataset(again) as b:
        before, after = a["v"][:], b["v"][:]
        assert 0.4e-3 < np.abs((after - before) / before).max() <= 1e-3


def test_packed_numbers_of_which_nothing_is_lost_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "v.nc"
    write(path, "NETCDF4", "i2", np.arange(500, dtype="i2") % 90, scale_factor=0.5, add_offset=1.0, units="K")
    baler_core.compress(path, tmp_path / "v.bal", bounds={"v": {"abs": 0.1}}, model="scalar")
    assert "nothing is lost, whatever the bound, in 'v' (abs 0.1, in steps of 0.5 K)" in caplog.text


def test_text_in_no_valid_encoding_and_large_unsigned_numbers(tmp_path: Path) -> None:
    path, packed, again = (tmp_path / name for name in ("v.h5", "v.bal", "w.h5"))
    counts = np.random.default_rng(1).integers(0, 2**40, 500, dtype="u8")
    with h5py.File(path, "w") as file:
        file.create_dataset("text", data=[b"x", b"\xff\xfe", b""], dtype=h5py.string_dtype("ascii"))
        file["counts"] = counts
    baler_core.compress(path, packed, bounds={"counts": {"rel": 1e-2}}, model="scalar")
    baler_core.decompress(packed, again)
    with h5py.File(again) as file:
        assert file["text"][()].tolist() == [b"x", b"\xff\xfe", b""]
        error = np.abs(file["counts"][()].astype(float) - counts)
        assert error.max() > 0
        assert (error <= 1e-2 * counts).all()
