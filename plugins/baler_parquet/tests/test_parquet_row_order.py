"""Tables whose order of rows means nothing come sorted, with nulls, texts and lists."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import baler_core
from baler_core.format.file_info import read_info

ROWS = 400


def test_rows_move_as_a_whole(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    number = rng.permutation(ROWS)
    table = pa.table(
        {
            "number": number,
            "class": pa.array(rng.integers(0, 25, ROWS), mask=number % 7 == 0),
            "name": [None if n % 5 == 0 else f"object {n}" for n in number],
            "hits": [[int(n)] * (n % 3) for n in number],
        }
    )
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=300)
    baler_core.compress(
        tmp_path / "a.parquet", tmp_path / "a.bal", model={"name": "auto", "effort": "fast"}, order="free"
    )
    assert read_info(tmp_path / "a.bal").header.order is not None
    baler_core.decompress(tmp_path / "a.bal", tmp_path / "b.parquet")
    found = pq.read_table(tmp_path / "b.parquet")
    places = np.argsort(number)[found["number"].to_numpy()]
    assert not np.array_equal(places, np.arange(ROWS))
    assert found.equals(table.take(places))
