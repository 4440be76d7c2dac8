"""A file that an earlier version wrote must always be restored; `python test_parquet_golden.py` wrote it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

import baler_core

HERE = Path(__file__).parent / "golden"


def test_the_golden_file_is_restored(tmp_path: Path) -> None:
    baler_core.decompress(HERE / "table-0.1.0.bal", tmp_path / "restored.parquet")
    before, after = pq.read_table(HERE / "original.parquet"), pq.read_table(tmp_path / "restored.parquet")
    assert after.schema.equals(before.schema, check_metadata=True)
    for name, one, other in zip(before.schema.names, before.columns, after.columns, strict=True):
        if name == "f":
            assert one.is_null().equals(other.is_null())
            gap = np.abs(one.to_numpy() - other.to_numpy())
            assert 0 < np.nanmax(gap) <= 0.01
        else:
            assert repr(one.to_pylist()) == repr(other.to_pylist()), name
    rows = [
        pq.read_metadata(p).row_group(1).num_rows for p in (HERE / "original.parquet", tmp_path / "restored.parquet")
    ]
    assert rows == [3, 3]


if __name__ == "__main__":
    from arrow_tables import everything

    pq.write_table(everything(), HERE / "original.parquet", row_group_size=3, compression="zstd")
    bounds = {"f": {"abs": 0.01}, "*": "lossless"}
    baler_core.compress(HERE / "original.parquet", HERE / "table-0.1.0.bal", bounds=bounds, model="scalar")
