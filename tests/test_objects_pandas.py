"""pandas' DataFrame and Series come back with dtypes, missing values, index and names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import baler_core
from baler_core import BalerError, ConfigError, DataError

N = 6


def table() -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "x": np.arange(N) / 3,
            "i": pd.array([1, None, 3, 4, 5, 2**62 + 1], dtype="Int64"),
            "u": pd.array([1, None, 3, 4, 5, 6], dtype="UInt8"),
            "f": pd.array([1.5, None, 3, 4, 5, 6], dtype="Float32"),
            "b": pd.array([True, None, False] * 2, dtype="boolean"),
            "s": ["a", "bb", None, "", "é", "z"],
            "S": pd.array(["a", None] * 3, dtype="string"),
            "c": pd.Categorical(["u", "v", None] * 2, categories=["v", "u", "w"], ordered=True),
            "k": pd.Categorical([3, 1, 3] * 2),
            "t": pd.date_range("2020", periods=N, tz="Europe/Berlin"),
            "d": pd.to_datetime(["2020-01-01", None] * 3),
            "h": pd.to_timedelta(np.arange(N), unit="h"),
            "o": pd.Series(["a", None] * 3, dtype=object),
            "y": np.array([True, False] * 3),
            "id": np.arange(N) + 2**60,
            "z": np.arange(N) * 1j,
            7: np.arange(N, dtype="i1"),
            ("t", "u"): 1.0,
        }
    )
    frame.attrs = {"source": [1, {"z": 3}]}
    return frame


def x_with(index: Any) -> pd.DataFrame:
    return table()[["x"]].set_index(index)


FRAMES: dict[str, Any] = {
    "every dtype": table(),
    "no rows": table().iloc[:0],
    "days": x_with(pd.date_range("2020", periods=N, freq="D", name="when")),
    "hours of a zone": x_with(pd.date_range("2020", periods=N, freq="h", tz="UTC")),
    "texts": x_with(pd.Index(list("abcdef"), name="name")),
    "object texts": x_with(pd.Index(list("abcdef"), dtype=object)),
    "range": x_with(pd.RangeIndex(5, 17, 2, name="r")),
    "floats": x_with(pd.Index(np.arange(N) * 0.1)),
    "categories": x_with(pd.CategoricalIndex(list("abcabc"))),
    "levels": table().set_index(["s", "i"])[["x"]],
    "names twice": pd.DataFrame(np.ones((2, 2)), columns=["a", "a"]),
    "names in levels": pd.DataFrame(
        np.ones((2, 2)), columns=pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["q", None])
    ),
    "names by range": pd.DataFrame(np.ones((2, 3))),
    "names of days": pd.DataFrame(np.ones((1, 2)), columns=pd.to_datetime(["2020-01-01", "2021-01-01"])),
    "numbers as names": pd.DataFrame({1: [1.0], 5: [2.0]}),
    "no name": pd.DataFrame({"": [1, 2], "v": [0.5, 1.5]}),
    "no columns": pd.DataFrame(index=[1, 2]),
}


def returned(data: Any, path: Path, **more: Any) -> Any:
    more = {"bounds": "lossless", "model": "scalar"} | more
    baler_core.compress(data, path / "x.bal", overwrite=True, **more)
    return baler_core.open(path / "x.bal")


@pytest.mark.parametrize("name", FRAMES)
def test_a_table_returns_as_it_was(name: str, tmp_path: Path) -> None:
    before = FRAMES[name]
    after = returned(before, tmp_path)
    pd.testing.assert_frame_equal(before, after, check_freq=True)
    assert type(before.index) is type(after.index)
    assert type(before.columns) is type(after.columns)
    assert before.attrs == after.attrs
    baler_core.decompress(tmp_path / "x.bal", tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz") as archive:
        assert len(archive.files) >= len(before.columns)


@pytest.mark.parametrize("name", [str(name) for name in table().columns])
def test_a_series_returns_as_it_was(name: str, tmp_path: Path) -> None:
    before = next(table()[key] for key in table().columns if str(key) == name)
    pd.testing.assert_series_equal(before, returned(before, tmp_path))
    pd.testing.assert_series_equal(before.rename(None), returned(before.rename(None), tmp_path))


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
            st.one_of(st.none(), st.text(st.characters(codec="utf-8"), max_size=4)),
            st.floats(width=32),
        ),
        max_size=20,
    )
)
def test_any_missing_values_stay_missing(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int | None, str | None, float]]
) -> None:
    before = pd.DataFrame(
        {
            "i": pd.array([row[0] for row in rows], dtype="Int64"),
            "s": pd.array([row[1] for row in rows], dtype="string"),
            "f": np.array([row[2] for row in rows], np.float32),
        }
    )
    pd.testing.assert_frame_equal(before, returned(before, tmp_path_factory.mktemp("any"), block_bytes=1000))


def test_bounds_reach_numbers_and_leave_what_is_missing(tmp_path: Path) -> None:
    before = table()
    after = returned(before, tmp_path, bounds={"x": {"abs": 0.1}, "f": {"abs": 0.1}, "i": {"abs": 2}})
    assert 0 < np.abs(after["x"] - before["x"]).max() <= 0.1
    assert (after["f"].isna() == before["f"].isna()).all()
    assert np.abs(after["f"] - before["f"]).max() <= 0.1
    assert (after["i"].isna() == before["i"].isna()).all()
    rest = [name for name in before.columns if name not in ("x", "f", "i")]
    pd.testing.assert_frame_equal(after[rest], before[rest])


def test_categories_are_never_lossy(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'c' holds categories"):
        baler_core.compress(table(), tmp_path / "x.bal", bounds={"c": {"abs": 1}})


def test_columns_may_be_chosen(tmp_path: Path) -> None:
    pd.testing.assert_frame_equal(returned(table(), tmp_path, variables=["x", "id"]), table()[["x", "id"]])


def test_other_forms_of_a_table(tmp_path: Path) -> None:
    returned(table()[["x", "y"]], tmp_path)
    assert baler_core.open(tmp_path / "x.bal", as_="xarray")["x"].values.tolist() == table()["x"].tolist()
    assert baler_core.open(tmp_path / "x.bal", as_="numpy")["y"].dtype == bool
    returned(FRAMES["names twice"], tmp_path)
    with pytest.raises(DataError, match="as_='xarray'"):
        baler_core.open(tmp_path / "x.bal", as_="xarray")


class Own(pd.DataFrame):
    """A table that may hold more than its columns."""


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (pd.DataFrame({"a": [{}, []]}), "'a' .* dict"),
        (pd.DataFrame({"a": [1, "b"]}), "'a' .* int"),
        (
            pd.DataFrame({"a": pd.period_range("2020", periods=2)}),
            r"'a' is of the pandas type period.*\.to_timestamp\(\)",
        ),
        (pd.DataFrame({"a": pd.interval_range(0, 2)}), r"'a' is of the pandas type interval.*\.left and \.right"),
        (
            pd.DataFrame({"a": pd.arrays.SparseArray([1, 0])}),
            r"'a' is of the pandas type Sparse.*\.sparse\.to_dense\(\)",
        ),
        (pd.DataFrame({object(): [1.0]}), "name of a column is of type object"),
        (x_with(pd.period_range("2020", periods=N)), "'index' is of the pandas type period"),
        (pd.Index([1]), "type pandas.*Index"),
        (pd.DataFrame(), "no arrays"),
        (Own({"a": [1.0]}), "Own"),
    ],
)
def test_what_cannot_be_held_is_refused_by_name(data: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(BalerError, match=message):
        baler_core.compress(data, tmp_path / "x.bal")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("frequency", ["D", "ME", "B", "3h", "W-TUE", "QS-FEB", "-1D"])
def test_frequencies_come_back(frequency: str, tmp_path: Path) -> None:
    times = pd.date_range("2020-03-01", periods=N, freq=frequency)
    back = returned(pd.DataFrame({"x": np.arange(6.0), "c": pd.Categorical(times)}, index=times), tmp_path)
    assert back.index.freq == times.freq
    assert back["c"].cat.categories.freq == pd.Categorical(times).categories.freq


@pytest.mark.parametrize(
    "offset", [pd.offsets.CustomBusinessDay(weekmask="Sun Mon Tue"), pd.DateOffset(months=1, days=1)]
)
def test_frequencies_that_no_text_tells_are_left_out_with_a_warning(
    offset: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    frame = x_with(pd.date_range("2020", periods=N, freq=offset))
    baler_core.compress(frame, tmp_path / "x.bal", model="scalar")
    assert "of the index of the table has no text form and is left out" in caplog.text
    pd.testing.assert_frame_equal(baler_core.open(tmp_path / "x.bal"), frame, check_freq=False)
