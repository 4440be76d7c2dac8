"""Exported tables are read by pyarrow, smaller than restored ones, within what was allowed."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq

import baler_core

FAST = {"name": "auto", "effort": "fast"}


def test_columns_are_rounded_and_stored_small(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    pairs = rng.normal(size=(3000, 2))
    table = pa.table(
        {
            "pt": pa.array(rng.exponential(30, 3000), mask=rng.random(3000) < 0.1),
            "id": np.arange(3000),
            "pairs": pa.array([list(row) for row in pairs]),
            "noise": rng.random(3000),
        }
    )
    bounds = {"pt": {"rel": 1e-3}, "pairs": {"abs": 0.01}, "noise": {"rel": 1e-7}}
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=1000)
    baler_core.compress(tmp_path / "a.parquet", tmp_path / "a.bal", bounds=bounds, model=FAST)
    done = baler_core.export(tmp_path / "a.bal", tmp_path / "b.parquet", extra=0.5)
    assert done.file_bytes < done.plain_bytes
    assert "BYTE_STREAM_SPLIT" in done.storage
    assert not done.warnings
    found = pq.read_table(tmp_path / "b.parquet")
    assert found.schema == table.schema
    assert found["id"].equals(table["id"])
    before, after = (one["pt"].to_numpy() for one in (table, found))
    assert np.array_equal(np.isnan(before), np.isnan(after))
    assert (np.abs(after - before) <= 1.5e-3 * before)[~np.isnan(before)].all()
    flat = np.asarray(found["pairs"].combine_chunks().flatten())
    assert np.abs(flat - pairs.reshape(-1)).max() <= 0.015
    meta = pq.ParquetFile(tmp_path / "b.parquet").metadata
    assert meta.num_row_groups == 3
    columns = [meta.row_group(1).column(n) for n in range(meta.num_columns)]
    assert {column.compression for column in columns} == {"ZSTD"}
    assert "BYTE_STREAM_SPLIT" in columns[3].encodings


def test_feather_files_are_packed(tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(size=5000)
    feather.write_feather(pa.table({"x": values}), tmp_path / "a.feather", compression="uncompressed")
    baler_core.compress(tmp_path / "a.feather", tmp_path / "a.bal", bounds={"x": {"abs": 0.01}}, model=FAST)
    done = baler_core.export(tmp_path / "a.bal", tmp_path / "b.feather", extra=1)
    assert done.file_bytes < done.plain_bytes / 2
    assert done.storage == "Zstandard"
    assert np.abs(feather.read_table(done.path)["x"].to_numpy() - values).max() <= 0.02
