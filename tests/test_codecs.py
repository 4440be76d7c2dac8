"""The codec `baler` keeps to the rules of numcodecs and Zarr: any dtype and order, bounds, holes, JSON, threads, shards."""

from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import baler_core
from baler_core import BalerError
from baler_core.api import chunks

numcodecs = pytest.importorskip("numcodecs")
zarr = pytest.importorskip("zarr")

from numcodecs.registry import get_codec  # noqa: E402
from numcodecs.tests import common  # noqa: E402

from baler_core.doors import numcodecs as two  # noqa: E402
from baler_core.doors import zarr as three  # noqa: E402

rng = np.random.default_rng(3)
ARRAYS: dict[str, np.ndarray] = {
    "i4": np.arange(300, dtype="i4"),
    "f8": np.linspace(1000, 1001, 300),
    "big-endian": np.arange(20, dtype=">f4"),
    "f2": rng.normal(size=30).astype("f2"),
    "bool": rng.integers(0, 2, 300).astype(bool),
    "u8": rng.integers(0, 2**63, 100, "u8"),
    "F order": np.asfortranarray(rng.normal(size=(7, 11, 5))),
    "dates": rng.integers(0, 2**62, 100).view("M8[ns]"),
    "durations": rng.integers(-(2**62), 2**62, 100).view("m8[s]"),
    "complex": rng.normal(size=(5, 4)).astype("c8"),
    "long double": rng.normal(size=8).astype(np.longdouble),
    "text": np.array(["a", "bc"], "U3"),
    "bytes": np.array([b"a", b"bc"], "S3"),
    "single": np.array(2.5),
    "special": np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 5e-324]),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_numcodecs_own_checks(name: str) -> None:
    codec, values = get_codec({"id": "baler"}), ARRAYS[name]
    common.check_encode_decode(values, codec)
    back = codec.decode(codec.encode(values))
    assert (back.shape, back.dtype) == (values.shape, values.dtype)
    assert back.tobytes("A") == values.tobytes("A")
    assert back.flags.f_contiguous == values.flags.f_contiguous


@pytest.mark.parametrize("order", ["C", "F"])
def test_chunks_have_the_order_of_bytes_they_had(order: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.asarray(rng.normal(size=(4, 5, 6)), order=order)
    encoded = two.Baler().encode(values)
    monkeypatch.setattr(chunks, "decode", lambda data: np.asfortranarray(baler_core.decode(data)))
    found = two.Baler().decode(encoded)
    assert found.tobytes("A") == values.tobytes("A")
    assert (found.flags.c_contiguous, found.flags.f_contiguous) == (order == "C", order == "F")


def test_records_and_nothing_at_all_return() -> None:
    codec = two.Baler()
    records = np.array([(1.5, 2), (2.5, 3)], [("a", "f4"), ("b", "i2")])
    assert codec.decode(codec.encode(records)).tobytes() == records.tobytes()
    assert codec.decode(codec.encode(np.zeros((0, 4), "f4"))).shape == (0, 4)


def test_settings_are_json_and_travel(monkeypatch: pytest.MonkeyPatch) -> None:
    codec = two.Baler(range=1e-3, effort="balanced", fill=-9.0)
    common.check_config(codec)
    monkeypatch.setitem(common.check_repr.__globals__, "Baler", two.Baler)
    common.check_repr("Baler(bounds={'range': 0.001}, effort='balanced', fill=-9.0)")
    assert pickle.loads(pickle.dumps(codec)) == codec != two.Baler(range=1e-3)  # noqa: S301
    serializer = three.BalerCodec({"abs": 0.1}, effort="max")
    assert three.BalerCodec.from_dict(json.loads(json.dumps(serializer.to_dict()))) == serializer
    assert pickle.loads(pickle.dumps(serializer)) == serializer  # noqa: S301


def test_values_are_told_of_unless_they_are_the_fill_value(caplog: pytest.LogCaptureFixture) -> None:
    values = rng.normal(size=1000)
    values[::3] = -999
    values[0] = np.nan
    two.Baler(abs=0.01, fill=-999).encode(values)
    assert not caplog.messages
    two.Baler(abs=0.01, fill=np.inf).encode(values)
    assert "-999 occurs" in caplog.text


def test_objects_are_a_type_error() -> None:
    common.check_err_encode_object_buffer(two.Baler())
    common.check_err_decode_object_buffer(two.Baler())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"abs": -1}, "a bound must be a positive, finite number"),
        ({"abx": 1}, "unknown bound 'abx'. Did you mean 'abs'"),
        ({"effort": "quick"}, "there is no such effort. Available: balanced, fast, max"),
        ({"bounds": {"abs": 1}, "rel": 1}, "give one of them"),
        ({"trained": "0" * 64}, "0000 are not there: BALER_MODELS names no folder"),
    ],
)
@pytest.mark.parametrize("kind", [two.Baler, three.BalerCodec])
def test_bad_settings_are_a_value_error(kind: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        kind(**settings).coding.encode(np.ones(3))
    assert isinstance(caught.value, BalerError)


def test_damaged_chunks_are_a_value_error() -> None:
    codec = two.Baler(abs=0.1)
    whole = codec.encode(rng.normal(size=(20, 30)))
    flipped = bytes([*whole[:9], whole[9] ^ 4, *whole[10:]])
    for damaged in (b"", b"\xff", b"\x02", b"\x02\x02|O" + whole[1:], b"something", whole[:-1], flipped):
        with pytest.raises(ValueError, match="cannot be decoded by baler"):
            codec.decode(damaged)


@pytest.mark.parametrize("bound", [{"abs": 5.0}, {"range": 0.01}])
@pytest.mark.parametrize(("code", "fill"), [("i2", -32767), ("f4", 1e20), ("f8", -9.0), ("f4", 0.0)])
def test_cells_without_data_stay_and_ranges_do_not_count_them(bound: Any, code: str, fill: float) -> None:
    values = (rng.normal(size=(50, 60)) * 300).astype(code)
    valid = np.ones(values.shape, bool)
    valid[3:9], valid[::7, 4] = False, False
    values[~valid] = fill
    values[20] = fill + 1
    valid[20] = values[20] != np.asarray(fill, code)
    for with_nan in (False, True)[: 1 + (code != "i2")]:
        values[30, 30] = np.nan if with_nan else values[30, 30]
        codec = two.Baler(bound, fill=fill)
        back = codec.decode(codec.encode(values))
        np.testing.assert_array_equal(back[~valid], values[~valid])
        assert (back[valid] != np.asarray(fill, code)).all()
        seen = values[valid].astype("f8")
        allowed = bound.get("abs") or bound["range"] * (np.nanmax(seen) - np.nanmin(seen))
        assert 0 < np.nanmax(np.abs(back[valid] - seen)) <= allowed * 1.0001


@pytest.mark.parametrize("fill", [-9223372036854775806, 2**63 - 1, 2**53 + 1])
@pytest.mark.parametrize("bound", [{"abs": 5}, {"range": 0.1}, {"rel": 0.2}])
def test_integers_that_no_float_equals_stay_apart(bound: Any, fill: int) -> None:
    values = (rng.normal(size=(30, 40)) * 100).astype("i8")
    missing = rng.random(values.shape) < 0.1
    values[missing], values[4, 5] = fill, fill - 1
    missing[4, 5] = False
    for settings in ({"fill": fill}, {"exact_at": np.array([7, fill])}):
        codec = two.Baler(**bound, **settings)
        back = two.Baler.from_config(json.loads(json.dumps(codec.get_config()))).decode(codec.encode(values))
        np.testing.assert_array_equal(back == fill, missing)
        assert (back != values).any() or "range" in bound


@pytest.mark.parametrize(("code", "mark"), [("i2", -32767), ("f4", 1e20), ("f4", -999), ("u1", 255), ("i1", -128)])
@pytest.mark.parametrize("bound", [{"abs": 2}, {"range": 0.1}, {"rel": 0.1}, {"bits": 3}])
@pytest.mark.parametrize("count", [1, 5, 299, 300])
def test_marks_of_missing_values_stay_however_few(code: str, mark: float, bound: Any, count: int) -> None:
    values = np.clip(rng.normal(50, 10, 300), 0, 100).astype(code)
    missing = rng.permutation(300) < count
    values[missing] = mark
    codec = two.Baler(bound)
    back = codec.decode(codec.encode(values))
    np.testing.assert_array_equal(back == values.dtype.type(mark), missing)
    if bound.get("range") and count < 299:
        assert np.abs(back.astype("f8") - values).max() <= 0.1001 * np.ptp(values[~missing])


@pytest.mark.parametrize("code", ["?", "c8", ">c16", "M8[s]", "S3", "U2", "V5", "f4", "i8"])
@pytest.mark.parametrize("shape", [(0,), (2, 0, 3), ()])
def test_empty_chunks_return(code: str, shape: tuple[int, ...]) -> None:
    values = np.zeros(shape, code)
    back = two.Baler(abs=1).decode(two.Baler(abs=1).encode(values))
    assert (back.dtype, back.shape) == (values.dtype, values.shape)


def test_numbers_of_numpy_and_xarray_are_settings() -> None:
    for number in (np.float32(0.5), np.array(0.5), xr.DataArray(0.5), xr.DataArray([0.5]).chunk().max()):
        assert json.dumps(two.Baler(abs=number).get_config()["bounds"]) == '{"abs": 0.5}'


@pytest.fixture
def field() -> np.ndarray:
    frames = np.cumsum(np.cumsum(rng.normal(size=(24, 40, 50)), 1), 2)
    frames[3, 4:9, 2] = np.nan
    return frames.astype("f4")


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("code", ["f4", ">f8", "i2"])
def test_stores_of_version_2(tmp_path: Path, field: np.ndarray, order: Any, code: str) -> None:
    values = np.nan_to_num(field).astype(code)
    array = zarr.create_array(
        tmp_path / "a.zarr", shape=values.shape, chunks=(10, 40, 50), dtype=code, zarr_format=2, order=order,
        compressors=two.Baler(abs=0.5), filters=None,
    )  # fmt: skip
    array[:] = values
    found = zarr.open_array(tmp_path / "a.zarr", mode="r")
    assert found.metadata.compressor.get_config()["bounds"] == {"abs": 0.5}
    assert found.dtype == np.dtype(code)
    assert 0 <= np.abs(found[:].astype("f8") - values).max() <= 0.5
    assert found[5, 7, 9] == found[:][5, 7, 9]


@pytest.mark.parametrize("shards", [None, (24, 40, 50)])
def test_stores_of_version_3(tmp_path: Path, field: np.ndarray, shards: Any) -> None:
    array = zarr.create_array(
        tmp_path / "a.zarr", shape=field.shape, chunks=(8, 20, 50), shards=shards, dtype="f4", fill_value=-99.0,
        serializer=three.BalerCodec(abs=0.5), compressors=None,
    )  # fmt: skip
    values = field.copy()
    values[10, 3:7] = -99.0
    array[:16] = values[:16]
    found = zarr.open_array(tmp_path / "a.zarr", mode="r")
    np.testing.assert_array_equal(np.isnan(found[:16]), np.isnan(values[:16]))
    np.testing.assert_array_equal(found[:16] == -99, values[:16] == -99)
    assert (found[16:] == -99).all()
    assert 0 < np.nanmax(np.abs(found[:16] - values[:16])) <= 0.5
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) < values.nbytes / 4


@pytest.mark.parametrize("code", ["f8", "i2", "M8[s]"])
@pytest.mark.parametrize("version", [2, 3])
def test_stores_of_a_single_number(version: Any, code: str) -> None:
    codec = {"compressors": two.Baler(abs=1e-9)} if version == 2 else {"serializer": three.BalerCodec(abs=1e-9)}
    array = zarr.create_array({}, shape=(), dtype=code, zarr_format=version, **codec)
    array[...] = np.array(7, code)
    assert array[()] == np.array(7, code)


@pytest.mark.parametrize("version", [2, 3])
def test_xarray_and_dask_write_and_read_stores(tmp_path: Path, field: np.ndarray, version: Any) -> None:
    dataset = xr.Dataset({"u": (("t", "y", "x"), field)}, coords={"t": np.arange(24)}).chunk({"t": 6})
    codec = {"compressors": two.Baler(range=1e-3)} if version == 2 else {"serializer": three.BalerCodec(range=1e-3)}
    encoding = {"u": codec if version == 2 else {**codec, "compressors": None}}
    dataset.to_zarr(tmp_path / "a.zarr", encoding=encoding, zarr_format=version, consolidated=False)
    with xr.open_zarr(tmp_path / "a.zarr", consolidated=False) as found:
        error = np.abs(found["u"].values - field)
        assert 0 < np.nanmax(error) <= 1e-3 * (np.nanmax(field) - np.nanmin(field))
        np.testing.assert_array_equal(np.isnan(found["u"]), np.isnan(field))
        np.testing.assert_array_equal(found["t"], dataset["t"])


def test_an_array_of_another_kind_than_the_chunk_is_told(tmp_path: Path) -> None:
    array = zarr.create_array(
        tmp_path / "a.zarr", shape=(4,), chunks=(4,), dtype="f4", serializer=three.BalerCodec(), compressors=None
    )
    array[:] = 1
    (tmp_path / "a.zarr" / "c" / "0").write_bytes(three.BalerCodec().coding.encode(np.ones(5, "f8")))
    with pytest.raises(ValueError, match=r"a chunk holds <f8 \(5,\), and the array wants <f4 \(4,\)"):
        array[:]
    (tmp_path / "a.zarr" / "c" / "0").write_bytes(three.BalerCodec().coding.encode(np.ones(4, "i4")))
    with pytest.raises(ValueError, match=r"a chunk holds <i4"):
        array[:]


@pytest.mark.filterwarnings("ignore:The data type")
@pytest.mark.parametrize("code", [">i2", ">f8", ">c16", ">U3", ">M8[s]", [("a", "<i4"), ("b", ">f8")]])
def test_any_order_of_bytes_returns_from_stores_of_version_3(tmp_path: Path, code: Any) -> None:
    values = np.arange(6).astype(code)
    array = zarr.create_array(
        tmp_path / "a.zarr", shape=(6,), chunks=(3,), dtype=code, serializer=three.BalerCodec(), compressors=None
    )
    array[:] = values
    assert array[:].tolist() == zarr.open_array(tmp_path / "a.zarr")[:].tolist() == values.tolist()


def test_trained_models_are_looked_up_by_their_digest(
    field: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values, fast = np.nan_to_num(field), {"name": "auto", "effort": "fast"}
    baler_core.train(values[:16], tmp_path / "m.bal", bounds={"abs": 0.5}, model=fast)
    digest = hashlib.sha256((tmp_path / "m.bal").read_bytes()).hexdigest()
    monkeypatch.setenv("BALER_MODELS", str(tmp_path))
    codec = get_codec({"id": "baler", "bounds": {"abs": 0.5}, "trained": digest})
    encoded = codec.encode(values[16:])
    assert np.abs(codec.decode(encoded) - values[16:]).max() <= 0.5
    monkeypatch.setenv("BALER_MODELS", str(tmp_path / "elsewhere"))
    with pytest.raises(ValueError, match=rf"{digest} are not there: BALER_MODELS names .*elsewhere"):
        two.Baler(abs=0.5, trained=digest).decode(encoded)


def test_references_to_chunks_elsewhere_keep_the_codec(tmp_path: Path, field: np.ndarray) -> None:
    dataset = xr.Dataset({"u": (("t", "y", "x"), np.nan_to_num(field))})
    encoding = {"u": {"compressors": two.Baler(abs=0.5)}}
    dataset.to_zarr(tmp_path / "a.zarr", encoding=encoding, zarr_format=2, consolidated=False)
    files = {path.relative_to(tmp_path / "a.zarr").as_posix(): path for path in (tmp_path / "a.zarr").rglob("*")}
    refs = {
        name: path.read_text() if path.name.startswith(".z") else [str(path), 0, path.stat().st_size]
        for name, path in files.items()
        if path.is_file()
    }
    fsspec = pytest.importorskip("fsspec")
    system = fsspec.filesystem("reference", fo={"version": 1, "refs": refs}, remote_protocol="file", asynchronous=True)
    store = zarr.storage.FsspecStore(system, read_only=True)
    with xr.open_zarr(store, consolidated=False, zarr_format=2) as found:
        assert 0 < np.abs(found["u"].values - dataset["u"].values).max() <= 0.5
        assert found["u"].encoding["compressors"] == (two.Baler(abs=0.5),)


@pytest.mark.parametrize("shards", [None, (16, 60, 60)])
def test_parts_of_chunks_are_those_of_the_whole(tmp_path: Path, field: np.ndarray, shards: Any) -> None:
    array = zarr.create_array(
        tmp_path / "a.zarr",
        shape=field.shape,
        chunks=(16, 30, 30),
        shards=shards,
        dtype="f4",
        serializer=three.BalerCodec(abs=0.5),
        compressors=None,
        fill_value=-9.0,
    )
    array[:] = np.asfortranarray(field)
    whole = np.asarray(array[:])
    for key in ((3, 5, 7), slice(10, 20), (slice(None), 4, slice(3, 40, 7)), (..., 0)):
        np.testing.assert_array_equal(array[key], whole[key])
    np.testing.assert_array_equal(array.oindex[[1, 20, 3], :, [0, 31]], whole[[1, 20, 3]][:, :, [0, 31]])
    np.testing.assert_array_equal(array.vindex[[1, 20], [0, 31], [2, 2]], whole[[1, 20], [0, 31], [2, 2]])


def test_only_what_holds_a_part_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.cumsum(rng.normal(size=150_000))
    array = zarr.create_array(
        tmp_path / "a.zarr",
        shape=rows.shape,
        chunks=rows.shape,
        dtype="f8",
        serializer=three.BalerCodec(abs=0.01),
        compressors=None,
    )
    array[:] = rows
    part = np.asarray(array[1000:1010])
    assert np.abs(part - rows[1000:1010]).max() <= 0.01
    monkeypatch.setattr("baler_core.api.chunks.decode", lambda data: pytest.fail("the whole chunk was decoded"))
    np.testing.assert_array_equal(array[1000:1010], part)


def test_trained_models_are_found_by_file_and_beside_the_store(tmp_path: Path, field: np.ndarray) -> None:
    values, fast = np.nan_to_num(field), {"name": "auto", "effort": "fast"}
    baler_core.train(values[:16], tmp_path / "m.balm", bounds={"abs": 0.5}, model=fast)
    codec = three.BalerCodec(abs=0.5, trained=str(tmp_path / "m.balm"))
    array = zarr.create_array(
        tmp_path / "a.zarr",
        shape=values.shape,
        chunks=(16, *values.shape[1:]),
        dtype=values.dtype,
        serializer=codec,
        compressors=None,
    )
    array[:] = values
    stated = json.loads((tmp_path / "a.zarr" / "zarr.json").read_text())["codecs"][0]["configuration"]
    assert stated["trained"] == hashlib.sha256((tmp_path / "m.balm").read_bytes()).hexdigest()
    assert np.abs(zarr.open_array(tmp_path / "a.zarr")[:] - values).max() <= 0.5
    (tmp_path / "m.balm").unlink()
    with pytest.raises(ValueError, match=r"the folder around it have none"):
        zarr.open_array(tmp_path / "a.zarr")[:]
    with pytest.raises(ValueError, match="which is no SHA-256"):
        three.BalerCodec.from_dict({"name": "baler", "configuration": {"trained": str(tmp_path / "a.zarr")}})
    with pytest.raises(ValueError, match="wanted a file of trained models"):
        two.Baler(abs=0.5, trained="nowhere.balm")
