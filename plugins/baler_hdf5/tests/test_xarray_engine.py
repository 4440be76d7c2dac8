"""`xr.open_dataset` shows a .bal file of NetCDF as it shows the original: values, attributes, decoding, encoding, groups."""

from __future__ import annotations

import os
import pickle
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np
import pytest
import xarray as xr

import baler_core
from baler_core import BalerError
from baler_core.doors.xarray_store import BalerStore

FAST = {"name": "auto", "effort": "fast"}
FORMATS: list[Any] = ["NETCDF4", "NETCDF4_CLASSIC", "NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA"]
rng = np.random.default_rng(5)


def cf(path: Path, kind: Any) -> None:
    """Times with bounds and a calendar, packing, missing values, auxiliary coordinates, texts as characters, durations."""
    with netCDF4.Dataset(path, "w", format=kind) as file:
        for name, length in {"time": None, "y": 3, "x": 5, "bnds": 2, "letter": 8}.items():
            file.createDimension(name, length)
        time = file.createVariable("time", "f8", ("time",))
        time.setncatts({"units": "days since 1850-01-01", "bounds": "time_bnds", "calendar": "noleap", "axis": "T"})
        time[:] = np.arange(4.0)
        file.createVariable("time_bnds", "f8", ("time", "bnds"))[:] = np.arange(8.0).reshape(4, 2)
        lat = file.createVariable("lat", "f8", ("y", "x"))
        lat.units, lat[:] = "degrees_north", rng.normal(size=(3, 5))
        packed = file.createVariable("t", "i2", ("time", "y", "x"), fill_value=-32767)
        packed.setncatts({"scale_factor": 0.01, "add_offset": 280.0, "coordinates": "lat station", "units": "K"})
        packed[:] = np.ma.masked_greater(280 + rng.normal(size=(4, 3, 5)), 281)
        plain = file.createVariable("p", "f4", ("time", "y", "x"), fill_value=np.float32(1e20))
        plain.missing_value, plain.cell_methods = np.float32(1e20), "time: mean"
        plain[:] = np.ma.masked_less(rng.normal(size=(4, 3, 5)), -1)
        file.createVariable("station", "S1", ("y", "letter"))[:] = np.full((3, 8), b"q")
        lasting = file.createVariable("lasting", "i4", ("time",))
        lasting.units, lasting[:] = "hours", np.arange(4)
        file.createVariable("crs", "i4", ()).grid_mapping_name = "mercator"
        file.createVariable("never", "f4", ("x",))
        file.setncatts({"title": "näme", "version": np.int32(3), "levels": np.array([1.5, 2.5], "f4"), "empty": ""})


def unsigned(path: Path, kind: Any) -> None:
    """Stored integers of which readers see the other sign."""
    with netCDF4.Dataset(path, "w", format=kind) as file:
        file.createDimension("x", 4)
        for code in ("i1", "i2", "i4"):
            variable = file.createVariable(code, code, ("x",), fill_value=-1)
            variable.set_auto_maskandscale(False)
            variable.setncatts({"_Unsigned": "true", "valid_range": np.array([0, -2], code), "scale_factor": 0.5})
            variable[:] = np.array([0, 3, -3, -1], code)


def every_type(path: Path, kind: Any) -> None:
    """All types of a format, single values, one variable shorter than its dimension."""
    codes = ["i1", "S1", "i2", "i4", "f4", "f8"] + ["u1", "u2", "u4", "i8", "u8"] * (kind in ("NETCDF4", FORMATS[-1]))
    with netCDF4.Dataset(path, "w", format=kind) as file:
        file.createDimension("t", None)
        file.createDimension("x", 3)
        for code in codes:
            letters = code == "S1"
            file.createVariable(f"fixed_{code}", code, ("x",))[:] = (
                np.array([b"a", b"b", b"c"]) if letters else [1, 2, 3]
            )
            rows = np.full((4, 3), b"z") if letters else np.arange(12).reshape(4, 3)
            file.createVariable(f"record_{code}", code, ("t", "x"))[:4] = rows
        file.createVariable("short", "f4", ("t",))[:2] = [1, 2]
        file.createVariable("single", "f8", ())[...] = 2.5


def rich(path: Path, kind: Any) -> None:
    """What only NetCDF-4 has: groups, enumerations, compounds, strings, filters, byte orders."""
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("time", None)
        file.createDimension("x", 4)
        clouds = file.createEnumType(np.int8, "cloud", {"clear": 0, "fog": 1})
        pair = file.createCompoundType(np.dtype([("a", "f4"), ("b", "i4")]), "pair")
        zeta = file.createVariable(
            "zeta", "f4", ("time", "x"), zlib=True, complevel=3, fill_value=-9, chunksizes=(2, 3)
        )
        zeta[:5] = rng.normal(size=(5, 4))
        zeta.setncattr_string("words", "a string")
        zeta.flags, zeta.names = np.array([1, 2], "i2"), ["a", "bc"]
        file.createVariable("alpha", clouds, ("x",), fill_value=0)[:] = [0, 1, 1, 0]
        file.createVariable("pairs", pair, ("x",))[:] = np.array([(1, 2)] * 4, pair.dtype)
        file.createVariable("names", str, ("x",))[:] = np.array(["a", "ß", "", "long name"], object)
        file.createVariable("word", str, ())[...] = "a single text"
        file.createVariable("big", ">f8", ("x",), endian="big")[:] = rng.normal(size=4)
        file.createVariable("time", "f8", ("time",))[:] = np.arange(5.0)
        file.createVariable("covariance", "f8", ("x", "x"))[:] = np.eye(4)
        group = file.createGroup("deep/er")
        group.createDimension("y", 2)
        group.createVariable("q", "u2", ("y", "x"), fill_value=False)[:] = 7
        group.createVariable("x", "i4", ("y",))[:] = 1  # named like a dimension it does not have
        group.note = "inner"
        file.createDimension("n", 100)
        for compressor in ("szip", "zstd", "bzip2"):
            file.createVariable(compressor, "f4", ("n",), compression=compressor)[:] = rng.normal(size=100)


def bare(path: Path, kind: Any) -> None:
    """Attributes alone, so that the file is kept as it is."""
    with netCDF4.Dataset(path, "w") as file:
        file.title = "nothing yet"


MAKERS = (cf, unsigned, every_type)
CASES = [(make, kind) for make in MAKERS for kind in FORMATS] + [(rich, "NETCDF4"), (bare, "NETCDF4")]


def same(original: xr.Dataset, ours: xr.Dataset) -> None:
    """Identical, in the same order, of the same types and encoding."""
    xr.testing.assert_identical(original.load(), ours.load())
    assert list(original.variables) == list(ours.variables)
    assert repr(original.attrs) == repr(ours.attrs)
    assert original.encoding["unlimited_dims"] == ours.encoding["unlimited_dims"]
    for name, variable in original.variables.items():
        assert variable.dtype == ours[name].dtype
        assert repr(variable.attrs) == repr(ours[name].attrs)
        encodings = [dict(each.encoding) for each in (variable, ours[name])]
        for encoding in encodings:
            encoding.pop("source", None)
            encoding.pop("preferred_chunks", None)
        np.testing.assert_equal(*encodings)


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "(?s).*(cftime|multiple fill values|duplicate dimension|'_Unsigned')")
        yield


@pytest.mark.parametrize(("make", "kind"), CASES, ids=[f"{make.__name__}-{kind}" for make, kind in CASES])
def test_a_file_looks_like_its_original(tmp_path: Path, make: Callable[[Path, Any], None], kind: Any) -> None:
    make(tmp_path / "a.nc", kind)
    baler_core.compress(tmp_path / "a.nc", tmp_path / "a.bal", model="exact")
    for options in ({}, {"decode_cf": False}, {"mask_and_scale": False, "decode_timedelta": True}):
        with (
            xr.open_dataset(tmp_path / "a.nc", engine="netcdf4", **options) as original,
            xr.open_dataset(tmp_path / "a.bal", **options) as ours,
        ):
            same(original, ours)


def test_compounds_of_the_other_order_are_read(tmp_path: Path) -> None:
    stored = np.array([(1, 2.5, 3)] * 2, [("a", ">i2"), ("b", ">f4"), ("c", "i1")])
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["pairs"] = stored
    baler_core.compress(tmp_path / "a.h5", tmp_path / "a.bal", model="exact")
    with xr.open_dataset(tmp_path / "a.bal") as ours:
        assert ours["pairs"].values.tolist() == stored.tolist()
        assert ours["pairs"].dtype == stored.dtype.newbyteorder("=")


@pytest.mark.parametrize("kind", ["NETCDF4", "NETCDF3_64BIT"])
@pytest.mark.parametrize("make", [cf, unsigned])
def test_what_open_returns_decodes_to_the_original(
    tmp_path: Path, make: Callable[[Path, Any], None], kind: Any
) -> None:
    make(tmp_path / "a.nc", kind)
    with netCDF4.Dataset(tmp_path / "a.nc", "a") as file:
        file.setncatts({"title": "a run", "numbers": np.array([1, 2], "i4")})
        file.createDimension("when", 3)
        when = file.createVariable("when", "f8", ("when",))
        when.setncatts({"units": "days since 2001-01-01", "calendar": "360_day", "standard_name": "time", "axis": "T"})
        when[:] = [58, 59, 60]
    baler_core.compress(tmp_path / "a.nc", tmp_path / "a.bal", model="scalar")
    with (
        xr.open_dataset(tmp_path / "a.nc", engine="netcdf4") as original,
        xr.open_dataset(tmp_path / "a.nc", engine="netcdf4", decode_cf=False) as plain,
        baler_core.open(tmp_path / "a.bal") as ours,
    ):
        assert repr(ours["when"].attrs) == repr(plain["when"].attrs)
        assert ours["when"].values.tolist() == [58, 59, 60]
        assert repr(ours.attrs) == repr(original.attrs)
        decoded = xr.decode_cf(ours).load()
        if make is unsigned:  # of the sign that values have, so are the limits
            xr.testing.assert_equal(decoded, original.load())
            assert decoded["i1"].attrs["valid_range"].tolist() == [0, 254]
        else:
            xr.testing.assert_identical(decoded, original.load())


def test_groups_are_those_of_the_original(tmp_path: Path) -> None:
    rich(tmp_path / "a.nc", "NETCDF4")
    baler_core.compress(tmp_path / "a.nc", tmp_path / "a.bal", model="exact")
    with (
        xr.open_datatree(tmp_path / "a.nc", engine="netcdf4") as original,
        xr.open_datatree(tmp_path / "a.bal") as ours,
    ):
        xr.testing.assert_identical(original.load(), ours.load())
        assert ours["deep/er/q"].encoding["dtype"] == np.uint16
    with xr.open_dataset(tmp_path / "a.bal", group="/deep/er") as inner:
        assert (list(inner.data_vars), list(inner.coords), inner.attrs) == (["q"], ["x"], {"note": "inner"})
    with pytest.raises(KeyError, match=r"there is no group 'deep/eer'\. Did you mean 'deep/er'"):
        xr.open_dataset(tmp_path / "a.bal", group="deep/eer")
    with pytest.raises(OSError, match=r"there is no group 'zzz'\. Available: /, deep"):
        xr.open_dataset(tmp_path / "a.bal", group="zzz")


@pytest.fixture
def field(tmp_path: Path) -> tuple[Path, Path]:
    """A packed field and a plain one, and the same within bounds, in blocks of a few frames."""
    frames = np.cumsum(rng.normal(size=(40, 20, 30)), axis=0)
    dataset = xr.Dataset(
        {"t": (("time", "y", "x"), frames + 280), "u": (("time", "y", "x"), frames.astype("f4"), {"units": "m/s"})},
        coords={"time": np.datetime64("2001-01-01", "ns") + np.arange(40) * np.timedelta64(6, "h")},
    )
    dataset["t"][3, 2, 1] = np.nan
    path, ours = tmp_path / "field.nc", tmp_path / "field.bal"
    packing = {"dtype": "i2", "scale_factor": 0.01, "add_offset": 280.0, "_FillValue": np.int16(-32767)}
    dataset.to_netcdf(path, encoding={"t": packing}, engine="netcdf4")
    bounds = {"t": {"abs": 0.02}, "u": {"abs": 0.01}}
    baler_core.compress(path, ours, bounds=bounds, model=FAST, block_bytes=60_000)
    return path, ours


def test_lossy_values_lie_within_their_bounds(field: tuple[Path, Path]) -> None:
    with xr.open_dataset(field[0], engine="netcdf4") as original, xr.open_dataset(field[1]) as ours:
        for name, bound in {"t": 0.02, "u": 0.01}.items():
            error = np.abs(original[name].values.astype("f8") - ours[name].values)
            assert 0 < np.nanmax(error) <= bound * 1.0001
            assert np.array_equal(np.isnan(original[name]), np.isnan(ours[name]))
        xr.testing.assert_identical(original["time"], ours["time"])


def test_chunks_are_blocks_and_threads_read_them(field: tuple[Path, Path]) -> None:
    with xr.open_dataset(field[1]) as whole, xr.open_dataset(field[1], chunks={}) as ours:
        lengths = ours["u"].chunks[0]
        assert len(lengths) > 2
        assert max(lengths) == baler_core.open_file(field[1])["u"].chunks[0]
        mean = ours["u"].astype("f8").mean("time").compute(scheduler="threads", num_workers=4)
        xr.testing.assert_allclose(mean, whole["u"].astype("f8").mean("time"))
        key: dict[str, Any] = {"time": slice(7, 9), "y": [3, 1, 1], "x": slice(None, None, -3)}
        xr.testing.assert_identical(ours["u"].isel(key).compute(), whole["u"].isel(key).load())


def test_sets_can_be_pickled_dropped_from_and_closed(field: tuple[Path, Path]) -> None:
    ours = xr.open_dataset(field[1], drop_variables="t")
    assert list(ours.data_vars) == ["u"]
    again = pickle.loads(pickle.dumps(ours))  # noqa: S301
    xr.testing.assert_identical(again["u"].load(), ours["u"].copy().load())
    ours.close()
    again.close()
    if Path("/proc/self/fd").is_dir():
        opened = [os.readlink(link) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
        assert str(field[1]) not in opened


def test_a_set_can_be_changed_and_written_again(field: tuple[Path, Path], tmp_path: Path) -> None:
    with xr.open_dataset(field[1]) as ours:
        faster = ours.assign(u=ours["u"] * 2)
        faster.baler.to_file(tmp_path / "faster.bal", bounds={"u": {"abs": 0.01}}, model=FAST)
        ours.to_netcdf(tmp_path / "again.nc", engine="netcdf4")
        with xr.open_dataset(tmp_path / "faster.bal") as found:
            assert np.abs(found["u"] - faster["u"]).max() <= 0.0101
            xr.testing.assert_identical(found["t"].load(), ours["t"].load())
        with xr.open_dataset(tmp_path / "again.nc", engine="netcdf4") as found:
            xr.testing.assert_identical(found.load(), ours.load())
            assert found["t"].encoding["dtype"] == np.int16


def test_damage_is_an_oserror_of_one_sentence(field: tuple[Path, Path], tmp_path: Path) -> None:
    content = field[1].read_bytes()
    (tmp_path / "cut.bal").write_bytes(content[: len(content) // 2])
    (tmp_path / "other.bal").write_bytes(b"something else entirely")
    for name in ("cut.bal", "other.bal", "nowhere.bal"):
        with pytest.raises(OSError, match=rf"{name}") as caught:
            xr.open_dataset(tmp_path / name)
        assert isinstance(caught.value, BalerError | FileNotFoundError)
        assert "\n" not in str(caught.value)


def test_damage_of_values_is_an_oserror_when_they_are_used(field: tuple[Path, Path], tmp_path: Path) -> None:
    content = bytearray(field[1].read_bytes())
    content[len(content) // 2] ^= 0xFF
    (tmp_path / "d.bal").write_bytes(content)
    with xr.open_dataset(tmp_path / "d.bal", drop_variables="time") as ours:
        with pytest.raises(OSError, match=r"d\.bal.*damaged") as caught:
            ours.load()
        assert isinstance(caught.value, baler_core.FormatError)


@pytest.mark.shared
def test_research_files_look_like_their_originals(shared_data: Path, tmp_path: Path) -> None:
    for name in ("A1B_north_america", "orca2_votemper"):
        path = shared_data / "cfd" / f"{name}.nc"
        baler_core.compress(path, tmp_path / "a.bal", model=FAST, overwrite=True)
        with xr.open_dataset(path, engine="netcdf4") as original, xr.open_dataset(tmp_path / "a.bal") as ours:
            same(original, ours)


def test_forged_records_are_refused_or_show_what_is_there(tmp_path: Path) -> None:
    rich(tmp_path / "a.nc", "NETCDF4")
    baler_core.compress(tmp_path / "a.nc", tmp_path / "a.bal", model="exact")
    with baler_core.open_file(tmp_path / "a.bal") as file:
        entries = file.schema.skeleton["entries"]
        place = next(n for n, entry in enumerate(entries) if entry["path"] == "zeta")
        stored = file._stored.header
        for key, value in [("shape", [2**40, 4]), ("shape", [5]), ("variables", {"nowhere": []}),
                           ("variables", {"zeta": ["a"]}), ("type", {"named": "x"}), ("attributes", 7)]:  # fmt: skip
            forged = [*entries[:place], {**entries[place], key: value}, *entries[place + 1 :]]
            schema = replace(stored.schema, skeleton={**stored.schema.skeleton, "entries": forged})
            file._stored.header = replace(stored, schema=schema)
            with pytest.raises(BalerError):
                BalerStore(file, "")
