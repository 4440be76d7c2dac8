"""Tables show categories, never the codes that stand for them, and no list of categories as rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

import baler_core
from baler_core import DataError, File

NAMES = ["b", None, "ü", "b", "a", "a"]


def _stored(table: pa.Table, folder: Path, rows: int = 100) -> File:
    pq.write_table(table, folder / "t.parquet", row_group_size=rows)
    baler_core.compress(folder / "t.parquet", folder / "t.bal", model="scalar")
    return baler_core.open_file(folder / "t.bal")


def test_categories_come_with_the_table(tmp_path: Path) -> None:
    kind = pd.CategoricalDtype(["a", "unused", "b", "ü"], ordered=True)
    frame = pd.DataFrame({"x": np.arange(6.0), "c": pd.Categorical(NAMES, dtype=kind)})
    with _stored(pa.Table.from_pandas(frame), tmp_path) as file:
        for found in (file.to_pandas(), baler_core.open(tmp_path / "t.bal", as_="pandas")):
            assert list(found) == ["x", "c"]
            assert [None if pd.isna(one) else one for one in found["c"]] == NAMES
            assert list(found["c"].cat.categories) == ["a", "unused", "b", "ü"]
        assert file.to_pandas("c", start=2, stop=4)["c"].tolist() == ["ü", "b"]
        assert file.to_pandas(["c*"])["c"].astype(object).where(found["c"].notna(), None).tolist() == NAMES
        column = file.to_arrow()["c"]
        assert pa.types.is_dictionary(column.type)
        assert column.to_pylist() == NAMES
        assert file.rows(1, 3)["x"].tolist() == [1, 2]
        pytest.importorskip("polars")
        assert file.to_polars(["c"])["c"].to_list() == NAMES


def test_every_piece_has_categories_of_its_own(tmp_path: Path) -> None:
    pieces = [pa.array(part).dictionary_encode() for part in (["p", "q"], ["r", "p", "r"], [None, "q"])]
    table = pa.table({"c": pa.chunked_array(pieces)})
    with pa.OSFile(str(tmp_path / "t.arrows"), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        for batch in table.to_batches():
            writer.write_batch(batch)
    with pytest.raises(DataError, match="different lists of categories of 'c'"):
        baler_core.compress(tmp_path / "t.arrows", tmp_path / "t.bal", order="free")
    baler_core.compress(tmp_path / "t.arrows", tmp_path / "t.bal", model="scalar")
    with baler_core.open_file(tmp_path / "t.bal") as file:
        assert file.sizes["c/categories entries"] == 5
        assert file.to_arrow()["c"].to_pylist() == ["p", "q", "r", "p", "r", None, "q"]
        assert list(file.to_pandas()["c"].cat.categories) == ["p", "q", "r"]
        assert file.to_arrow(start=3, stop=5)["c"].to_pylist() == ["p", "r"]


def test_categories_of_numbers_and_within_lists(tmp_path: Path) -> None:
    numbers = pa.array([30, 10, 30, 20]).dictionary_encode()
    lists = pa.ListArray.from_arrays(pa.array([0, 2, 2, 3, 4]), pa.array(["u", "v", "u", "w"]).dictionary_encode())
    table = pa.table({"n": numbers, "l": lists})
    feather.write_feather(table, tmp_path / "t.feather")
    baler_core.compress(tmp_path / "t.feather", tmp_path / "t.bal", model="scalar")
    with baler_core.open_file(tmp_path / "t.bal") as file:
        assert file.to_arrow(["n", "l"]).to_pylist() == table.to_pylist()
        frame = file.to_pandas(["n", "l"])
        assert frame["n"].tolist() == [30, 10, 30, 20]
        assert [list(cell) for cell in frame["l"]] == [["u", "v"], [], ["u"], ["w"]]


def test_categories_that_are_structs_are_refused(tmp_path: Path) -> None:
    kind = pa.struct([("x", pa.int32()), ("y", pa.int32())])
    entries = pa.array([{"x": 1, "y": 2}, {"x": 3, "y": 4}], kind)
    table = pa.table({"s": pa.DictionaryArray.from_arrays(pa.array([0, 1, 0]), entries), "x": [1.0, 2.0, 3.0]})
    with pa.OSFile(str(tmp_path / "t.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    baler_core.compress(tmp_path / "t.arrow", tmp_path / "t.bal", model="scalar")
    with baler_core.open_file(tmp_path / "t.bal") as file:
        assert file.to_pandas(["x"])["x"].tolist() == [1, 2, 3]
        with pytest.raises(DataError, match="the categories of 's' are no plain values"):
            file.to_pandas(["s", "x"])


def test_files_that_cannot_be_cut_say_so_before_anything_is_asked(tmp_path: Path) -> None:
    table = pa.table({"c": pa.array(["u", "v", "u"]).dictionary_encode(), "x": [1.0, 2.0, 3.0]})
    with _stored(table, tmp_path), pytest.raises(DataError, match="'parquet' are restored whole") as caught:
        baler_core.decompress(tmp_path / "t.bal", tmp_path / "p.parquet", rows=(0, 2))
    assert "--variable" not in str(caught.value)
    assert not (tmp_path / "p.parquet").exists()


def test_rows_in_a_free_order_keep_their_categories(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"x": rng.permutation(2000), "c": pd.Categorical(rng.choice(["u", "v", "w"], 2000))})
    frame.to_parquet(tmp_path / "t.parquet")
    baler_core.compress(
        tmp_path / "t.parquet", tmp_path / "t.bal", model={"name": "auto", "effort": "fast"}, order="free"
    )
    found = pd.read_parquet(baler_core.decompress(tmp_path / "t.bal", tmp_path / "r.parquet"))
    assert not found["x"].equals(frame["x"])
    pd.testing.assert_frame_equal(found.sort_values("x", ignore_index=True), frame.sort_values("x", ignore_index=True))


def test_a_stored_table_of_arrow_shows_its_categories(tmp_path: Path) -> None:
    table = pa.table({"c": pa.array(["u", "v", "u"]).dictionary_encode(), "x": [1.0, 2.0, 3.0]})
    baler_core.compress(table, tmp_path / "t.bal", model="scalar")
    with baler_core.open_file(tmp_path / "t.bal") as file:
        assert file.to_arrow().to_pylist() == table.to_pylist()
        assert file.to_pandas("c", start=1)["c"].tolist() == ["v", "u"]


@pytest.mark.parametrize("ordered", [True, False])
def test_the_order_of_categories_has_its_meaning_in_tables(tmp_path: Path, ordered: bool) -> None:
    codes = pa.array([0, 1, None], pa.int8())
    table = pa.table({"c": pa.DictionaryArray.from_arrays(codes, ["lo", "hi"], ordered=ordered), "x": [1, 2, 3]})
    with _stored(table, tmp_path) as file:
        assert file.to_pandas()["c"].cat.ordered is ordered
        assert file.to_arrow("c").schema.field("c").type.ordered is ordered
    baler_core.compress(table, tmp_path / "o.bal", model="scalar")
    with baler_core.open_file(tmp_path / "o.bal") as file:
        assert file.to_pandas()["c"].cat.ordered is ordered
        assert file.to_arrow()["x"].to_pylist() == [1, 2, 3]
