"""What folders say of the files of a set, `year=2020`, are columns of its tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import baler_core
from baler_core.api.file_set import FileSet
from baler_core.api.open_file import open_set
from baler_core.api.partitions import Partition, partitions_of


@pytest.fixture
def files(tmp_path: Path) -> FileSet:
    """Three files of two years, one of them of no month."""
    places = [f"year=2020/month={month}" for month in ("1", "__HIVE_DEFAULT_PARTITION__")] + ["year=2021/month=02"]
    inputs = []
    for number, place in enumerate(places):
        folder = tmp_path / "t" / place
        folder.mkdir(parents=True)
        np.savez(folder / "part-0.npz", x=np.arange(2.0) + 10 * number, n=np.arange(2))
        inputs.append(folder / "part-0.npz")
    return open_set(baler_core.compress_many(inputs, tmp_path / "out", model="scalar"))


def test_tables_have_them_as_columns(files: FileSet) -> None:
    with files:
        assert [one.name for one in files.partitions] == ["year", "month"]
        found = files.to_pandas()
        assert list(found) == ["x", "n", "year", "month"]
        assert found["year"].tolist() == [2020, 2020, 2020, 2020, 2021, 2021]
        assert found["month"].fillna(0).tolist() == [1, 1, 0, 0, 2, 2]
        part = files.to_pandas(["month", "x"], start=-3)
        assert list(part) == ["month", "x"]
        assert part["x"].tolist() == [11, 20, 21]
        assert files.to_pandas("year", start=3, stop=5)["year"].tolist() == [2020, 2021]
        assert list(files.to_pandas("x")) == ["x"]
        pa = pytest.importorskip("pyarrow")
        table = files.to_arrow(["y*", "n", "month"])
        assert table.schema == pa.schema({"year": pa.int64(), "n": pa.int64(), "month": pa.int64()})
        assert table["month"].to_pylist() == [1, 1, None, None, 2, 2]


def test_names_of_folders_are_read_as_they_are_written() -> None:
    found = partitions_of(["a/k=x%20y/z=1/p.npz", "a/k=5/z=1/q=7/p.npz"], ["z"])
    assert found == [Partition("k", ("x y", "5"))]
    assert partitions_of(["C:\\t\\d=2020-01-01\\p.npz"], []) == [Partition("d", ("2020-01-01",))]
    assert partitions_of(["p=1.npz", "run.npz"], []) == []


def test_partitions_are_those_of_pyarrow(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    pytest.importorskip("baler_parquet")
    import pyarrow.dataset as ds
    import pyarrow.parquet as pq

    table = pa.table({"x": [1.0, 2, 3, 4], "year": [2020, 2020, 2021, 2021], "k": ["a", "b/c", "a", "é"]})
    pq.write_to_dataset(table, tmp_path / "t", partition_cols=["year", "k"])
    inputs = sorted((tmp_path / "t").rglob("*.parquet"))
    with open_set(baler_core.compress_many(inputs, tmp_path / "out", model="scalar")) as files:
        wanted = ds.dataset(tmp_path / "t", partitioning="hive").to_table().sort_by("x")
        assert files.to_arrow().sort_by("x").to_pydict() == wanted.to_pydict()
