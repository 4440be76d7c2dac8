"""Zarr stores come back file by file: documents, values, missing chunks; lossy arrays within their bounds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
import xarray as xr
import zarr
from zarr.storage import ZipStore

import baler_core
from baler_zarr.reader import ZarrReader

from .zarr_stores import ENCODING, assert_same, dataset, files_of, make_codecs, make_store, quiet, restored


@pytest.mark.parametrize(("form", "block_bytes"), [(2, 1000), (3, 1000), (3, 1_000_000)])
def test_a_store_comes_back_file_by_file(form: int, block_bytes: int, tmp_path: Path) -> None:
    path = make_store(tmp_path / "a.zarr", form)
    done = restored(path, block_bytes=block_bytes)
    assert_same(zarr.open_group(path, mode="r"), zarr.open_group(done, mode="r"))
    before, after = files_of(path), files_of(done)
    assert before.keys() == after.keys()
    texts = [key for key in before if key.endswith((".json", ".zarray", ".zattrs", ".zgroup", ".zmetadata", "README"))]
    assert {key: before[key] for key in texts} == {key: after[key] for key in texts}


def test_codecs_orders_and_keys_of_chunks_are_kept(tmp_path: Path) -> None:
    path = make_codecs(tmp_path / "a.zarr")
    done = restored(path)
    assert_same(zarr.open_group(path, mode="r"), zarr.open_group(done, mode="r"))
    before, after = files_of(path), files_of(done)
    assert before.keys() == after.keys()
    assert before["plain/1/2"] == after["plain/1/2"]


@pytest.mark.parametrize("form", [2, 3])
def test_fill_values_that_no_float_equals_stay_apart(form: int, tmp_path: Path) -> None:
    values = np.random.default_rng(4).integers(0, 500, 900)
    values[::7], values[5] = 2**63 - 1, 2**63 - 2
    zarr.create_array(
        str(tmp_path / "a.zarr"), shape=(900,), chunks=(90,), dtype="i8", fill_value=2**63 - 1, zarr_format=form
    )[:] = values  # type: ignore[call-overload, unused-ignore]
    back = zarr.open_array(restored(tmp_path / "a.zarr", bounds={"data": {"abs": 5}}), mode="r")[:]
    np.testing.assert_array_equal(back == 2**63 - 1, values == 2**63 - 1)
    assert (back != values).any()


def test_values_that_equal_the_fill_value_keep_their_bits_in_shards(tmp_path: Path) -> None:
    nans = np.array([0x7FF8000000000000, 0x7FF8000000000123, 0xFFF8000000000000] * 4, "u8").view("f8")
    zeros = np.array([0, -0.0, complex(0, -0.0)] * 4)
    with zarr.config.set({"array.write_empty_chunks": True}):
        group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=3)
        for name, values, fill in (("nan", nans, np.nan), ("zero", zeros, 0j), ("signs", zeros.real, 0.0)):
            kind = values.dtype
            group.create_array(name, shape=(12,), chunks=(1,), shards=(4,), dtype=kind, fill_value=fill)[:] = values
        group.create_array("gap", shape=(12,), chunks=(2,), shards=(4,), dtype="f8", fill_value=np.nan)[:2] = 1
    before, after = (zarr.open_group(one, mode="r") for one in (tmp_path / "a.zarr", restored(tmp_path / "a.zarr")))
    assert_same(before, after)
    assert files_of(tmp_path / "a.zarr").keys() == files_of(tmp_path / "restored-a.zarr").keys()


def test_records_that_zarr_cannot_write_are_kept_as_files(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    kind = np.dtype([("a", "<f4"), ("t", "<M8[s]")])
    values = np.array([(0.5, "2020-01-01"), (1.5, "NaT")], kind)
    zarr.create_array(str(tmp_path / "a.zarr/x"), shape=(4,), dtype="f4", zarr_format=2)[:] = 1
    (tmp_path / "a.zarr" / "r").mkdir()
    (tmp_path / "a.zarr" / "r" / "0").write_bytes(numcodecs.Blosc().encode(values.tobytes()))
    about = {"shape": [2], "chunks": [2], "dtype": kind.descr, "order": "C", "filters": None, "zarr_format": 2}
    document = {**about, "compressor": numcodecs.Blosc().get_config(), "fill_value": None}
    (tmp_path / "a.zarr" / "r" / ".zarray").write_text(json.dumps(document))
    done = restored(tmp_path / "a.zarr")
    assert "the array 'r' is kept byte for byte, since zarr cannot encode it" in caplog.text
    assert files_of(done) == files_of(tmp_path / "a.zarr")


@pytest.mark.parametrize("kind", ["V3", np.dtype([("a", "<f4")])])
def test_what_zarr_cannot_write_in_shards_refuses_no_store(kind: Any, tmp_path: Path) -> None:
    with quiet():
        group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=3)
        group.create_array("x", shape=(4,), dtype="f4")[:] = 1
        group.create_array("r", shape=(4,), chunks=(2,), shards=(4,), dtype=kind)
        done = restored(tmp_path / "a.zarr")
    assert files_of(done) == files_of(tmp_path / "a.zarr")


def test_records_within_records_are_kept_as_bytes(tmp_path: Path) -> None:
    kind = np.dtype([("a", "<f4"), ("inside", [("x", "<i4"), ("y", "<f8")])])
    values = np.zeros((5, 2), kind)
    values["a"], values["inside"]["y"] = np.arange(10).reshape(5, 2) / 3, np.nan
    with quiet():
        made = zarr.create_array(str(tmp_path / "a.zarr"), shape=(5, 2), chunks=(2, 2), dtype=kind)
        made[...] = values
        back = zarr.open_array(restored(tmp_path / "a.zarr"), mode="r")
    assert back.dtype == kind
    assert np.asarray(back[...]).tobytes() == values.tobytes()
    with xr.open_dataset(tmp_path / "store.bal") as shown:
        assert shown["data"].dtype == kind
        assert shown["data"][1:4, 1].values.tobytes() == values[1:4, 1].tobytes()


def test_a_store_that_is_an_array_is_one_variable(tmp_path: Path) -> None:
    zarr.create_array(str(tmp_path / "a.zarr"), shape=(8, 3), chunks=(4, 3), dtype="f8")[:] = np.arange(24.0).reshape(
        8, 3
    )
    with ZarrReader().open(tmp_path / "a.zarr") as source:
        assert source.schema.names == ["data"]
    done = restored(tmp_path / "a.zarr")
    assert np.array_equal(zarr.open_array(done, mode="r")[...], np.arange(24.0).reshape(8, 3))


def test_zip_files_hold_stores_too(tmp_path: Path) -> None:
    data, form = dataset(), 3
    with quiet(), ZipStore(tmp_path / "a.zarr.zip", mode="w") as store:
        data.to_zarr(store, zarr_format=form, encoding=ENCODING)
    with ZipStore(restored(tmp_path / "a.zarr.zip"), mode="r") as store, quiet():
        back = xr.open_zarr(store, consolidated=False).load()
    with ZipStore(tmp_path / "a.zarr.zip", mode="r") as store, quiet():
        xr.testing.assert_identical(xr.open_zarr(store, consolidated=False).load(), back)
    as_folder = restored(tmp_path / "a.zarr.zip", tmp_path / "b.zarr")
    assert as_folder.is_dir()
    with quiet():
        xr.testing.assert_identical(back, xr.open_zarr(as_folder).load())


@pytest.mark.parametrize("form", [2, 3])
def test_xarray_finds_its_dataset_again(form: int, tmp_path: Path) -> None:
    with quiet():
        dataset().to_zarr(tmp_path / "a.zarr", zarr_format=form, encoding=ENCODING)
        before = xr.open_zarr(tmp_path / "a.zarr")
        xr.testing.assert_identical(before, xr.open_zarr(restored(tmp_path / "a.zarr")))
        bounds = {"tas": {"abs": 0.05}, "pr": {"abs": 0.1}}
        after = xr.open_zarr(restored(tmp_path / "a.zarr", bounds=bounds))
    for name, bound in (("tas", 0.05), ("pr", 0.1)):
        assert (np.isnan(before[name]) == np.isnan(after[name])).all()
        assert 0 < float(abs(before[name] - after[name]).max()) <= bound * (1 + 1e-12)
        assert before[name].attrs == after[name].attrs
        assert before[name].encoding["chunks"] == after[name].encoding["chunks"]
    for name in ("time", "lat", "lon", "flag", "station"):
        xr.testing.assert_identical(before[name].variable, after[name].variable)


@pytest.mark.parametrize("form", [2, 3])
def test_variables_are_described_by_their_attributes(form: int, tmp_path: Path) -> None:
    with quiet():
        dataset().to_zarr(tmp_path / "a.zarr", zarr_format=form, encoding=ENCODING)
    with ZarrReader().open(tmp_path / "a.zarr") as source:
        schema = source.schema
    assert schema["pr"].dtype == "<i2"
    assert (schema["pr"].scale, schema["pr"].offset) == (0.01, 5.0)
    assert -999 in schema["pr"].fill
    assert schema["tas"].standard_name == "air_temperature"
    assert schema["tas"].dims == ("time", "lat", "lon")
    assert schema["tas"].axes == {"time": "time", "lat": "y", "lon": "x"}
    roles = {name: schema[name].role for name in ("time", "lat", "lon", "flag")}
    assert roles == {"time": "time", "lat": "position", "lon": "position", "flag": "flag"}
    assert schema["flag"].flags == (0.0, 1.0, 2.0)
    assert schema["station"].dtype == "str"


def test_what_was_never_written_stays_so_in_lossy_arrays(tmp_path: Path) -> None:
    made = zarr.create_array(str(tmp_path / "a.zarr"), shape=(400, 40), chunks=(50, 20), dtype="f4", fill_value=-1)
    values = np.random.default_rng(3).normal(size=(100, 40)).astype("f4")
    made[100:200] = values
    done = restored(tmp_path / "a.zarr", bounds={"abs": 0.1})
    back = zarr.open_array(done, mode="r")[...]
    assert files_of(done).keys() == files_of(tmp_path / "a.zarr").keys()
    assert (back[:100] == -1).all()
    assert (back[200:] == -1).all()
    assert 0 < np.abs(back[100:200] - values).max() <= 0.1


def test_groups_with_dimensions_of_one_name_are_kept_apart(tmp_path: Path) -> None:
    with quiet():
        tree = xr.DataTree.from_dict(
            {
                "/": xr.Dataset({"x": ("k", np.arange(3.0))}),
                "/fine": xr.Dataset({"u": ("n", np.arange(8.0))}),
                "/coarse": xr.Dataset({"u": ("n", np.arange(4.0))}),
            }
        )
        tree.to_zarr(tmp_path / "a.zarr", consolidated=False)
        xr.testing.assert_identical(
            tree, xr.open_datatree(restored(tmp_path / "a.zarr"), engine="zarr", consolidated=False).load()
        )
    with ZarrReader().open(tmp_path / "a.zarr") as source:
        assert source.schema["fine/u"].dims == ("fine/n",)
        assert source.schema["coarse/u"].dims == ("coarse/n",)


def test_selected_arrays_are_restored_alone(tmp_path: Path) -> None:
    for form in (2, 3):
        path = make_store(tmp_path / f"a{form}.zarr", form)
        with quiet():
            done = zarr.open_group(restored(path, variables=["x", "sub/text"]), mode="r")
            assert sorted(name for name, _ in done.members(max_depth=None)) == ["sub", "sub/text", "x"]
            assert np.array_equal(done["x"][...], zarr.open_group(path, mode="r")["x"][...], equal_nan=True)
    with pytest.raises(baler_core.BalerError, match="sub/text"):
        restored(path, variables=["sub/texts"])


def test_arrays_whose_codecs_change_values_are_kept_byte_for_byte(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from numcodecs import Delta, FixedScaleOffset

    values = np.random.default_rng(4).normal(size=100)
    lossy = [FixedScaleOffset(0, 100, "f8", "i4")]
    with quiet():
        group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w", zarr_format=2)
        group.create_array("scaled", shape=(100,), chunks=(40,), dtype="f8", filters=lossy)[:] = values
        group.create_array("plain", shape=(100,), chunks=(40,), dtype="f8")[:] = values
        for name, dtype, stored in (("sums", "f4", "f4"), ("narrow", "i8", "i2"), ("whole", "i4", "i4")):
            group.create_array(name, shape=(100,), chunks=(40,), dtype=dtype, filters=[Delta(dtype, stored)])[:] = (
                values * 100
            )
    written = baler_core.compress(tmp_path / "a.zarr", tmp_path / "a.bal", bounds={"abs": 0.5}, model="scalar")
    assert set(written.errors) == {"plain"}
    assert not written.left_out  # not lost, but out of reach of bounds
    done = tmp_path / "b.zarr"
    baler_core.decompress(tmp_path / "a.bal", done)
    # Sums of rounded differences would move values beyond any bound.
    assert "the array 'sums' is kept byte for byte" in caplog.text
    assert "the array 'narrow' is kept byte for byte" in caplog.text
    assert "'scaled' is kept byte for byte, since its codec 'fixedscaleoffset' changes values" in caplog.text
    before, after = files_of(tmp_path / "a.zarr"), files_of(done)
    assert {k: v for k, v in before.items() if "plain" not in k} == {k: v for k, v in after.items() if "plain" not in k}
    assert 0 < np.abs(zarr.open_group(done, mode="r")["plain"][...] - values).max() <= 0.5


def test_documents_of_both_versions_are_one_array(tmp_path: Path) -> None:
    path, values = tmp_path / "a.zarr", np.sin(np.arange(40.0)).reshape(8, 5) * 20
    keys = {"name": "v2", "separator": "."}
    for form in (3, 2):  # as tools that migrate a store leave it: the same chunks, described twice
        options = {"chunk_key_encoding": keys, "compressors": None, "fill_value": 0.0}
        made = zarr.create_array(
            str(tmp_path / str(form)), shape=(8, 5), chunks=(4, 5), dtype="f8", zarr_format=form, **options
        )
        made[...] = values
    shutil.copytree(tmp_path / "3", path)
    for name in (".zarray", ".zattrs"):
        shutil.copy(tmp_path / "2" / name, path)
    done = restored(path, bounds={"*": {"abs": 0.25}})
    assert files_of(done).keys() == files_of(path).keys()
    for form in (2, 3):
        assert 0 < np.abs(zarr.open_array(str(done), zarr_format=form)[...] - values).max() <= 0.25


def test_large_chunks_are_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from baler_zarr.values import reading

    zarr.create_array(str(tmp_path / "a.zarr"), shape=(4000, 10), chunks=(4000, 10), dtype="f4")[:] = 1.5
    calls = []
    decode = reading.Rows._decode
    monkeypatch.setattr(reading.Rows, "_decode", lambda self, part: (calls.append(part), decode(self, part))[1])
    with ZarrReader().open(tmp_path / "a.zarr") as source:
        assert len(list(source.blocks(10_000))) > 10
    assert len(calls) == 1
