"""Objects and files without a field's plugin open in xarray, too; importing the engine is quick."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import fsspec
import numpy as np
import pytest
import xarray as xr

import baler_core
import baler_core.doors.xarray as door

FAST = {"name": "auto", "effort": "fast"}
rng = np.random.default_rng(6)


@pytest.fixture
def dataset() -> xr.Dataset:
    return xr.Dataset(
        {
            "u": (("t", "x"), np.cumsum(rng.normal(size=(40, 50)), 0), {"units": "m/s"}),
            "n": (("t", "x"), rng.integers(0, 9, (40, 50))),
            "label": ("x", np.array([f"point {n}" for n in range(50)], object)),
        },
        coords={
            "t": np.datetime64("2020-01-01", "ns") + np.arange(40) * np.timedelta64(1, "h"),
            "lat": ("x", np.arange(50.0)),
        },
        attrs={"title": "näme", "levels": [1, 2]},
    )


def test_a_set_returns_as_it_was(dataset: xr.Dataset, tmp_path: Path) -> None:
    dataset.baler.to_file(tmp_path / "a.bal")
    with xr.open_dataset(tmp_path / "a.bal") as found:
        xr.testing.assert_identical(found.load(), dataset)
    with xr.open_dataset(tmp_path / "a.bal", drop_variables=["u", "label"]) as found:
        assert list(found.data_vars) == ["n"]
    dataset["u"].baler.to_file(tmp_path / "u.bal")
    with xr.open_dataarray(tmp_path / "u.bal", cache_size="1 MB") as found:
        xr.testing.assert_identical(found.load(), dataset["u"])


def test_values_of_a_set_wait_until_they_are_used(
    dataset: xr.Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset.baler.to_file(tmp_path / "a.bal", bounds={"u": {"abs": 0.01}}, model=FAST, block_bytes=9000)
    asked: list[str] = []
    original = baler_core.StoredArray._read
    monkeypatch.setattr(
        baler_core.StoredArray, "_read", lambda self, box: asked.append(self.name) or original(self, box)
    )
    with xr.open_dataset(tmp_path / "a.bal", chunks={"t": 10}) as found:
        assert not {"u", "n"} & set(asked)
        part = found["u"].isel(t=slice(3, 5)).compute()
        assert np.abs(part - dataset["u"].isel(t=slice(3, 5))).max() <= 0.0101
        assert "u" in asked
        assert "n" not in asked


def test_arrays_and_text_tables_open_by_their_dimensions(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(12.0).reshape(3, 4))
    baler_core.compress(tmp_path / "a.npy", tmp_path / "a.bal")
    with xr.open_dataset(tmp_path / "a.bal") as found:
        (values,) = found.data_vars.values()
        np.testing.assert_array_equal(values, np.arange(12.0).reshape(3, 4))
    (tmp_path / "t.csv").write_text("x,y\n1,2.5\n3,4.5\n")
    baler_core.compress(tmp_path / "t.csv", tmp_path / "t.bal")
    with xr.open_dataset(tmp_path / "t.bal") as found:
        assert found["y"].values.tolist() == [2.5, 4.5]
    baler_core.compress({"a": np.arange(3), "b": np.arange(4.0)}, tmp_path / "d.bal")
    with (tmp_path / "d.bal").open("rb") as file, xr.open_dataset(file) as found:
        assert found["b"].values.tolist() == [0.0, 1.0, 2.0, 3.0]


def test_only_our_files_are_claimed() -> None:
    claims = door.BalerBackendEntrypoint().guess_can_open
    assert claims("a.BAL")
    assert claims(Path("b/a.bal"))
    assert claims(b"\x89BAL\x02...")
    assert not claims("a.nc")
    assert not claims(b"CDF\x01")


def test_bytes_open_like_files(dataset: xr.Dataset, tmp_path: Path) -> None:
    dataset.baler.to_file(tmp_path / "a.bal", model=FAST)
    content = (tmp_path / "a.bal").read_bytes()
    with fsspec.open("memory://doors/a.bal", "wb") as file:
        file.write(content)
    with (tmp_path / "a.bal").open("rb") as file:
        for place, engine in [(content, "baler"), (file, None), ("memory://doors/a.bal", "baler")]:
            xr.testing.assert_identical(xr.open_dataset(place, engine=engine).load(), dataset)


def test_many_files_are_one_set(dataset: xr.Dataset, tmp_path: Path) -> None:
    for number in range(2):
        part = dataset.isel(t=slice(20 * number, 20 * number + 20))
        part.baler.to_file(tmp_path / f"{number}.bal", model=FAST)
    with xr.open_mfdataset(str(tmp_path / "*.bal"), data_vars="minimal", coords="minimal", compat="override") as found:
        xr.testing.assert_identical(found["u"].compute(), dataset["u"])


def test_the_engine_brings_nothing_heavy_before_a_file_is_opened() -> None:
    code = (
        "import sys, xarray\n"
        "before = set(sys.modules)\n"
        "import baler_core.doors.xarray\n"
        "brought = {name for name in set(sys.modules) - before if not name.startswith('xarray')}\n"
        "print(sorted(brought))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert names_in(found.stdout) == {"baler_core", "baler_core.doors", "baler_core.doors.xarray"}


def names_in(printed: str) -> set[str]:
    """The names in a printed list."""
    return {name.strip(" '[]\n") for name in printed.split(",")}


def test_a_manifest_opens_as_one_set(tmp_path: Path, dataset: xr.Dataset) -> None:
    """Lazily joined, each file decoded by itself; what all have is compared when it is read."""
    pieces = [dataset.isel(t=slice(0, 9)), dataset.isel(t=slice(9, 30)), dataset.isel(t=slice(30, 40))]
    paths = [tmp_path / f"run{number}.nc" for number in range(3)]
    for path, piece in zip(paths, pieces, strict=True):
        times = {"units": "seconds since 2020-01-01", "dtype": "f8"}
        piece.to_netcdf(path, encoding={"t": times, "u": {"_FillValue": -999.0}})
    manifest = baler_core.compress_many(paths, tmp_path / "out", name="runs", bounds={"u": {"abs": 0.01}}, model=FAST)
    with xr.open_dataset(manifest, chunks={}) as found:
        assert found.u.chunks == ((9, 21, 10), (50,))
        xr.testing.assert_identical(found.drop_vars("u").load(), dataset.drop_vars("u"))
        for key in ({"t": slice(None, None, -4)}, {"t": [3, 35, 12], "x": 7}, {"t": -1}, {"t": slice(5, 5)}):
            part = found.u.isel(key)
            assert (np.abs(part - dataset.u.isel(key)) <= 0.0101).all()
            assert part.shape == dataset.u.isel(key).shape
        again = pickle.loads(pickle.dumps(found))  # noqa: S301
        assert abs(again.u.mean().compute() - dataset.u.mean()) < 0.01
    with xr.open_datatree(manifest) as tree:
        assert tree.u.sizes == dataset.u.sizes
    with pytest.raises(OSError, match="there is no group 'other'"):
        xr.open_dataset(manifest, group="other")
    (tmp_path / "out" / "run1.bal").unlink()
    with pytest.raises(OSError, match=r"run1\.bal: there is no such file"):
        xr.open_dataset(manifest)
