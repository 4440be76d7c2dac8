"""Tables of an opened file have the types, nulls, lists and structs that pyarrow reads from the original."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import baler_core

ROWS = 60
NULL = np.arange(ROWS) % 5 == 2


def _column(values: np.ndarray, kind: pa.DataType | None = None) -> pa.Array:
    return pa.array(values, kind, mask=NULL)


def _listed(values: list[object], kind: pa.DataType | None = None) -> pa.Array:
    return pa.array([None if null else value for null, value in zip(NULL, values, strict=True)], kind)


COUNT = np.arange(ROWS)
TABLE = pa.table(
    {
        "time": _column(COUNT, pa.timestamp("us")),
        "zone": _column(COUNT, pa.timestamp("ms", "UTC")),
        "day": _column(COUNT.astype("i4"), pa.date32()),
        "clock": _column(COUNT, pa.time64("us")),
        "span": _column(COUNT, pa.duration("ms")),
        "money": _listed([Decimal(f"{n}.25") for n in range(ROWS)], pa.decimal128(10, 2)),
        "list": _listed([list(range(n % 4)) for n in range(ROWS)]),
        "deep": _listed([[[n], [], [n, 1]][: n % 4] for n in range(ROWS)]),
        "struct": _listed([{"a": n, "b": None if n % 7 == 0 else n / 2} for n in range(ROWS)]),
        "jets": _listed([[{"pt": float(n), "id": n}] * (n % 3) for n in range(ROWS)]),
        "map": _listed([[("k", n)] for n in range(ROWS)], pa.map_(pa.string(), pa.int32())),
        "bytes": pa.array([bytes([n, n]) for n in range(ROWS)], pa.binary(2)),
        "empty": pa.nulls(ROWS),
        "word": _listed([f"s{n}" for n in range(ROWS)]),
        "code": pa.array(["a", "b", None, "c", "a"] * 12).dictionary_encode(),
        "x": _column(COUNT / 7),
    }
)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    pq.write_table(TABLE, folder / "a.parquet", row_group_size=17)
    baler_core.compress(folder / "a.parquet", folder / "a.bal", model="scalar")
    return folder / "a.bal"


def test_tables_of_arrow_are_those_of_pyarrow(stored: Path) -> None:
    with baler_core.open_file(stored) as file:
        whole, part = file.to_arrow(), file.to_arrow(start=15, stop=40)
    assert set(whole.column_names) == set(TABLE.column_names)
    for name in TABLE.column_names:
        assert whole[name].to_pylist() == TABLE[name].to_pylist(), name
        assert part[name].to_pylist() == TABLE[name].slice(15, 25).to_pylist(), name
        assert name == "code" or whole.schema.field(name).type == TABLE.schema.field(name).type


def test_columns_are_chosen_by_their_names(stored: Path) -> None:
    with baler_core.open_file(stored) as file:
        for name in set(TABLE.column_names) - {"empty"}:  # which has no values
            assert file.to_arrow(name, start=15, stop=40)[name].to_pylist() == TABLE[name].slice(15, 25).to_pylist()
        assert file.to_pandas(["struct", "x"]).columns.tolist() == ["struct", "x"]
        with pytest.raises(KeyError, match="'strut'"):
            file.to_arrow("strut")


def test_tables_of_pandas_are_those_that_pandas_reads(stored: Path) -> None:
    expected = TABLE.to_pandas()
    with baler_core.open_file(stored) as file:
        found = file.to_pandas()
        assert list(file.to_pandas(["struct.a", "time"])) == ["struct", "time"]  # as asked for, as pandas does
        assert file.to_pandas("struct.a")["struct"][4] == {"a": 4}
    for name in ("time", "zone", "day", "clock", "span", "money", "map", "bytes", "empty", "word", "x"):
        pd.testing.assert_series_equal(found[name], expected[name])
    assert list(baler_core.open(stored, as_="pandas")) == list(found)
    for ours, theirs in zip(found["deep"], expected["deep"], strict=True):
        assert str(ours) == str(theirs)


def test_lossy_decimals_are_decimals_in_bound(tmp_path: Path) -> None:
    money = pa.array([Decimal(n * n).scaleb(-2) for n in range(500)], pa.decimal128(12, 2))
    pq.write_table(pa.table({"m": money}), tmp_path / "a.parquet")
    baler_core.compress(tmp_path / "a.parquet", tmp_path / "a.bal", bounds={"m": {"abs": 0.5}})
    with baler_core.open_file(tmp_path / "a.bal") as file:
        found = file.to_arrow()["m"]
    assert found.type == money.type
    errors = [abs(a - b) for a, b in zip(found.to_pylist(), money.to_pylist(), strict=True)]
    assert 0 < max(errors) <= Decimal("0.5")


def test_columns_and_parts_of_structs_that_are_not_chosen_are_named(tmp_path: Path) -> None:
    made = pa.table({"a": [1.0], "s": [{"x": 1.0, "y": 2.0}]})
    pq.write_table(made, tmp_path / "a.parquet")
    for given in (tmp_path / "a.parquet", made):
        done = baler_core.compress(given, tmp_path / "a.bal", variables=["*x"], overwrite=True)
        assert len(done.left_out) == 1
        assert done.left_out[0].endswith("variables; not in this file: a, s.y")


def test_columns_of_nothing_but_nulls_are_asked_for_by_name(tmp_path: Path) -> None:
    structs = pa.array([{"a": None, "b": n} for n in range(5)], pa.struct([("a", pa.null()), ("b", pa.int32())]))
    lists = pa.array([[None] * n for n in range(5)], pa.list_(pa.null()))
    table = pa.table({"x": np.arange(5.0), "empty": pa.nulls(5), "st": structs, "lists": lists})
    pq.write_table(table, tmp_path / "a.parquet")
    baler_core.compress(tmp_path / "a.parquet", tmp_path / "a.bal", bounds="lossless")
    with baler_core.open_file(tmp_path / "a.bal") as file:
        assert file.to_arrow().equals(table)
        for names in (["empty"], ["empty", "x"], ["lists", "st"], ["st"], ["x"]):
            assert file.to_arrow(names, start=1, stop=4).equals(table.select(names).slice(1, 3)), names
        assert file.to_pandas("e*").columns.tolist() == ["empty"]
        with pytest.raises(KeyError, match="there is no variable 'emty'"):
            file.to_arrow(["x", "emty"])


def test_tables_compressed_from_memory_have_their_types_and_nulls(tmp_path: Path) -> None:
    baler_core.compress(TABLE, tmp_path / "t.bal", model="scalar")
    with baler_core.open_file(tmp_path / "t.bal") as file:
        assert file.to_arrow().equals(TABLE)
        assert file.to_arrow(["list", "time"], start=5, stop=20).equals(TABLE.select(["list", "time"]).slice(5, 15))


def test_columns_that_share_lengths_of_lists_keep_their_order(tmp_path: Path) -> None:
    lists = [[None, 1] if n % 3 else [] for n in range(9)]
    deep = [[[1], [2, 3]] if n % 3 else None for n in range(9)]
    table = pa.table(
        {"a": lists, "s": [["x", None, "y"] if n % 3 else [] for n in range(9)], "deep": deep, "x": range(9)}
    )
    pq.write_table(table, tmp_path / "a.parquet")
    baler_core.compress(tmp_path / "a.parquet", tmp_path / "a.bal", bounds="lossless")
    with baler_core.open_file(tmp_path / "a.bal") as file:
        assert file.to_arrow().equals(pq.read_table(tmp_path / "a.parquet"))


def test_what_polars_refuses_is_told(tmp_path: Path) -> None:
    pytest.importorskip("polars")
    table = pa.table({"big": pa.array([Decimal(10) ** 40], pa.decimal256(50, 2)), "x": [1.0]})
    pq.write_table(table, tmp_path / "a.parquet")
    baler_core.compress(tmp_path / "a.parquet", tmp_path / "a.bal", bounds="lossless")
    with baler_core.open_file(tmp_path / "a.bal") as file:
        with pytest.raises(baler_core.DataError, match="polars does not take a column of this table"):
            file.to_polars()
        assert file.to_polars("x")["x"].to_list() == [1.0]


INDEXES = {
    "dates": pd.date_range("2020", periods=6, freq="D", name="t"),
    "range": pd.RangeIndex(5, 17, 2, name="r"),
    "text": pd.Index(list("abcdef"), name="key"),
    "levels": pd.MultiIndex.from_product([[1, 2], list("abc")], names=["n", None]),
    "categories": pd.CategoricalIndex(["a", "b"] * 3),
    "plain": pd.RangeIndex(6),
}


@pytest.mark.parametrize("name", INDEXES)
def test_tables_of_pandas_have_its_index_types_and_attributes(tmp_path: Path, name: str) -> None:
    columns = {
        "x": np.arange(6.0),
        "whole": pd.array([1, None, 3] * 2, "Int16"),
        "full": pd.array(range(6), "UInt8"),
        "yes": pd.array([True, None, False] * 2, "boolean"),
        "s": pd.array(["a", None, ""] * 2, "string"),
    }
    frame = pd.DataFrame(columns, index=INDEXES[name])
    frame.attrs = {"who": "me"}
    frame.to_parquet(tmp_path / "a.parquet")
    baler_core.compress(tmp_path / "a.parquet", tmp_path / "a.bal", model="scalar")
    expected = pd.read_parquet(tmp_path / "a.parquet")
    with baler_core.open_file(tmp_path / "a.bal") as file:
        for found in (file.to_pandas(), baler_core.open(tmp_path / "a.bal", as_="pandas")):
            pd.testing.assert_frame_equal(found, expected)
            assert found.attrs == expected.attrs
        pd.testing.assert_frame_equal(
            file.to_pandas(start=-4, stop=5)[["x", "s"]],
            expected[["x", "s"]].iloc[2:5].set_axis(expected.index[2:5] if name != "plain" else pd.RangeIndex(3)),
        )
        assert file.to_pandas(["x"]).index.equals(pd.RangeIndex(6))


@pytest.mark.parametrize(
    "stated",
    [
        b"{",
        b"[]",
        b'{"index_columns": [{"kind": "range", "start": 0, "stop": 9, "step": 0}]}',
        b'{"index_columns": ["gone"], "columns": [7]}',
        b'{"index_columns": [["x"]], "columns": "x"}',
        b'{"columns": [{"field_name": "x", "numpy_type": "Int8"}]}',
    ],
)
def test_metadata_of_pandas_that_make_no_sense_change_nothing(tmp_path: Path, stated: bytes) -> None:
    table = pa.table({"x": [1.0, 2.0]}).replace_schema_metadata({"pandas": stated})
    pq.write_table(table, tmp_path / "a.parquet")
    baler_core.compress(tmp_path / "a.parquet", tmp_path / "a.bal", model="scalar")
    with baler_core.open_file(tmp_path / "a.bal") as file:
        assert file.to_pandas().to_dict("list") == {"x": [1, 2]}


def test_sets_of_tables_with_an_index_have_it_as_a_column(tmp_path: Path) -> None:
    for number in range(2):
        index = pd.date_range(f"202{number}", periods=3, name="t")
        pd.DataFrame({"x": np.arange(3.0)}, index).to_parquet(tmp_path / f"{number}.parquet")
    manifest = baler_core.compress_many(sorted(tmp_path.glob("*.parquet")), tmp_path / "out", model="scalar")
    with baler_core.open_set(manifest) as files:
        found = files.to_pandas()
    assert list(found) == ["x", "t"]
    assert found["t"].dt.year.tolist() == [2020] * 3 + [2021] * 3
