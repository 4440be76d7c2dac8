"""An open file turns into tables of pandas, arrow and polars, and shows itself in notebooks."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pandas as pd
import pytest
import xarray as xr

import baler_core
from baler_core import DataError

FAST = {"name": "auto", "effort": "fast"}
rng = np.random.default_rng(8)


@pytest.fixture
def events(tmp_path: Path) -> Path:
    counts = rng.poisson(2, 60)
    pt = ak.unflatten(rng.normal(size=counts.sum()), counts)
    value = ak.Array({"run": np.arange(60), "pt": pt, "name": [f"e{n}" for n in range(60)]})
    baler_core.compress(value, tmp_path / "e.bal", bounds={"pt": {"abs": 0.01}}, model=FAST, block_bytes=1000)
    return tmp_path / "e.bal"


def test_tables_hold_the_rows_asked_for(events: Path) -> None:
    with baler_core.open_file(events) as file:
        pt = [file["pt"].rows(n, n + 1) for n in range(60)]
        frame = file.to_pandas(start=5, stop=20)
        assert frame["run"].tolist() == list(range(5, 20))
        assert frame["name"].tolist() == [f"e{n}" for n in range(5, 20)]
        assert all(np.array_equal(a, b) for a, b in zip(frame["pt"], pt[5:20], strict=True))
        assert list(file.to_pandas(["run", "name", "pt"])) == ["run", "name", "pt"]
        with pytest.raises(KeyError, match=r"there is no variable 'rum'\. Did you mean 'run'"):
            file.to_pandas(["rum"])
        table = file.to_arrow(["run", "pt"], start=-3)
        assert table.column("run").to_pylist() == [57, 58, 59]
        assert table.column("pt").to_pylist() == [one.tolist() for one in pt[57:]]
        pytest.importorskip("polars")
        assert file.to_polars("pt", stop=4)["pt"].to_list() == [one.tolist() for one in pt[:4]]


def test_fields_are_no_table(tmp_path: Path) -> None:
    data = xr.Dataset(
        {"a": ("x", np.arange(4.0)), "b": (("y", "z"), np.ones((3, 2))), "c": (("x", "z"), np.ones((4, 2)))}
    )
    baler_core.compress(data, tmp_path / "a.bal")
    with baler_core.open_file(tmp_path / "a.bal") as file:
        with pytest.raises(DataError, match="a table needs variables along one dimension, and these lie along x, y"):
            file.to_pandas()
        assert file.to_arrow(["a", "c"]).column("c").to_pylist() == [[1.0, 1.0]] * 4
        assert file.to_pandas(["a", "c"])["c"].tolist()[0].tolist() == [1.0, 1.0]


def test_categories_of_a_stored_frame_are_no_codes(tmp_path: Path) -> None:
    kind = pd.CategoricalDtype([2.5, 1.5], ordered=True)
    frame = pd.DataFrame(
        {"x": np.arange(4.0), "c": list("abba"), "n": pd.Categorical([1.5, None, 2.5, 1.5], dtype=kind)}
    )
    frame["c"] = frame["c"].astype("category")
    baler_core.compress(frame, tmp_path / "f.bal")
    with baler_core.open_file(tmp_path / "f.bal") as file:
        found = file.to_pandas(["x", "c", "n"])
        assert found["c"].tolist() == list("abba")
        pd.testing.assert_series_equal(found["n"], frame["n"])
        assert file.to_arrow(["n"])["n"].to_pylist() == [1.5, None, 2.5, 1.5]
        assert file.rows(1, 3)["x"].tolist() == [1, 2]


def test_a_notebook_shows_bounds_and_errors_and_runs_nothing(tmp_path: Path) -> None:
    baler_core.compress({"<script>": rng.normal(size=500)}, tmp_path / "a.bal", bounds={"*": {"abs": 0.25}}, model=FAST)
    with baler_core.open_file(tmp_path / "a.bal") as file:
        shown = file._repr_html_()
        largest = next(iter(file.header.errors.values())).largest
    assert "&lt;script&gt;" in shown
    assert "<script>" not in shown
    assert "abs 0.25" in shown
    assert f"{largest:.4g}" in shown
    assert "times smaller" in shown


def test_missing_integers_of_text_tables_are_missing_in_tables(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("n,x\n1,0.5\n,1.5\n3,\n")
    baler_core.compress(tmp_path / "a.csv", tmp_path / "a.bal", model="scalar")
    frame = baler_core.open(tmp_path / "a.bal", as_="pandas")
    assert str(frame["n"].dtype) == "Int64"
    assert frame["n"].isna().tolist() == [False, True, False]
    assert frame["n"][2] == 3
    assert frame["x"].isna().tolist() == [False, False, True]
    with baler_core.open_file(tmp_path / "a.bal") as file:
        assert file.to_arrow(["n"])["n"].to_pylist() == [1, None, 3]
        assert file.to_pandas("n", start=2)["n"].tolist() == [3]


def test_missing_cells_of_text_tables_are_missing_in_tables_and_as_stored_elsewhere(tmp_path: Path) -> None:
    text = 'name,x,strand,b\n"",1.5,-,a\nfoo,,.,\n,nan,+,NA\nbar,inf,?,no\n'
    (tmp_path / "a.csv").write_text(text)
    baler_core.compress(tmp_path / "a.csv", tmp_path / "a.bal", model="scalar")
    expected = pd.read_csv(tmp_path / "a.csv")
    pd.testing.assert_frame_equal(baler_core.open(tmp_path / "a.bal", as_="pandas"), expected)
    with baler_core.open_file(tmp_path / "a.bal") as file:
        pd.testing.assert_frame_equal(
            file.to_pandas(["name", "b"], start=1), expected[["name", "b"]][1:].reset_index(drop=True)
        )
        assert file.to_arrow().to_pydict() == {
            "name": [None, "foo", None, "bar"],
            "x": [1.5, None, None, np.inf],
            "strand": ["-", ".", "+", "?"],
            "b": ["a", None, None, "no"],
        }
        assert file["name"][:].tolist() == ["", "foo", "", "bar"]
        assert file["b"][:].tolist() == ["a", "", "NA", "no"]
        assert not np.ma.isMaskedArray(file["x"][:])
    baler_core.decompress(tmp_path / "a.bal", tmp_path / "b.csv")
    assert (tmp_path / "b.csv").read_text() == text


def test_nan_of_formats_without_missing_cells_is_a_number_in_arrow(tmp_path: Path) -> None:
    baler_core.compress({"x": np.array([1.0, np.nan])}, tmp_path / "a.bal")
    with baler_core.open_file(tmp_path / "a.bal") as file:
        assert file.to_arrow()["x"].null_count == 0


def test_tables_hold_physical_values_of_packed_variables(tmp_path: Path) -> None:
    netCDF4 = pytest.importorskip("netCDF4")
    pytest.importorskip("baler_hdf5")
    shown = np.ma.masked_array(np.round(np.linspace(270, 280, 20), 2), np.arange(20) % 7 == 0)
    with netCDF4.Dataset(tmp_path / "a.nc", "w") as made:
        made.createDimension("t", 20)
        packed = made.createVariable("temp", "i2", ("t",), fill_value=-999)
        packed.scale_factor, packed.add_offset = 0.01, 273.15
        packed[:] = shown
        time = made.createVariable("when", "i4", ("t",))
        time.units = "days since 2000-01-01"
        time[:] = np.arange(20)
    baler_core.compress(tmp_path / "a.nc", tmp_path / "a.bal")
    with baler_core.open_file(tmp_path / "a.bal") as file:
        found = file.to_pandas()["temp"]
    dated = baler_core.open(tmp_path / "a.bal", as_="pandas")
    for column in (found, dated["temp"]):
        np.testing.assert_allclose(np.ma.masked_invalid(column), shown, rtol=1e-12)
        assert column.isna().tolist() == shown.mask.tolist()
    assert str(dated["when"].iloc[3].date()) == "2000-01-04"
