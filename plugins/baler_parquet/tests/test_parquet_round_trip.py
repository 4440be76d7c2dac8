"""Parquet files come back with every value, null, type and piece; lossy columns within their bounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import baler_core
from baler_core.testing import check_reader
from baler_parquet.reader import ParquetReader

from .arrow_tables import assert_same_files, everything, flat, nested, restored, rows_of

TABLES = {
    "everything": everything,
    "no rows": lambda: everything().slice(0, 0),
    "one row": lambda: everything().slice(2, 1),
    "many": lambda: pa.concat_tables([everything()] * 20).unify_dictionaries(),
    "changing dictionaries": lambda: pa.table({"x": pa.chunked_array([_coded("aba"), _coded("cab"), _coded("d")])}),
    "no columns": lambda: pa.table({}),
    "only nulls": lambda: pa.table({"a": pa.nulls(5), "b": pa.array([None] * 5, pa.float32())}),
    "same names in structs": lambda: pa.table({"a.b": [1, 2], "a": [{"b": 3.5}, {"b": 4.5}]}),
    "columns not null": lambda: pa.table(
        {"x": [1.0, 2.0], "l": [[1], [2, 3]]},
        schema=pa.schema(
            [pa.field("x", pa.float64(), False), pa.field("l", pa.list_(pa.field("e", pa.int8(), False)), False)]
        ),
    ),
}


def _coded(letters: str) -> pa.Array:
    return pa.array(list(letters)).dictionary_encode()


@pytest.mark.parametrize("block_bytes", [1000, 1_000_000])
@pytest.mark.parametrize("name", TABLES)
def test_a_table_comes_back_as_it_was(name: str, block_bytes: int, tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    pq.write_table(TABLES[name](), path, row_group_size=40 if name == "many" else 3)
    block_bytes = max(block_bytes, 20_000 if name == "many" else 0)
    assert_same_files(path, restored(path, block_bytes=block_bytes))


def test_nulls_and_nan_stay_apart_in_lossy_columns(tmp_path: Path) -> None:
    draw = np.random.default_rng(2)
    values, null = draw.normal(size=1500), draw.random(1500) < 0.2
    values[::7] = np.nan
    lists = pa.array([None if n % 11 == 0 else [float(n), None, float("nan")][: n % 4] for n in range(1500)])
    table = pa.table({"x": pa.array(values, mask=null, from_pandas=False), "l": lists})
    pq.write_table(table, tmp_path / "a.parquet")
    done = restored(tmp_path / "a.parquet", bounds={"x": {"abs": 0.01}, "l": {"rel": 1e-3}}, model="table")
    back = pq.read_table(done)
    for name in ("x", "l"):
        before, after = table[name].combine_chunks(), back[name].combine_chunks()
        assert before.is_null().equals(after.is_null())
    one, other = (t["x"].to_numpy()[~null] for t in (table, back))
    np.testing.assert_array_equal(np.isnan(one), np.isnan(other))
    assert 0 < np.nanmax(np.abs(one - other)) <= 0.01
    for one, other in zip(table["l"].to_pylist(), back["l"].to_pylist(), strict=True):
        assert (one is None) == (other is None)
        for a, b in zip(one or (), other or (), strict=True):
            assert (a is None and b is None) or (a != a and b != b) or abs(a - b) <= 1e-3 * abs(a)


def test_decimals_may_lose_digits_where_that_is_asked_for(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"p": pa.array([f"{n}.{n % 100:02}" for n in range(999)]).cast(pa.decimal128(9, 2))}),
        tmp_path / "a.parquet",
    )
    assert_same_files(tmp_path / "a.parquet", restored(tmp_path / "a.parquet", bounds={"*": {"abs": 0.001}}))
    done = restored(tmp_path / "a.parquet", bounds={"p": {"abs": 0.5}})
    before, after = (pq.read_table(p)["p"].cast(pa.float64()).to_numpy() for p in (tmp_path / "a.parquet", done))
    assert 0 < np.abs(before - after).max() <= 0.5 + 1e-9
    assert pq.read_schema(done).field("p").type == pa.decimal128(9, 2)


def test_variables_are_called_as_pyarrow_calls_them(tmp_path: Path) -> None:
    pq.write_table(pa.table(nested()), tmp_path / "a.parquet")
    with ParquetReader().open(tmp_path / "a.parquet") as source:
        names, schema = set(source.schema.names), source.schema
    assert {"st.a", "st.b", "Jet.pt", "Jet.hits", "nJet", "m.key", "m.value", "fsl", "tensor", "Jet/null_list"} <= names
    assert schema["Jet.pt"].dims == ("Jet",)
    assert schema.counts["Jet"] == "nJet"
    assert schema["fsl"].dims == ("row", "axis1_2")
    assert schema["Jet.hits"].dtype == "|i1"


def test_lists_that_a_column_counts_share_its_dimension(tmp_path: Path) -> None:
    counts = [2, 0, 1, 3]
    lists = {name: [[float(n)] * n for n in counts] for name in ("Jet_pt", "Jet_eta")}
    pq.write_table(pa.table({"nJet": counts, **lists, "Muon_pt": [[1.0], [], [], []]}), tmp_path / "a.parquet")
    with ParquetReader().open(tmp_path / "a.parquet") as source:
        schema = source.schema
    assert schema.counts == {"Jet": "nJet", "Muon_pt[]": "nMuon_pt"}
    assert schema["Jet_pt"].dims == schema["Jet_eta"].dims == ("Jet",)
    assert schema["nJet"].dtype == "<i8"
    assert_same_files(tmp_path / "a.parquet", restored(tmp_path / "a.parquet"))


def test_selected_columns_and_parts_of_structs_are_restored_alone(tmp_path: Path) -> None:
    pq.write_table(everything(), tmp_path / "a.parquet", row_group_size=3)
    done = restored(tmp_path / "a.parquet", variables=["f", "Jet.pt", "st.b", "dic"])
    before, after = pq.read_table(tmp_path / "a.parquet"), pq.read_table(done)
    assert after.schema.names == ["f", "dic", "st", "Jet"]
    assert after["f"].equals(before["f"])
    assert after["dic"].equals(before["dic"])
    assert [one and {"b": one["b"]} for one in before["st"].to_pylist()] == after["st"].to_pylist()
    whole = before["Jet"].to_pylist()
    assert [one and [j and {"pt": j["pt"]} for j in one] for one in whole] == after["Jet"].to_pylist()
    with pytest.raises(baler_core.BalerError, match=r"Jet\.pt"):
        restored(tmp_path / "a.parquet", variables=["Jet.pts"])


def test_pandas_finds_its_table_again(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "a": [1.5, None, 3],
            "c": pd.Categorical(["x", "y", "x"], ["y", "x", "unused"]),
            "z": pd.to_datetime(["2020-01-01", None, "2021-01-01"]).tz_localize("UTC"),
            "p": pd.period_range("2020-01", periods=3, freq="M"),
            "i": pd.array([1, None, 3], dtype="Int64"),
            "v": pd.interval_range(0, 3),
        },
        index=pd.Index([5, 6, 7], name="key"),
    )
    frame.attrs = {"who": "me"}
    frame.to_parquet(tmp_path / "a.parquet")
    after = pd.read_parquet(restored(tmp_path / "a.parquet"))
    pd.testing.assert_frame_equal(frame, after)
    assert after.attrs == frame.attrs
    with ParquetReader().open(tmp_path / "a.parquet") as source:
        assert source.schema["key"].role == "identifier"


def test_codes_of_dictionaries_take_no_bounds(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": _coded("abca")}), tmp_path / "a.parquet")
    with pytest.raises(baler_core.DataError, match="'x' holds codes of a dictionary"):
        restored(tmp_path / "a.parquet", bounds={"x": {"abs": 1}})


def test_columns_of_unions_are_left_out_with_a_sentence(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    union = pa.UnionArray.from_sparse(pa.array([0, 1], pa.int8()), [pa.array([1, 2]), pa.array(["a", "b"])])
    table = pa.table({"u": union, "x": [1.5, 2.5]})
    with pa.ipc.new_file(tmp_path / "a.arrow", table.schema) as writer:
        writer.write_table(table)
    done = restored(tmp_path / "a.arrow")
    assert "the column 'u' is left out of the restored file, since its type is sparse_union" in caplog.text
    assert pa.ipc.open_file(done).read_all().equals(table.select(["x"]))


def test_a_file_of_many_row_groups_is_read_in_parts(tmp_path: Path) -> None:
    table = pa.table({"x": np.arange(20_000.0), "l": [[n] * (n % 3) for n in range(20_000)]})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=3000)
    with ParquetReader().open(tmp_path / "a.parquet") as source:
        sizes = [block.nbytes for block in source.blocks(50_000)]
    assert len(sizes) >= 8
    assert max(sizes) < 75_000
    (tmp_path / "out").mkdir()
    check_reader(ParquetReader(), tmp_path / "a.parquet", tmp_path / "out")
    done = restored(tmp_path / "a.parquet", block_bytes=100_000)
    assert_same_files(tmp_path / "a.parquet", done)
    assert rows_of(pq.read_metadata(done)) == [3000] * 6 + [2000]


def test_every_flat_type_is_a_variable_of_its_own(tmp_path: Path) -> None:
    table = pa.table(flat())
    pq.write_table(table, tmp_path / "a.parquet")
    with ParquetReader().open(tmp_path / "a.parquet") as source:
        block = next(b for b in source.blocks(1 << 20) if "f" in b)
        dtypes = {v.name: v.dtype for v in source.schema.variables}
    assert dtypes["half"] == "<f2"
    assert dtypes["u"] == "<u8"
    assert dtypes["dec"] == "<i8"
    assert dtypes["dec30"] == "|V16"
    assert dtypes["ts"] == "<i8"
    assert block["u"].values[0] == 2**64 - 1
    assert block["f/null"].values.tolist() == table["f"].is_null().to_pylist()
    assert block["dec"].values[[0, 2, 3]].tolist() == [125, -350, 999_999]


def test_binary_columns_that_are_all_null_come_back(tmp_path: Path) -> None:
    path, back = tmp_path / "nulls.parquet", tmp_path / "back.parquet"
    written = pa.table({"b": pa.array([None, None], pa.binary()), "x": [1.5, 2.5]})
    pq.write_table(written, path)
    baler_core.compress(path, tmp_path / "nulls.bal", model="scalar")
    baler_core.decompress(tmp_path / "nulls.bal", back)
    assert pq.read_table(back).equals(written)
