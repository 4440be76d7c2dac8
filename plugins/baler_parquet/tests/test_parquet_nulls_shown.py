"""A null is shown as missing wherever values are shown: no number is invented for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import baler_core

COLUMNS = {
    "f": pa.array([1.5, None, 3.5, np.nan]),
    "i": pa.array([2**62 + 1, 5, None, 7], pa.int64()),
    "small": pa.array([1, None, None, 4], pa.uint8()),
    "flag": pa.array([True, None, False, True]),
    "word": pa.array(["a", None, "", "d"]),
    "whole": pa.array([1, 2, 3, 4], pa.int16()),
}


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    pq.write_table(pa.table(COLUMNS), tmp_path / "a.parquet")
    baler_core.compress(tmp_path / "a.parquet", tmp_path / "a.bal", model="scalar")
    return tmp_path / "a.bal"


def _check(frame: pd.DataFrame) -> None:
    assert frame["f"].isna().tolist() == [False, True, False, True]
    assert frame["f"].dtype == np.float64
    assert frame["i"].dtype == pd.Int64Dtype()
    assert frame["i"].isna().tolist() == [False, False, True, False]
    assert frame["i"][0] == 2**62 + 1
    assert frame["small"].dtype == pd.UInt8Dtype()
    assert frame["small"].isna().tolist() == [False, True, True, False]
    assert frame["flag"].isna().tolist() == [False, True, False, False]
    assert frame["word"].isna().tolist() == [False, True, False, False]
    assert frame["word"][2] == ""
    assert frame["whole"].dtype == np.int16


def test_tables_of_pandas_show_nulls_as_missing(stored: Path) -> None:
    _check(baler_core.open(stored, as_="pandas"))
    with baler_core.open_file(stored) as file:
        _check(file.to_pandas())
        assert file.to_pandas(start=2)["small"].isna().tolist() == [True, False]


def test_tables_of_arrow_have_the_nulls(stored: Path) -> None:
    with baler_core.open_file(stored) as file:
        table = file.to_arrow(list(COLUMNS))
    for name, column in COLUMNS.items():
        assert table[name].is_null().to_pylist() == column.is_null().to_pylist()
        assert table[name].drop_null().to_pylist()[:1] == column.drop_null().to_pylist()[:1]


def test_datasets_have_nan_or_name_the_mask(stored: Path) -> None:
    with baler_core.open(stored) as found:
        assert np.isnan(found["f"].values).tolist() == [False, True, False, True]
        np.testing.assert_array_equal(found["small"].values, [1, np.nan, np.nan, 4])
        assert np.isnan(found["flag"][1:3].values).tolist() == [True, False]
        assert found["whole"].dtype == np.int16
        for name in ("i", "word"):  # no number stands for "none" beside whole numbers of 64 bits
            mask = found[found[name].attrs["null"]].values
            assert mask.tolist() == COLUMNS[name].is_null().to_pylist()


def test_items_of_lists_are_null_one_by_one(tmp_path: Path) -> None:
    lists = pa.array([[1.0, None], [], [3.0]])
    fixed = pa.array([[1, None], [3, 4], [5, 6]], pa.list_(pa.int32(), 2))
    pq.write_table(pa.table({"x": lists, "y": fixed}), tmp_path / "a.parquet")
    baler_core.compress(tmp_path / "a.parquet", tmp_path / "a.bal", model="scalar")
    with baler_core.open_file(tmp_path / "a.bal") as file:
        frame = file.to_pandas(["x", "y"])
        np.testing.assert_array_equal(frame["x"][0], [1, np.nan])
        assert list(frame["y"][0]) == [1, None]
        assert file.to_arrow(["x"])["x"].to_pylist() == lists.to_pylist()


def test_a_column_that_is_called_like_a_mask_is_none(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1.0, 2.0], "x/null": [True, False]}), tmp_path / "a.parquet")
    baler_core.compress(tmp_path / "a.parquet", tmp_path / "a.bal", model="scalar")
    assert baler_core.open(tmp_path / "a.bal", as_="pandas")["x"].tolist() == [1.0, 2.0]


def test_opened_arrays_are_masked_where_there_are_nulls(stored: Path) -> None:
    with baler_core.open_file(stored) as file:
        for name in ("f", "i", "small", "flag", "word"):
            null = COLUMNS[name].is_null().to_pylist()
            assert np.ma.getmaskarray(file[name][:]).tolist() == null
            assert np.ma.getmaskarray(file[name].rows(1, 3)).tolist() == null[1:3]
            assert np.ma.getmaskarray(file.rows(0, 2, names=name)[name]).tolist() == null[:2]
        assert file["i"][2] is np.ma.masked
        assert file["i"][0] == 2**62 + 1
        assert np.isnan(np.asarray(file["f"])).tolist() == [False, True, False, True]
        assert type(file["whole"][:]) is np.ndarray  # never null
