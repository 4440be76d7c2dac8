"""Tables of open files that were made of Python objects: missing values are missing, dates are dates."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import baler_core
from baler_core import DataError, File, FormatError
from baler_core.api.time_columns import TimeColumn, times_of

FAST = {"name": "auto", "effort": "fast"}


def stored(value: Any, folder: Path) -> File:
    baler_core.compress(value, folder / "t.bal", model=FAST)
    return baler_core.open_file(folder / "t.bal")


def test_missing_values_of_a_frame_are_missing(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "n": pd.array([1, None, 2**60 + 1], "Int64"),
            "yes": pd.array([True, None, False], "boolean"),
            "x": pd.array([1.5, None, 2], "Float32"),
            "s": pd.array(["a", None, ""], "string"),
        }
    )
    with stored(frame, tmp_path) as file:
        found = file.to_pandas()
        assert list(found) == list(frame)
        assert found["n"].equals(frame["n"])
        assert found["yes"].equals(frame["yes"])
        for name in frame:
            assert found[name].isna().tolist() == [False, True, False]
        assert found["x"].tolist()[::2] == [1.5, 2]
        assert found["s"].tolist()[::2] == ["a", ""]
        assert file["n"][:].tolist() == [1, None, 2**60 + 1]
        assert file.to_pandas("n", start=1)["n"].equals(frame["n"][1:].reset_index(drop=True))
        pytest.importorskip("pyarrow")
        assert file.to_arrow().to_pydict()["n"] == [1, None, 2**60 + 1]


def test_dates_of_a_frame_are_dates_in_their_zones(tmp_path: Path) -> None:
    times = pd.Series(pd.date_range("2020-03-29", periods=3, freq="h"))
    times[1] = pd.NaT
    frame = pd.DataFrame(
        {"t": times, "zone": times.dt.tz_localize("UTC").dt.tz_convert("Europe/Paris"), "d": times - times[0]}
    )
    with stored(frame, tmp_path) as file:
        assert file.to_pandas().equals(frame)
        assert file.to_pandas(["zone"], start=-1)["zone"].tolist() == [frame["zone"][2]]
        pa = pytest.importorskip("pyarrow")
        table = file.to_arrow()
        assert table.schema.field("zone").type == pa.timestamp("us", "Europe/Paris")
        assert table.to_pandas().equals(frame)


def test_dates_and_masks_of_arrays(tmp_path: Path) -> None:
    days = np.array(["2020-01-01", "NaT", "1677-01-01"], "M8[D]")
    arrays = {
        "a": np.ma.MaskedArray([1, 2, 3], [0, 1, 0]),
        "day": days,
        "hours": np.array([1, 2, 3], "m8[h]"),
        "months": np.array([1, 2, 3], "m8[M]"),
        "fine": np.array([1, 2, 3], "M8[ps]"),
    }
    with stored(arrays, tmp_path) as file:
        found = file.to_pandas()
        assert found["a"].tolist() == [1, pd.NA, 3]
        np.testing.assert_array_equal(found["day"].to_numpy(), days)
        assert found["hours"].tolist() == [pd.Timedelta(hours=n) for n in (1, 2, 3)]
        assert found["months"].tolist() == found["fine"].tolist() == [1, 2, 3]  # of no unit that tables have
        assert file["a"][1:].tolist() == [None, 3]


def test_coordinates_of_sets_are_dates(tmp_path: Path) -> None:
    times = pd.date_range("2020", periods=3)
    with stored(xr.Dataset({"v": ("t", [1.0, 2, 3])}, coords={"t": times}), tmp_path) as file:
        assert file.to_pandas()["t"].tolist() == times.tolist()


def test_what_arrow_and_polars_have_no_type_for_is_told(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    with stored({"c": np.arange(3) * 1j, "x": np.arange(3.0)}, tmp_path) as file:
        with pytest.raises(DataError, match=r"'c' is of a type that arrow does not have .*: name other columns"):
            file.to_arrow()
        assert file.to_arrow("x").to_pydict() == {"x": [0, 1, 2]}


def test_what_is_damaged_of_dates_is_told() -> None:
    with pytest.raises(DataError, match="pandas does not know the time zone 'Nowhere/Here'"):
        TimeColumn(np.array([1, 2], "M8[s]"), "Nowhere/Here").series()
    file = SimpleNamespace(
        reader="python",
        path="t.bal",
        schema=SimpleNamespace(skeleton={"object": {"as": "<M8[nothing]", "of": "x"}}),
        header=SimpleNamespace(reader=SimpleNamespace(package="baler-core")),
    )
    with pytest.raises(FormatError, match=r"t\.bal"):
        times_of(file)  # type: ignore[arg-type]
