"""numpy arrays of every kind come back from `open` with dtype, byte order, mask and fill value, or are refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import baler_core
from baler_core import BalerError, ConfigError, DataError
from baler_core.format.container import BalReader, BalWriter

DAYS = np.array(["2020-01-01", "NaT", "1900-05-05"], "M8[D]")
RECORDS = np.zeros(4, [("a", "<f4"), ("b", ">i2", (3,)), ("c", [("d", "M8[s]"), ("e", "S3")])])
RECORDS["a"], RECORDS["c"]["d"], RECORDS["c"]["e"] = [1, 2, 3, 4], 5, b"x"
ARRAYS: dict[str, Any] = {
    "plain": np.arange(5.0),
    "empty": np.zeros((0, 3), "f4"),
    "rank 0": np.array(3.5),
    "big-endian": np.arange(6, dtype=">i2").reshape(2, 3),
    "bool": np.array([True, False]),
    "complex": np.array([1 + 2j]),
    "no complex": np.zeros(0, complex),
    "half": np.arange(4, dtype="f2"),
    "long double": np.arange(4, dtype="g"),
    "unicode": np.array(["a", "bcd"]),
    "big-endian unicode": np.array(["a", "b"]).astype(">U3"),
    "bytes": np.array([b"a", b"bcd"]),
    "days": DAYS,
    "big-endian times": DAYS.astype(">M8[us]"),
    "years": np.array([1, 2], "m8[Y]"),
    "no unit": np.array([1, 2], "m8"),
    "one day": np.array("2020-01-01", "M8[D]"),
    "records": RECORDS,
    "aligned records": np.zeros(3, np.dtype([("a", "i1"), ("b", "f8")], align=True)),
    "one record": np.array((1, 2.0), [("x", "i4"), ("y", "f8")]),
    "recarray": np.rec.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
    "opaque": np.frombuffer(b"abcdefgh", "V4"),
    "text": np.array(["a", "länger", ""], object),
    "one text": np.array("x", object),
    "byte text": np.array([b"a", b""], object),
    "text or None": np.array(["a", None], object),
    "strings": np.array(["a", "bb"], np.dtypes.StringDType()),
    "Fortran": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "strided": np.arange(20.0)[::-3],
    "masked": np.ma.array([1.0, 2, -9999], mask=[0, 0, 1], fill_value=-9999),
    "masked nowhere": np.ma.array([1, 2]),
    "masked everywhere": np.ma.array([1, 2], mask=True),
    "masked integers": np.ma.array(np.arange(12).reshape(3, 4), mask=np.eye(3, 4)),
    "masked days": np.ma.array(DAYS, mask=[1, 0, 0]),
    "masked text": np.ma.array(["a", "b"], mask=[1, 0]),
    "masked rank 0": np.ma.array(3.0, mask=True),
    "masked records": np.ma.array(RECORDS[["a"]], mask=[(1,), (0,), (0,), (1,)]),
}


def returned(data: Any, path: Path, **more: Any) -> Any:
    more = {"bounds": "lossless", "model": "scalar"} | more
    baler_core.compress(data, path / "x.bal", overwrite=True, **more)
    return baler_core.open(path / "x.bal", as_="original")


def assert_same(before: Any, after: Any) -> None:
    assert type(before) is type(after)
    assert before.dtype == after.dtype
    assert before.dtype.str == after.dtype.str
    assert before.shape == after.shape
    if isinstance(before, np.ma.MaskedArray):
        assert (np.ma.getmask(before) is np.ma.nomask) == (np.ma.getmask(after) is np.ma.nomask)
        np.testing.assert_array_equal(np.ma.getmaskarray(before), np.ma.getmaskarray(after))
        assert str(before.fill_value) == str(after.fill_value)
        before, after = before.filled(), after.filled()
    if before.dtype.kind in "OTV":
        assert str(before.tolist()) == str(after.tolist())
    else:
        assert before.tobytes() == after.tobytes()


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_returns_as_it_was(name: str, tmp_path: Path) -> None:
    assert_same(ARRAYS[name], returned(ARRAYS[name], tmp_path))


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_has_a_dataset_and_an_archive(name: str, tmp_path: Path) -> None:
    baler_core.compress({"x": ARRAYS[name]}, tmp_path / "x.bal", bounds="lossless", model="scalar")
    dataset = baler_core.open(tmp_path / "x.bal")
    first = next(iter(dataset.values()))
    assert first.shape[: ARRAYS[name].ndim] == ARRAYS[name].shape
    baler_core.decompress(tmp_path / "x.bal", tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz") as archive:
        stored = archive["x"]
    assert stored.shape == ARRAYS[name].shape
    if ARRAYS[name].dtype.kind in "mM" and not isinstance(ARRAYS[name], np.ma.MaskedArray):
        assert stored.dtype == ARRAYS[name].dtype


def test_arrays_of_several_lengths_return_by_name(tmp_path: Path) -> None:
    data = {"a": np.arange(3), "b": np.arange(4.0), "file": np.ones((3, 2)), "m": ARRAYS["masked"], "t": DAYS}
    after = returned(data, tmp_path)
    assert list(after) == list(data)
    for name, values in data.items():
        assert_same(values, after[name])


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([">f4", "<f8", ">i8", "<u2", "|b1", ">M8[ms]", "<c8"]).flatmap(
        lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=6))
    ),
    st.randoms(use_true_random=False),
)
def test_any_array_returns_from_blocks_of_any_size(
    tmp_path_factory: pytest.TempPathFactory, values: np.ndarray, random: Any
) -> None:
    path = tmp_path_factory.mktemp("any")
    assert_same(values, returned(values, path, block_bytes=1000))
    mask = np.array([random.random() < 0.4 for _ in range(values.size)], bool).reshape(values.shape)
    masked = np.ma.array(values, mask=mask)
    after = returned(masked, path)
    np.testing.assert_array_equal(np.ma.getmaskarray(after), mask)
    assert np.asarray(after.data)[~mask].tobytes() == values[~mask].tobytes()


@pytest.mark.parametrize("dtype", [">f4", ">i2", ">M8[s]"])
def test_many_blocks_keep_the_byte_order(dtype: str, tmp_path: Path) -> None:
    values = np.arange(2000).astype(dtype)
    assert_same(values, returned(values, tmp_path, block_bytes=1000))
    if dtype != ">M8[s]":
        assert baler_core.open(tmp_path / "x.bal")["data"].dtype.str == dtype


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_dates_of_array_files_are_dates(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{suffix}"
    if suffix == "npy":
        np.save(path, DAYS)
    else:
        np.savez(path, data=DAYS)
    baler_core.compress(path, tmp_path / "x.bal")
    np.testing.assert_array_equal(baler_core.open(tmp_path / "x.bal")["data"].values, DAYS)
    assert baler_core.open(tmp_path / "x.bal", as_="numpy")["data"].dtype == DAYS.dtype


def test_what_a_mask_hides_changes_nothing(tmp_path: Path) -> None:
    values = np.ma.array([1.0, 2.0, -9999.0, 1.5], mask=[0, 0, 1, 0])
    hidden = np.ma.array([1.0, 2.0, np.inf, 1.5], mask=[0, 0, 1, 0])
    for data in (values, hidden):
        after = returned(data, tmp_path, bounds={"range": 1e-3})
        assert np.abs(after - [1, 2, 0, 1.5]).max() <= 1e-3
        assert (tmp_path / "x.bal").read_bytes() == (tmp_path / "first").read_bytes() if data is hidden else True
        (tmp_path / "x.bal").rename(tmp_path / "first")


def test_a_hard_mask_stays_hard(tmp_path: Path) -> None:
    assert returned(np.ma.array([1.0, 2.0], mask=[0, 1], hard_mask=True), tmp_path).hardmask


def test_masks_are_missing_values_in_a_dataset(tmp_path: Path) -> None:
    baler_core.compress({"i": ARRAYS["masked integers"], "t": ARRAYS["masked days"]}, tmp_path / "x.bal")
    dataset = baler_core.open(tmp_path / "x.bal")
    np.testing.assert_array_equal(np.isnan(dataset["i"].values), np.eye(3, 4, dtype=bool))
    assert np.isnat(dataset["t"].values).tolist() == [True, True, False]
    large = np.ma.array([2**60 + 1, 7], mask=[0, 1], fill_value=-3)
    baler_core.compress({"id": large}, tmp_path / "x.bal", bounds="lossless", overwrite=True)
    assert baler_core.open(tmp_path / "x.bal")["id"].values.tolist() == [2**60 + 1, -3]
    assert baler_core.open(tmp_path / "x.bal")["id"].attrs["_FillValue"] == -3


REFUSED: list[tuple[Any, str]] = [
    (np.array([1, "a"], object), "'data'.* int"),
    ({"cells": np.array([[1], {}], object)}, "'cells'.* list"),
    ({1: np.zeros(2)}, "1 of type int"),
    ({"frame": object()}, "'frame' is of type object"),
    (np.array(["a", None, float("nan")], object), "several kinds of missing"),
    ({"ragged": [[1], [1, 2]]}, "'ragged'"),
    ([1, 2], "type list"),
    (5, "type int"),
    (np.ma.masked, "MaskedConstant"),
    ({}, "no arrays"),
    ({"a": np.zeros(3, "V0")}, "'a'.*no bytes"),
    ({"bad": np.array(["\ud800"], object)}, "'bad' is not valid text"),
]


@pytest.mark.parametrize(("data", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_cannot_be_held_is_refused_by_name(data: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        baler_core.compress(data, tmp_path / "x.bal", bounds="lossless")
    assert not list(tmp_path.iterdir())


def test_subclasses_are_refused_rather_than_cut_down(tmp_path: Path) -> None:
    class Own(np.ndarray):
        pass

    with pytest.raises(BalerError, match="Own"):
        baler_core.compress(np.zeros(3).view(Own), tmp_path / "x.bal")


def test_variables_may_be_chosen(tmp_path: Path) -> None:
    after = returned({"a": np.ones(2), "b": np.ones(3), "r": RECORDS}, tmp_path, variables=["a", "r/a"])
    assert list(after) == ["a", "r"]
    assert after["r"].dtype.names == ("a",)
    with pytest.raises(DataError, match="aa"):
        baler_core.compress({"a": np.ones(2)}, tmp_path / "y.bal", variables="aa")


def test_the_form_must_be_one_there_is(tmp_path: Path) -> None:
    returned(np.ones((2, 3)), tmp_path)
    with pytest.raises(ConfigError, match="open"):
        baler_core.open(tmp_path / "x.bal", as_="nmpy")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="one dimension"):
        baler_core.open(tmp_path / "x.bal", as_="pandas")
    assert list(baler_core.open(tmp_path / "x.bal", as_="xarray")) == ["data"]


def test_a_model_is_trained_on_an_object_for_others(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    data = {"a": rng.normal(size=800), "b": rng.normal(size=800)}
    baler_core.train(data, tmp_path / "m.balm", bounds={"abs": 0.1}, model="table")
    baler_core.compress(data, tmp_path / "x.bal", bounds={"abs": 0.1}, trained=tmp_path / "m.balm")
    assert np.abs(baler_core.open(tmp_path / "x.bal")["a"].values - data["a"]).max() <= 0.1
    with pytest.raises(DataError, match="trained models"):
        baler_core.open(tmp_path / "m.balm")


def damaged(record: Any, random: np.random.Generator) -> Any:
    """A record in which one thing was changed for another of its kind or of another."""
    if isinstance(record, dict) and record:
        key = list(record)[random.integers(len(record))]
        return {**record, key: damaged(record[key], random)}
    if isinstance(record, list) and record:
        place = int(random.integers(len(record)))
        return [*record[:place], damaged(record[place], random), *record[place + 1 :]]
    others: list[Any] = [None, -1, 2**62, "x", "<M8[s]", "V1000000000", [], {}, ["x"], {"as": "masked"}, 0.5, True]
    return others[random.integers(len(others))]


@pytest.mark.parametrize("kind", ["numpy", "xarray", "pandas"])
def test_a_forged_description_is_refused_or_harmless(kind: str, tmp_path: Path) -> None:
    objects = {
        "numpy": {"r": RECORDS, "m": ARRAYS["masked records"], "t": ARRAYS["text or None"], "d": DAYS},
        "xarray": xr.Dataset({"a": ("x", [1.0, 2], {"u": np.arange(2)})}, coords={"x": DAYS[:2].astype("M8[s]")}),
        "pandas": pd.DataFrame({"c": pd.Categorical(["a", "b"]), "i": pd.array([1, None], dtype="Int64")}),
    }
    random = np.random.default_rng(0)
    returned(objects[kind], tmp_path)
    refused: list[str] = []
    for _ in range(40):
        with BalReader(tmp_path / "x.bal") as stored, (tmp_path / "y.bal").open("wb") as file:
            writer = BalWriter(file)
            for number in range(len(stored.sections) - 1):
                writer.add(stored.section(number))
            skeleton = damaged(stored.header["skeleton"], random)
            writer.finish({**stored.header, "skeleton": skeleton})
        try:
            baler_core.open(tmp_path / "y.bal")
            baler_core.decompress(tmp_path / "y.bal", tmp_path / "y.npz")
        except BalerError as error:
            refused.append(str(error))
    assert len(refused) > 5
    assert not [message for message in refused if "\n" in message]


def test_an_open_archive_counts_as_a_dict(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", a=np.arange(3), b=np.ones(2))
    with np.load(tmp_path / "a.npz") as archive:
        after = returned(archive, tmp_path)
    assert list(after) == ["a", "b"]
    assert after["a"].tolist() == [0, 1, 2]


def test_names_that_fields_take_are_not_lost(tmp_path: Path) -> None:
    data = {"r/a": np.arange(3), "r": RECORDS}
    after = returned(data, tmp_path)
    for name, values in data.items():
        assert_same(values, after[name])
    assert baler_core.open(tmp_path / "x.bal")["r/a"].values.tolist() == [0, 1, 2]
    assert baler_core.open(tmp_path / "x.bal")["r/a_"].values.tolist() == [1, 2, 3, 4]
